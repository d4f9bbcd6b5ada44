"""systemd as a process of the gateway has it: told what happens, fed while the loop turns.

Without systemd (NOTIFY_SOCKET) all of it is nothing. It must not know what a gateway does.
"""

import faulthandler
import os
from collections.abc import Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from .notify import ALIVE, PATIENCE, READY, STOPPING, main_pid, notify, reloading, status

_ERRORS = 2


def watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    """Within how many seconds this process must be heard of again and again, if it must.

    As sd_watchdog_enabled(3) has it: WATCHDOG_USEC, unless WATCHDOG_PID names another process.
    """
    text = environ.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit() and int(text)):
        return None
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(text) / 1e6


def for_successor(environ: Mapping[str, str], pid: int) -> dict[str, str]:
    """The environment for the process that will be the service after this one (``pid``).

    What names this process would tell that one that the watchdog is none of its business.
    """
    kept = dict(environ)
    if kept.get("WATCHDOG_PID") == str(pid):
        del kept["WATCHDOG_PID"]
    return kept


class Systemd:
    """What is said, in the order of a service's life. ``environ``: as the process was started."""

    _log = Logger()

    def __init__(self, reactor: Any, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._within = watchdog(environ, os.getpid())
        # It runs in the loop: one that stands still is not heard of, and that is the point.
        self._feeding = LoopingCall(self._feed)
        self._feeding.clock = reactor

    def serves(self, how: str) -> None:
        """It is up; ``how`` is shown by "systemctl status"."""
        self._say(READY, status(how))
        self.lives()

    def lives(self) -> None:
        """From now on it is heard of, until the end of the process: also while it drains."""
        if self._within is None or self._feeding.running:
            return
        # systemd ends what is stuck by SIGABRT: where it stood is then in its log. By number, as
        # twistd has put something in the place of sys.stderr.
        faulthandler.enable(_ERRORS)
        # Twice in the time, as sd_watchdog_enabled(3) recommends.
        self._feeding.start(self._within / 2)

    def reloads(self) -> None:
        """It has begun to."""
        self._say(reloading())

    def has_reloaded(self, how: str) -> None:
        """It is over, whatever came of it; ``how`` says what."""
        self._say(READY, status(how))

    def stops(self) -> None:
        """It was told to."""
        self._say(STOPPING, status("draining"))

    def is_followed_by(self, pid: int) -> None:
        """Another process is the service from now on.

        systemd believes it of the process that it knows. The other one is heard of only once
        this was read, so its time begins here.
        """
        self._say(main_pid(pid), READY, *([ALIVE] if self._within is not None else []))
        if self._feeding.running:
            self._feeding.stop()

    def _feed(self) -> None:
        # There is a next time: nobody has to wait for a systemd that does not read.
        self._say(ALIVE, patience=0.0)

    def _say(self, *what: str, patience: float = PATIENCE) -> None:
        if wrong := notify(*what, environ=self._environ, patience=patience):
            told = what[0].partition("\n")[0]
            self._log.warn("systemd could not be told {told}: {wrong}", told=told, wrong=wrong)

"""A new process of the gateway takes the place of this one: the same sockets, whatever code is
installed by now.

This one starts it as it was started itself, hands it the listening sockets, and waits until it
serves; then it stops as it would by SIGTERM. Until that moment nothing here has changed: a
successor that cannot start leaves a line in the log. This module must not know what a gateway
does, nor with how many processes.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from daarion_gw.admin.described import Upgrades
from daarion_gw.front.listeners import ListenError, open_again, shut
from daarion_gw.front.sockets import Heritage, Inherited, Ports
from daarion_gw.net.systemd import Systemd, for_successor
from daarion_gw.tls.tickets import TICKET_KEYS
from daarion_gw.workers.channel import Channel, Message, adopt, first_message

# What the successor finds in its environment: where everything is that it was started with.
VARIABLE = "DAARION_GW_SOCKETS"
# Seconds that a successor has until it serves.
PATIENCE = 60.0
# It finds these open; the sockets follow.
_CONTROL, _ERRORS = 3, 4
_NO_FILE = "--pidfile="
# Of what a successor that fails has to say, the end is the reason.
_LINES = 20


class Upgradable(Protocol):
    """The gateway as it looks from here."""

    ports: Ports
    upgrades: Upgrades
    instance: bytes
    when_serving: Callable[[], None]

    def hand_over(self) -> None:
        """Stopping, from now on, leaves the listeners to the other process."""


@dataclass(frozen=True, slots=True)
class Started:
    """How this process was started, and by twistd with what.

    words: of its command line; of these so many (``own``) are the gateway's own flags. twistd:
    its options, of which those about the pid file are obeyed when the process ends.
    """

    words: Sequence[str]
    own: int
    folder: Path
    twistd: Any

    def why_not(self) -> str | None:
        """Why no other process can be started so, if it can't."""
        if os.getpid() == 1:
            return (
                "it is the first process of a container, which ends with it; "
                "start a new container instead"
            )
        if self.twistd is None or self._place is None:
            return "it was not started by twistd"
        if not self.twistd["nodaemon"]:
            return "it runs as twistd's daemon; start it with twistd -n"
        return None

    @property
    def _place(self) -> int | None:
        """Where the word daarion-gw stands."""
        place = len(self.words) - self.own - 1
        return place if place > 0 and self.words[place] == "daarion-gw" else None

    @property
    def command(self) -> list[str]:
        """The same again, but that twistd minds no pid file: that is still this process's."""
        place = self._place
        assert place is not None
        before = [sys.executable, *self.words[1:place]]
        if before[-1] != _NO_FILE:
            before.append(_NO_FILE)
        return [*before, *self.words[place:]]

    @property
    def pid_file(self) -> str:
        """Its absolute path, empty without one."""
        name = self.twistd["pidfile"] if self.twistd is not None else ""
        return str(Path(name).absolute()) if name else ""

    def own_pid_file(self, path: str) -> None:
        """Let the file name this process, and twistd take it away at the end."""
        if self.twistd is not None:
            self.twistd["pidfile"] = path
        if path:
            Path(path).write_text(str(os.getpid()))


class Stage(Enum):
    """How far a successor is."""

    STARTING = "starting"
    # It serves, and was told that all is its own from now on.
    TAKING = "taking over"
    SETTLED = "settled"
    ENDED = "ended"


_NOT_THERE = (Stage.STARTING, Stage.TAKING)


class Upgrade:
    """One attempt at a time. ``leave`` is called when a successor has taken over."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        gateway: Upgradable,
        started: Started,
        systemd: Systemd,
        leave: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._gateway = gateway
        self._started = started
        self._systemd = systemd
        self._leave = leave
        self._successor: _Successor | None = None

    def begin(self) -> None:
        """SIGUSR2."""
        if self._successor is not None:
            self._log.warn("upgrade: one is under way (pid {pid})", pid=self._successor.pid)
            return
        self._gateway.upgrades.asked += 1
        self._gateway.upgrades.failure = None
        why_not = self._started.why_not()
        try:
            self._gateway.ports.check()
            if why_not is None:
                self._start()
        except (ListenError, OSError) as error:
            why_not = str(error)
        if why_not is not None:
            self._failed(why_not)

    def refuse(self, why: str) -> None:
        """SIGUSR2 when there is no beginning one."""
        self._gateway.upgrades.asked += 1
        self._failed(why)

    def _start(self) -> None:
        period, secret = TICKET_KEYS.state
        first = {
            "do": "begin",
            "pid": os.getpid(),
            "instance": self._gateway.instance.decode(),
            "ticket_keys": [period, secret.hex()],
            "pid_file": self._started.pid_file,
        }
        self._successor = _Successor(self._reactor, self._started, self._gateway.ports, first, self)
        self._log.info(
            "upgrade: process {pid} starts its successor, process {new}",
            pid=os.getpid(), new=self._successor.pid,
        )  # fmt: skip

    def _failed(self, why: str) -> None:
        self._successor = None
        self._gateway.upgrades.failure = why
        self._log.error("not upgraded, process {pid} goes on: {why}", pid=os.getpid(), why=why)

    def abandon(self) -> None:
        """This process was told to stop: a successor that is not there yet is none."""
        if self._successor is not None and self._successor.stage in _NOT_THERE:
            self._successor.kill("this process was told to stop")

    # told by the successor's process

    def has_settled(self, pid: int) -> None:
        """All is the successor's."""
        self._gateway.hand_over()
        if self._started.twistd is not None:
            self._started.twistd["pidfile"] = ""
        self._log.info(
            "upgrade: process {new} serves; process {pid} drains and ends", pid=os.getpid(), new=pid
        )
        self._systemd.is_followed_by(pid)
        self._leave()

    def has_failed(self, why: str, stage: Stage, pid_file: str) -> None:
        """It has ended before it was one."""
        if stage is Stage.TAKING:
            # It may have put its name on what it was told is its own.
            self._gateway.ports.own()
            self._started.own_pid_file(pid_file)
        self._failed(why)


class _Successor(ProcessProtocol):
    """The new process, as the old one sees it."""

    _log = Logger()

    def __init__(
        self, reactor: Any, started: Started, ports: Ports, first: Message, upgrade: Upgrade
    ) -> None:
        self.stage = Stage.STARTING
        self.pid = 0
        self._upgrade = upgrade
        self._first = first
        self._errors = b""
        self._killed_for = ""
        self._channel = Channel(self._take, lambda: None)
        self._spawn(reactor, started, ports)
        self._late = reactor.callLater(
            PATIENCE, self.kill, f"it did not serve within {PATIENCE:g} s"
        )

    def _spawn(self, reactor: Any, started: Started, ports: Ports) -> None:
        """Raises OSError."""
        own, its = socket.socketpair(socket.AF_UNIX)
        # Its standard error is ours to read until it has a log of its own to say things in.
        files: dict[int, Any] = {0: 0, 1: 1, 2: "r", _CONTROL: its.fileno(), _ERRORS: 2}
        told: dict[str, Any] = {"control": _CONTROL, "errors": _ERRORS}
        for name, there in (("listeners", ports.listeners), ("admin", ports.admin)):
            told[name] = []
            for description, port in there:
                place = len(files)
                files[place] = port.fileno()
                told[name].append([description, place])
        command = started.command
        environment = for_successor(os.environ, os.getpid()) | {VARIABLE: json.dumps(told)}
        try:
            process = reactor.spawnProcess(
                self, command[0], command, env=environment, path=str(started.folder), childFDs=files
            )
        except OSError:
            own.close()
            raise
        finally:
            its.close()
        self.pid = process.pid
        adopt(reactor, own, self._channel)
        self._channel.send(self._first)

    def kill(self, why: str) -> None:
        """End it without asking."""
        self._killed_for = why
        try:
            process: Any = self.transport
            process.signalProcess("KILL")
        except ProcessExitedAlready:
            pass

    def _take(self, message: Message) -> None:
        if self._killed_for:
            return
        if message["say"] == "serving":
            self.stage = Stage.TAKING
            self._channel.send({"do": "take"})
        elif message["say"] == "taken":
            self.stage = Stage.SETTLED
            if self._late.active():
                self._late.cancel()
            self._upgrade.has_settled(self.pid)

    def childDataReceived(self, _file: int, data: bytes) -> None:
        self._errors = (self._errors + data)[-64 * 1024 :]

    def processEnded(self, reason: Failure) -> None:
        if self._late.active():
            self._late.cancel()
        stage, self.stage = self.stage, Stage.ENDED
        if stage is Stage.SETTLED:
            # Nobody is left to start another: that is the supervisor's, as it always was.
            self._log.error("upgrade: process {pid} has ended already", pid=self.pid)
            return
        why = self._killed_for or _how(reason.value)
        said = self._errors.decode("utf-8", "backslashreplace").strip().splitlines()[-_LINES:]
        words = "\n".join([f"process {self.pid}: {why}", *said])
        self._upgrade.has_failed(words, stage, self._first["pid_file"])


def _how(status: Any) -> str:
    if status.signal is not None:
        return f"was ended by {signal.Signals(status.signal).name}"
    return f"ended with {status.exitCode} before it served"


class Heir:
    """This process, seen as a successor, until it has taken over."""

    _log = Logger()

    def __init__(self, control: socket.socket, errors: int, heritage: Heritage) -> None:
        self.heritage = heritage
        self._control = control
        self._errors = errors
        self._begin, self._rest = first_message(control)
        self.heritage = Heritage(
            self._begin["instance"].encode(), heritage.listeners, heritage.admin
        )
        period, secret = self._begin["ticket_keys"]
        TICKET_KEYS.take((period, bytes.fromhex(secret)))
        self._channel = Channel(self._obey, self._take)
        self._has_taken = False

    @classmethod
    def find(cls, environ: MutableMapping[str, str]) -> "Heir | None":
        """What a predecessor left for this process, if there is one; raises `ListenError`."""
        text = environ.pop(VARIABLE, None)
        if text is None:
            return None
        try:
            told = json.loads(text)
            sockets = {
                name: Inherited([(description, file) for description, file in told[name]])
                for name in ("listeners", "admin")
            }
            os.set_inheritable(told["errors"], False)
            control = socket.socket(fileno=told["control"])
            control.set_inheritable(False)
            return cls(control, told["errors"], Heritage(None, **sockets))
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            raise ListenError(
                f"{VARIABLE} is what a gateway tells its successor, and this is none "
                f"({error}): remove it from the environment"
            ) from error

    def hold_back(self, ports: Ports) -> None:
        """Let the predecessor alone answer the operator as long as it may yet go on."""
        for _, port in ports.admin:
            shut(port)

    def serve(self, reactor: Any, gateway: Upgradable, started: Started, systemd: Systemd) -> None:
        """All listeners are open: ask for what else there is."""
        self._gateway = gateway
        self._started = started
        self._systemd = systemd
        adopt(reactor, self._control, self._channel)
        self._channel.send({"say": "serving"})
        if self._rest:
            self._channel.dataReceived(self._rest)

    def _obey(self, _order: Message) -> None:
        self._take()

    def _take(self) -> None:
        """All is ours: we were told so, or the predecessor is gone, whyever."""
        if self._has_taken:
            return
        self._has_taken = True
        os.dup2(self._errors, 2)
        os.close(self._errors)
        self._gateway.ports.own()
        for _, port in self._gateway.ports.admin:
            open_again(port)
        self._started.own_pid_file(self._begin["pid_file"])
        pids = {"pid": os.getpid(), "old": self._begin["pid"]}
        self._log.info("upgrade: process {pid} took over from process {old}", **pids)
        # That it serves systemd hears of the predecessor, whom it knows.
        self._systemd.lives()
        self._channel.send({"say": "taken"})
        self._channel.close()

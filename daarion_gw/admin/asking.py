"""A running gateway, asked over its admin listener, and told to reload or to be followed.

For the command line: blocking, and without Twisted. Whatever goes wrong is an `AskingError`,
whose text is a sentence for the operator.
"""

import http.client
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Seconds for one answer of the admin listener, for a whole reload, and for another process.
ANSWER_WITHIN = 5.0
RELOAD_WITHIN = 30.0
UPGRADE_WITHIN = 90.0
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
FORMS = "tcp:9901, tcp:9901:interface=127.0.0.1, unix:/run/admin.sock or http://127.0.0.1:9901"


class AskingError(Exception):
    """There is no gateway to be asked, or it does not do what it was told to."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Where an admin listener is: ``unix``, the path of a socket, or host and port."""

    host: str
    port: int
    unix: str | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def status(self) -> dict[str, Any]:
        """What ``/status`` says."""
        asked: http.client.HTTPConnection
        if self.unix is not None:
            asked = _UnixConnection(self.unix)
        else:
            asked = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_WITHIN)
        try:
            asked.request("GET", "/status")
            body = asked.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AskingError(
                f"no gateway answers at {self} ({why}): does it run here? Where its admin listener "
                "is elsewhere, say so by --admin"
            ) from None
        finally:
            asked.close()
        try:
            status = json.loads(body)
        except ValueError:
            status = None
        if not isinstance(status, dict) or "pid" not in status or "reload" not in status:
            raise AskingError(f"what answers at {self} is no admin listener of daarion-gw")
        return status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def admin_at(text: str) -> Admin:
    """The place that an endpoint string or a URL names; raises ValueError for other texts."""
    if text.startswith("http://"):
        parts = urlsplit(text)
        if parts.hostname is None:
            raise ValueError(text)
        return Admin(parts.hostname, parts.port or 80)
    kind, *rest = text.replace("\\:", "\0").split(":")
    words = [word.replace("\0", ":") for word in rest]
    plain = [word for word in words if "=" not in word]
    named = dict(word.split("=", 1) for word in words if "=" in word)
    if kind == "unix":
        path = named["address"] if "address" in named else plain[0]
        if not path:
            raise ValueError(text)
        return Admin("", 0, unix=path)
    if kind not in ("tcp", "tcp4", "tcp6"):
        raise ValueError(text)
    host = named.get("interface", "::" if kind == "tcp6" else "")
    return Admin(_EVERYWHERE.get(host, host), int(named.get("port") or plain[0]))


def reload(admin: Admin) -> dict[str, Any]:
    """Tell the gateway there to reload; give its status when it has, whatever came of it."""
    before = admin.status()
    pid = before["pid"]
    _send(signal.SIGHUP, pid, admin)
    deadline = time.monotonic() + RELOAD_WITHIN
    while True:
        after = admin.status()
        if after["pid"] != pid:
            raise AskingError(f"the gateway (pid {pid}) ended meanwhile; now there is another one")
        if after["reload"]["count"] != before["reload"]["count"]:
            return after
        if time.monotonic() > deadline:
            raise AskingError(
                f"the gateway (pid {pid}) was told to reload, and has said nothing of it for "
                f"{RELOAD_WITHIN:g} s: its log may tell more"
            )
        time.sleep(0.05)


def upgrade(admin: Admin) -> tuple[int, int]:
    """Let a new process take the place of the gateway there; both pids, the old and the new one.

    Raises `AskingError` with the reason when it has not, or has not said so in time.
    """
    before = admin.status()
    pid, asked = before["pid"], before["upgrades"]["asked"]
    _send(signal.SIGUSR2, pid, admin)
    deadline = time.monotonic() + UPGRADE_WITHIN
    why = "its log says how far it is"
    while time.monotonic() < deadline:
        time.sleep(0.05)
        try:
            now = admin.status()
        except AskingError as error:
            # The one that is leaving may have had the connection.
            why = str(error)
            continue
        if now["pid"] != pid:
            return pid, now["pid"]
        upgrades = now["upgrades"]
        if upgrades["asked"] > asked and upgrades["failure"] is not None:
            raise AskingError(f"process {pid} goes on: {upgrades['failure']}")
    raise AskingError(f"process {pid} is still the gateway after {UPGRADE_WITHIN:g} s: {why}")


def _send(number: signal.Signals, pid: int, admin: Admin) -> None:
    """Send a signal to the gateway that says it is ``pid``."""
    _see_that_it_is_one(pid, admin)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        raise AskingError(f"{_ELSEWHERE.format(pid=pid, admin=admin)}: no such process") from None
    except PermissionError:
        raise AskingError(
            f"the gateway (pid {pid}) is another user's process: ask as that user or as root"
        ) from None


_ELSEWHERE = (
    "the gateway at {admin} says that it is pid {pid}, which is not so here (in a container of "
    "its own? run this where it runs)"
)


def _see_that_it_is_one(pid: int, admin: Admin) -> None:
    """A number from another namespace may be anybody's here, and SIGHUP ends most programs."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # No such process, or a system that has no such files: the signal will tell.
        return
    if b"daarion" not in words and b"twistd" not in words:
        name = words.split(b"\0")[0].decode("utf-8", "replace") or "a part of the system"
        raise AskingError(f"{_ELSEWHERE.format(pid=pid, admin=admin)}: that is {name}")

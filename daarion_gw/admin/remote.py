"""The admin listener, asked from another process: what the operator's command needs of it.

No Twisted: a command that asks one question brings no reactor along.
"""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

# Seconds that the gateway has to answer, and to make room for another process.
ANSWER_WITHIN = 5.0
UPGRADE_WITHIN = 90.0
_LOOK_EVERY = 0.1


class RemoteError(Exception):
    """The gateway was not reached, or did not do it; the message says what to look at."""


class _OverUNIX(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(admin: str) -> http.client.HTTPConnection:
    """To the listener of an endpoint string; raises `RemoteError`."""
    # A colon that is part of a value has a backslash before it.
    words = [word.replace("\0", ":") for word in admin.replace("\\:", "\0").split(":")]
    kind, place, *options = words if len(words) > 1 else ("", "")
    if kind == "unix":
        return _OverUNIX(place)
    if kind in ("tcp", "tcp4", "tcp6") and place.removeprefix("port=").isdigit():
        named = dict(option.partition("=")[::2] for option in options)
        host = named.get("interface") or ("::1" if kind == "tcp6" else "127.0.0.1")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        port = int(place.removeprefix("port="))
        return http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN)
    raise RemoteError(f"the admin listener {admin!r} cannot be asked: tcp: and unix: ones can")


def status(admin: str) -> dict[str, Any]:
    """What /status says; raises `RemoteError`. admin: the listener's endpoint string."""
    connection = _connection(admin)
    try:
        connection.request("GET", "/status", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RemoteError(f"the admin listener {admin} answered {answer.status}")
        told: dict[str, Any] = json.loads(body)
        return told
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RemoteError(
            f"no gateway answers at {admin} ({error}): is it running, and is that its admin "
            "listener?"
        ) from error
    finally:
        connection.close()


def upgrade(admin: str, within: float = UPGRADE_WITHIN) -> tuple[int, int]:
    """Let a new process take the place of the gateway at ``admin``; give both pids, old and new.

    Raises `RemoteError` with the reason when it has not within so many seconds.
    """
    before = status(admin)
    pid, asked = before["pid"], before["upgrades"]["asked"]
    try:
        os.kill(pid, signal.SIGUSR2)
    except OSError as error:
        raise RemoteError(
            f"process {pid} cannot be sent SIGUSR2 ({error.strerror}): run this where the "
            "gateway runs, as the same user or as root"
        ) from error
    return pid, _await(lambda: status(admin), pid, asked, within)


def _await(look: Callable[[], dict[str, Any]], pid: int, asked: int, within: float) -> int:
    limit = time.monotonic() + within
    why = "it says nothing"
    while time.monotonic() < limit:
        time.sleep(_LOOK_EVERY)
        try:
            now = look()
        except RemoteError as error:
            # The one that is leaving may have had the connection.
            why = str(error)
            continue
        if now["pid"] != pid:
            new: int = now["pid"]
            return new
        upgrades = now["upgrades"]
        why = "its log says how far it is"
        if upgrades["asked"] > asked and upgrades["failure"] is not None:
            raise RemoteError(f"not upgraded, process {pid} goes on: {upgrades['failure']}")
    raise RemoteError(f"process {pid} is still the gateway after {within:g} s: {why}")

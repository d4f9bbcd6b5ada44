"""What master and fork server say to each other, and how the fork server is what it is.

Workers are forked from a process of their own, which has loaded all that a worker is and has no
reactor, no thread and no client: a fork of it is a worker within milliseconds, where a new Python
would load for half a second, and what it has loaded is in memory once for all of them. One
packet is one message: a JSON object, with the descriptors that go along.

Orders: ``{"do": "fork", "number": N}`` with `Files`, ``{"do": "kill", "pid": P}``. Reports:
``{"number": N, "pid": P}``, ``{"number": N, "why": TEXT}`` where there is no such process, and
``{"pid": P, "status": S}`` for one that has ended (S as `os.waitpid` gives it).
"""

import gc
import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Message = dict[str, Any]

# Where the fork server finds its end of the socket pair.
ORDERS: Final = 3
_LONGEST: Final = 4096
# More descriptors do not go along with one message (SCM_MAX_FD).
MOST_FILES: Final = 253


@dataclass(frozen=True, slots=True)
class Files:
    """A worker's descriptors: the master's channel, where errors go, the table, listeners."""

    control: int
    errors: int
    table: int
    listeners: Sequence[int]

    @property
    def all(self) -> list[int]:
        """In the order in which they are sent."""
        return [self.control, self.errors, self.table, *self.listeners]


def order(end: socket.socket, message: Message, files: Sequence[int] = ()) -> None:
    """Say ``message``, with descriptors; raises OSError when it is not taken at once."""
    socket.send_fds(end, [json.dumps(message).encode("ascii")], list(files), socket.MSG_DONTWAIT)


def reports(end: socket.socket) -> tuple[list[Message], bool]:
    """What there is to be read now, and whether nothing more will come."""
    found: list[Message] = []
    while True:
        try:
            packet = end.recv(_LONGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return found, False
        except ConnectionResetError:
            packet = b""
        if not packet:
            return found, True
        found.append(json.loads(packet))


class ForkServer:
    """The process itself. It ends when its master is gone; its children do not."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._children: set[int] = set()

    def serve(self) -> Files:
        """Obey orders; returns in a child alone, which is to be a worker."""
        # The master's, if at all: a terminal and a supervisor signal to everybody.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, _wake_up)
        signal.set_wakeup_fd(self._wakes)
        # What is loaded is shared as long as nobody writes to it.
        gc.freeze()
        sources: list[Any] = [self._end, self._woken]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._woken in ready:
                os.read(self._woken, _LONGEST)
                self._bury()
            if self._end in ready and (files := self._obey()) is not None:
                return files

    def _obey(self) -> Files | None:
        packet, files, _, _ = socket.recv_fds(self._end, _LONGEST, MOST_FILES)
        if not packet:
            raise SystemExit(0)
        message = json.loads(packet)
        if message["do"] == "kill":
            # One that was not buried yet: nobody else can have its number.
            if message["pid"] in self._children:
                os.kill(message["pid"], signal.SIGKILL)
            return None
        number = message["number"]
        try:
            pid = os.fork()
        except OSError as error:
            self._report({"number": number, "why": str(error)})
            pid = -1
        if not pid:
            self._leave()
            call_itself(f"worker {number}")
            control, errors, table, *listeners = files
            os.dup2(errors, 2)
            os.close(errors)
            return Files(control, 2, table, listeners)
        for file in files:
            os.close(file)
        if pid > 0:
            self._children.add(pid)
            self._report({"number": number, "pid": pid})
        return None

    def _leave(self) -> None:
        """In the child: nothing is left of what it was."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._end.close()
        os.close(self._woken)
        os.close(self._wakes)

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._children.discard(pid)
            self._report({"pid": pid, "status": status})

    def _report(self, message: Message) -> None:
        try:
            self._end.send(json.dumps(message).encode("ascii"))
        except (BrokenPipeError, ConnectionResetError):
            raise SystemExit(0) from None


def call_itself(name: str, place: Path = Path("/proc/self/comm")) -> None:
    """Have this process shown under ``name``, where the system lets it: it works without one."""
    with suppress(OSError):
        place.write_text(name)


def _wake_up(_number: int, _frame: Any) -> None:
    """Python writes to the pipe by itself."""

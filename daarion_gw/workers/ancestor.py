"""The fork server as its master sees it (`forks` is the process): it is started when it is needed.

It must not know what a worker is asked or says: its children here are whoever is told of it.
"""

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from .forks import ORDERS, Files, order, reports

_OUTPUT, _ERRORS = 1, 2


class Child(Protocol):
    """Who hears about a process that was asked for."""

    number: int
    pid: int

    def born(self, pid: int) -> None:
        """It is there."""

    def died(self, status: int | None) -> None:
        """It has ended (status: as `os.waitpid` gives it; None: nobody will know how)."""

    def not_born(self, why: str) -> None:
        """There is no such process, and there will be none."""


class Ancestor:
    """One per master; starts another fork server where the last one has ended."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._process: _Process | None = None

    def fork(self, child: Child, files: Files) -> None:
        """Ask for a process with ``files``; raises OSError when none can be asked for."""
        if self._process is None:
            self._process = _Process(self._reactor, self._is_gone)
        self._process.fork(child, files)

    def kill(self, pid: int) -> None:
        """End a process that was born, if it is still there."""
        if self._process is None or not self._process.kill(pid):
            # Its parent is gone: so it is init's, and its number its own until it has ended.
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill_it(self) -> None:
        """End the fork server itself: what becomes of its children is known from then on."""
        if self._process is not None:
            self._process.end()

    def close(self) -> None:
        """Nobody is born any more."""
        if self._process is not None:
            self._process.close()

    def _is_gone(self) -> None:
        self._process = None


class _Process(ProcessProtocol):
    """A fork server, from its start to its end; read from by the reactor (IReadDescriptor)."""

    _log = Logger()

    def __init__(self, reactor: Any, ended: Any) -> None:
        self._reactor = reactor
        self._ended = ended
        self._unborn: dict[int, Child] = {}
        self._children: dict[int, Child] = {}
        self._end, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._is_closing = False
        words = [sys.executable, "-P", "-m", "daarion_gw.workers", "fork server"]
        # With its own path, wherever this process has it from.
        path = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
        try:
            reactor.spawnProcess(
                self,
                sys.executable,
                words,
                env={**os.environ, "PYTHONPATH": path},
                childFDs={0: 0, _OUTPUT: 1, _ERRORS: "r", ORDERS: its.fileno()},
            )
        except OSError:
            self._end.close()
            raise
        finally:
            its.close()
        reactor.addReader(self)

    def fork(self, child: Child, files: Files) -> None:
        order(self._end, {"do": "fork", "number": child.number}, files.all)
        self._unborn[child.number] = child

    def kill(self, pid: int) -> bool:
        """Whether it is one of its children."""
        if pid not in self._children:
            return False
        try:
            order(self._end, {"do": "kill", "pid": pid})
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Without asking."""
        transport: Any = self.transport
        with suppress(ProcessExitedAlready):
            transport.signalProcess("KILL")

    def close(self) -> None:
        """Let it end."""
        if not self._is_closing:
            self._is_closing = True
            self._reactor.removeReader(self)
            self._end.close()

    # IReadDescriptor

    def fileno(self) -> int:
        return self._end.fileno()

    def logPrefix(self) -> str:
        return "fork server"

    def doRead(self) -> Exception | None:
        found, is_over = reports(self._end)
        for report in found:
            self._take(report)
        return ConnectionDone() if is_over else None

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has noticed that the other end is closed: `processEnded` sees to it."""

    def _take(self, report: dict[str, Any]) -> None:
        if "status" in report:
            child = self._children.pop(report["pid"])
            child.died(report["status"])
            return
        child = self._unborn.pop(report["number"])
        if "why" in report:
            child.not_born(report["why"])
        else:
            self._children[report["pid"]] = child
            child.born(report["pid"])

    # its end

    def errReceived(self, data: bytes) -> None:
        for line in data.decode("utf-8", "backslashreplace").splitlines():
            self._log.warn("fork server: {line}", line=line)

    def processEnded(self, reason: Failure) -> None:
        if not self._is_closing:
            self.doRead()
            self._log.error("the process that workers are forked from has ended: {how}",
                            how=reason.getErrorMessage())  # fmt: skip
        self.close()
        self._ended()
        unborn, self._unborn = self._unborn, {}
        children, self._children = self._children, {}
        for child in unborn.values():
            child.not_born("the process that it should be forked from has ended")
        for child in children.values():
            child.died(None)

"""One worker as its master sees it: a process, what it was told, and what it said last.

It starts once and ends once; the next one in its place is another object. It must not know who
its siblings are, nor when to start another.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from .channel import CONTROL, FIRST_LISTENER, TABLE, Channel, Message, adopt

_OUTPUT, _ERRORS = 1, 2


class Stage(Enum):
    """How far a worker is."""

    STARTING = "starting"
    SERVING = "serving"
    # It was told to stop, and serves what is under way.
    DRAINING = "draining"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker is started with. files: descriptors of the listening sockets, in order."""

    number: int
    table: int
    files: Sequence[int]
    first: Message


class Crewman(ProcessProtocol):
    """A running worker. ``ready`` and ``ended`` are called once each, at most."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        start: Start,
        ready: Callable[["Crewman"], None],
        ended: Callable[["Crewman", str], None],
    ) -> None:
        self.number = start.number
        self.stage = Stage.STARTING
        self.started = time.time()
        self.since = reactor.seconds()
        # Why it could not start, in its own words.
        self.failure: str | None = None
        self.gone: Deferred[None] = Deferred()
        self.last: Message | None = None
        self.pid = 0
        self._reactor = reactor
        self._ready = ready
        self._ended = ended
        self._questions: dict[int, Deferred[Message | None]] = {}
        self._asked = 0
        self._unfinished = b""
        self._channel = Channel(self._take, self._closed)
        self._begin(start)

    def _begin(self, start: Start) -> None:
        """Start the process; raises OSError."""
        own, its = socket.socketpair(socket.AF_UNIX)
        files = {0: 0, _OUTPUT: 1, _ERRORS: "r", CONTROL: its.fileno(), TABLE: start.table}
        files |= {FIRST_LISTENER + place: file for place, file in enumerate(start.files)}
        words = [sys.executable, "-P", "-m", "daarion_gw.workers", f"worker {start.number}"]
        try:
            # With its own path, wherever this process has it from.
            path = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
            environment = {**os.environ, "PYTHONPATH": path}
            process = self._reactor.spawnProcess(
                self, sys.executable, words, env=environment, childFDs=files
            )
        except OSError:
            own.close()
            raise
        finally:
            its.close()
        self.pid = process.pid
        adopt(self._reactor, own, self._channel)
        self._channel.send(start.first)

    # orders

    def drain(self, is_handed_over: bool) -> None:
        """Serve what is under way, and end; whether others accept in its place."""
        if self.stage is Stage.STARTING:
            self.kill()
        if self.stage in (Stage.STARTING, Stage.SERVING):
            self.stage = Stage.DRAINING
            self._channel.send({"do": "drain", "is_handed_over": is_handed_over})

    def cut(self) -> None:
        """End now."""
        self._channel.send({"do": "cut"})

    def kill(self) -> None:
        """End it without asking."""
        try:
            process: Any = self.transport
            process.signalProcess("KILL")
        except ProcessExitedAlready:
            pass

    def send(self, message: Message) -> None:
        """Give an order that needs no answer."""
        self._channel.send(message)

    def ask(self, message: Message) -> Deferred[Message | None]:
        """Give an order that is answered; None when the worker ends before it answers."""
        answer: Deferred[Message | None] = Deferred()
        self._asked += 1
        self._questions[self._asked] = answer
        self._channel.send({**message, "number": self._asked})
        return answer

    # reports

    def _take(self, message: Message) -> None:
        what = message["say"]
        if what == "log":
            self._relay(message)
        elif what == "ready":
            if self.stage is Stage.STARTING:
                self.stage = Stage.SERVING
            self._ready(self)
        elif what == "failed":
            self.failure = message["why"]
        elif what == "numbers":
            self.last = message
            self._answer(message)
        elif what == "reloaded":
            self._answer(message)

    def _answer(self, message: Message) -> None:
        answer = self._questions.pop(message.get("number", 0), None)
        if answer is not None:
            answer.callback(message)

    def _relay(self, message: Message) -> None:
        level = LogLevel.lookupByName(message["level"])
        Logger(namespace=message["namespace"]).emit(
            level, "worker {number}: {text}", number=self.number, text=message["text"]
        )

    def _closed(self) -> None:
        questions, self._questions = self._questions, {}
        for answer in questions.values():
            answer.callback(None)

    def childDataReceived(self, _file: int, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace")
        self._log.warn("worker {number}: {text}", number=self.number, text=text)

    def processEnded(self, reason: Failure) -> None:
        if self._unfinished:
            self._say(self._unfinished)
        self.stage = Stage.ENDED
        self._closed()
        self._ended(self, _how(reason.value))
        self.gone.callback(None)


def _how(status: Any) -> str:
    """How a process ended, in words."""
    if status.signal is not None:
        return f"was ended by {signal.Signals(status.signal).name}"
    return f"ended with {status.exitCode}"

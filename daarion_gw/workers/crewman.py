"""One worker as its master sees it: a process, what it was told, and what it said last.

It starts once and ends once; the next one in its place is another object. It must not know who
its siblings are, nor when to start another.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel

from .ancestor import Ancestor
from .channel import Channel, Lines, Message, adopt
from .forks import Files


class Stage(Enum):
    """How far a worker is."""

    STARTING = "starting"
    SERVING = "serving"
    # It was told to stop, and serves what is under way.
    DRAINING = "draining"
    ENDED = "ended"


class Crewman:
    """A running worker, a child of ``ancestor``'s. ``ready`` and ``ended`` are called once each,
    at most.

    table, listeners: descriptors that it gets, listening sockets in order. first: what it is told.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        ancestor: Ancestor,
        number: int,
        table: int,
        listeners: Sequence[int],
        first: Message,
        ready: Callable[["Crewman"], None],
        ended: Callable[["Crewman", str], None],
    ) -> None:
        self.number = number
        self.stage = Stage.STARTING
        self.started = time.time()
        self.since = reactor.seconds()
        # Why it could not start, in its own words.
        self.failure: str | None = None
        self.gone: Deferred[None] = Deferred()
        self.last: Message | None = None
        self.pid = 0
        self._reactor = reactor
        self._ancestor = ancestor
        self._ready = ready
        self._ended = ended
        self._questions: dict[int, Deferred[Message | None]] = {}
        self._asked = 0
        self._is_doomed = False
        self._how = ""
        # Of these each has to end: what it says, its errors, and it itself.
        self._ends = 3
        self._channel = Channel(self._take, self._closed)
        self._begin(table, listeners, first)

    def _begin(self, table: int, listeners: Sequence[int], first: Message) -> None:
        """Have it born; raises OSError."""
        own, its = socket.socketpair(socket.AF_UNIX)
        said, says = socket.socketpair(socket.AF_UNIX)
        try:
            self._ancestor.fork(self, Files(its.fileno(), says.fileno(), table, listeners))
        except OSError:
            own.close()
            said.close()
            raise
        finally:
            its.close()
            says.close()
        adopt(self._reactor, own, self._channel)
        adopt(self._reactor, said, Lines(self._say, self._has_ended))
        self._channel.send(first)

    # its life, as its ancestor tells it (`ancestor.Child`)

    def born(self, pid: int) -> None:
        self.pid = pid
        if self._is_doomed:
            self.kill()

    def died(self, status: int | None) -> None:
        self._how = _how(status)
        self._has_ended()

    def not_born(self, why: str) -> None:
        self.failure = why
        self._has_ended()

    def _has_ended(self) -> None:
        """One of the three has; what it said last was heard when all have."""
        self._ends -= 1
        if not self._ends:
            self.stage = Stage.ENDED
            self._ended(self, self._how)
            self.gone.callback(None)

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
        self._is_doomed = True
        if self.pid and self.stage is not Stage.ENDED:
            self._ancestor.kill(self.pid)

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
        self._has_ended()

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace")
        self._log.warn("worker {number}: {text}", number=self.number, text=text)


def _how(status: int | None) -> str:
    """How a process ended, in words."""
    if status is None:
        return "has ended, how is not known,"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"

"""One timer for all deadlines: a sweep, four times a second, over what has a deadline.

A timer per request would cost more than parsing it. A deadline is never met early, and at
most half a second late, which no deadline here is too short for.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

NEVER: Final = math.inf
INTERVAL: Final = 0.25


class Watched(Protocol):
    """deadline: a time of `Sweep.now`; when it has passed, `deadline_passed` is called."""

    deadline: float

    def deadline_passed(self, now: float) -> None: ...


class Sweep:
    """``now`` is a clock that moves four times a second (monotonic, in seconds).

    It is the time of the next sweep, so that ``now + timeout`` is never too early.
    """

    _log = Logger()

    def __init__(self, reactor: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.now = clock() + INTERVAL
        self.watched: set[Watched] = set()
        self._every_second: list[Callable[[], None]] = []
        self._next_second = self.now
        self._loop = LoopingCall(self.tick)
        self._loop.clock = reactor

    def every_second(self, call: Callable[[], None]) -> None:
        """``call`` is called once per second for as long as the sweep runs."""
        self._every_second.append(call)

    def start(self) -> None:
        self.now = self._clock() + INTERVAL
        self._loop.start(INTERVAL, now=False)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def tick(self) -> None:
        """Look at every deadline once."""
        now = self._clock()
        self.now = now + INTERVAL
        if now >= self._next_second:
            self._next_second = now + 1.0
            for call in self._every_second:
                self._guarded(call)
        late = [watched for watched in self.watched if watched.deadline <= now]
        for watched in late:
            self._guarded(watched.deadline_passed, now)

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        # One that fails must not stop the clock for all others.
        try:
            call(*arguments)
        except Exception:
            self._log.failure("a deadline's call failed: {call}", call=call)

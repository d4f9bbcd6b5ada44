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
        # How late the last two ticks came (seconds), and by when the next one should.
        self._lateness = self._lateness_before = 0.0
        self._due = NEVER
        self._lag = 0.0
        self._loop = LoopingCall(self.tick)
        self._loop.clock = reactor
        # The reactor's own clock, which may be set; it says when ticks are due.
        self._seconds: Callable[[], float] = reactor.seconds

    def every_second(self, call: Callable[[], None]) -> None:
        """``call`` is called once per second for as long as the sweep runs."""
        self._every_second.append(call)

    def start(self) -> None:
        self.now = self._clock() + INTERVAL
        # The first tick waits until the reactor runs.
        self._due = NEVER
        self._loop.start(INTERVAL, now=False)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def tick(self) -> None:
        """Look at every deadline once."""
        now = self._clock()
        self.now = now + INTERVAL
        self._measure(self._seconds())
        # A second is four ticks: the clock must not make five of them.
        if now >= self._next_second - INTERVAL / 2:
            self._next_second = now + 1.0
            for call in self._every_second:
                self._guarded(call)
        late = [watched for watched in self.watched if watched.deadline <= now]
        for watched in late:
            # What was done for another meanwhile may have ended this one, or given it more time.
            if watched.deadline <= now and watched in self.watched:
                self._guarded(watched.deadline_passed, now)

    def _measure(self, now: float) -> None:
        self._lateness_before, self._lateness = self._lateness, max(0.0, now - self._due)
        # Ticks are due at fixed times; `LoopingCall` leaves out those that have passed. One that
        # comes before its time says when they really are.
        self._due = now + INTERVAL - (self._lateness % INTERVAL)
        self._lag = max(self._lag, min(self._lateness, self._lateness_before))

    def take_lag(self) -> float:
        """How late the loop has come to what was due since this was asked last (seconds).

        One tick that is late is over when it is noticed: two in a row are a loop that does not
        keep up.
        """
        lag, self._lag = self._lag, 0.0
        return lag

    def excuse(self) -> None:
        """What has just taken long is no sign of too much to do: lateness counts from here on."""
        self._due = max(self._due, self._seconds())

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        # One that fails must not stop the clock for all others.
        try:
            call(*arguments)
        except Exception:
            self._log.failure("a deadline's call failed: {call}", call=call)

"""Ending many things not all at once: who is cut off comes back, and thousands at one instant
are a storm.

It must not know why they end, nor how: whoever asks brings the call.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from daarion_gw.net.sweep import INTERVAL, NEVER, Sweep

T = TypeVar("T")

# Seconds that each WebSocket adds to the time over which all of them are closed.
_EACH = 0.01
# A share is due at each tick of the sweep.
_ALWAYS = -NEVER
# How long a client that is not busy may still begin a request, which was perhaps under way when
# the gateway began to stop (seconds).
FAREWELL = 1.0


def time_for(count: int, limit: float) -> float:
    """Seconds over which ``count`` WebSockets are closed: few at once, and never half the limit."""
    return min(limit / 2, _EACH * count)


def due(count: int, elapsed: float, seconds: float) -> int:
    """How many of ``count`` should have ended ``elapsed`` after the first, evenly spread."""
    if elapsed + INTERVAL >= seconds:
        # The rest would be done before the next look.
        return count
    # The first share goes at once: it is what the time until the next look is for.
    return min(count, int(count * (elapsed + INTERVAL) / seconds))


class Spread(Generic[T]):
    """Calls ``end`` once for each of ``all``, evenly over ``seconds``; begins at once.

    It lives on the sweep, and is gone from there with the last one.
    """

    def __init__(
        self, sweep: Sweep, all: Iterable[T], end: Callable[[T], None], seconds: float
    ) -> None:
        self.deadline = _ALWAYS
        self._left = list(all)
        self._count = len(self._left)
        self._end = end
        self._seconds = seconds
        self._sweep = sweep
        # The sweep's own clock is that of its next tick.
        self._since = sweep.now - INTERVAL
        sweep.watched.add(self)
        self.deadline_passed(self._since)

    def deadline_passed(self, now: float) -> None:
        """Called by the sweep."""
        left = self._count - due(self._count, now - self._since, self._seconds)
        # First: an end that fails must not keep the others from theirs.
        ending, self._left = self._left[left:], self._left[:left]
        if not self._left:
            self._sweep.watched.discard(self)
        for each in ending:
            self._end(each)


class Later:
    """Calls ``call`` once, ``seconds`` from now; on the sweep, like everything that can wait."""

    def __init__(self, sweep: Sweep, seconds: float, call: Callable[[], None]) -> None:
        self.deadline = sweep.now + seconds
        self._sweep = sweep
        self._call = call
        sweep.watched.add(self)

    def deadline_passed(self, now: float) -> None:
        """Called by the sweep."""
        self._sweep.watched.discard(self)
        self._call()

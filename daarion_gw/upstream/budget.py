"""How often requests may be sent a second time: a share of what an upstream is asked anyway.

Without it an upstream that fails would be asked twice as much as one that works. Pure: seconds
are told (`tick`), and the requests are read off counters that somebody else keeps.
"""

from collections import deque
from typing import Final

# Over how many seconds is counted.
WINDOW: Final = 10
# So many may be sent again in that time, however little is asked.
ALWAYS: Final = 10


class Budget:
    """share: 0 to 1. requests: how many have been sent so far, second ones included."""

    __slots__ = ("_before", "_share", "_spent")

    def __init__(self, share: float, requests: int = 0) -> None:
        self._share = share
        # The counter at the beginning of each second, and what was spent in it; the oldest first.
        self._before = deque([requests] * WINDOW, WINDOW)
        self._spent = deque([0] * WINDOW, WINDOW)

    def settle(self, share: float) -> None:
        """Another share holds from here on; what was spent is spent."""
        self._share = share

    def tick(self, requests: int) -> None:
        """A second is over."""
        self._before.append(requests)
        self._spent.append(0)

    def has_left(self, requests: int) -> bool:
        """Whether one more may be sent again."""
        spent = sum(self._spent)
        first = requests - self._before[0] - spent
        return spent < max(ALWAYS, self._share * first)

    def spend(self) -> None:
        """One is sent again."""
        self._spent[-1] += 1

"""The places at an upstream, and who waits for one: bounded, and fair by client.

A client that asks for much waits behind itself: places go round robin over the clients that
wait, first come, first served within each. Pure: it knows neither time nor what waits.
"""

from collections import OrderedDict, deque
from enum import Enum, auto
from math import ceil
from typing import Generic, TypeVar

from daarion_gw.config.resilience import UpstreamLimits

Waiter = TypeVar("Waiter")


class Entry(Enum):
    """What becomes of somebody who asks for a place."""

    PLACE = auto()
    WAITS = auto()
    TURNED_AWAY = auto()


class Places(Generic[Waiter]):
    """``limits`` of an upstream: the places, and the queue before them.

    share: how many processes share the limits; each has its part, rounded up. Who has a place
    must `leave` it, who waits must `forget` it, once.
    """

    __slots__ = ("_lines", "_room", "_size", "in_use", "limits", "waiting")

    def __init__(self, limits: UpstreamLimits, share: int = 1) -> None:
        assert limits.in_flight is not None
        self.limits = limits
        self.in_use = 0
        self.waiting = 0
        self._size = ceil(limits.in_flight / share)
        # Who may wait for no time at all does not.
        self._room = ceil(limits.waiting / share) if limits.wait else 0
        # By client; the one in front is the next to get a place.
        self._lines: OrderedDict[bytes, deque[Waiter]] = OrderedDict()

    def enter(self, client: bytes, waiter: Waiter) -> tuple[Entry, Waiter | None]:
        """Ask for a place; also gives who must go for it, having waited in vain."""
        if self.in_use < self._size:
            self.in_use += 1
            return Entry.PLACE, None
        displaced = None
        if self.waiting >= self._room:
            displaced = self._make_room(client)
            if displaced is None:
                return Entry.TURNED_AWAY, None
        self._lines.setdefault(client, deque()).append(waiter)
        self.waiting += 1
        return Entry.WAITS, displaced

    def _make_room(self, client: bytes) -> Waiter | None:
        """Take out the newest of the client with the most, if it has more than ``client``."""
        if not self._lines:
            return None
        greedy = max(self._lines, key=lambda each: len(self._lines[each]))
        line = self._lines[greedy]
        if len(line) <= len(self._lines.get(client, ())):
            return None
        displaced = line.pop()
        self._shorter(greedy)
        return displaced

    def leave(self) -> Waiter | None:
        """A place is free: whose it is now, if anybody waits for one."""
        if not self._lines:
            self.in_use -= 1
            return None
        client, line = next(iter(self._lines.items()))
        waiter = line.popleft()
        self._lines.move_to_end(client)
        self._shorter(client)
        return waiter

    def forget(self, client: bytes, waiter: Waiter) -> None:
        """``waiter`` waits no more."""
        self._lines[client].remove(waiter)
        self._shorter(client)

    def _shorter(self, client: bytes) -> None:
        self.waiting -= 1
        if not self._lines[client]:
            del self._lines[client]

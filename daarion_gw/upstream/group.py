"""An upstream at run time: its servers, and which of them gets the next exchange.

It knows requests only as `Request`, and nothing of what an exchange does with a server.
"""

from collections.abc import Collection, Sequence
from itertools import count
from typing import Any, Protocol

from daarion_gw.config.settings import Upstream
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import UpstreamCounters
from daarion_gw.wire.request import RequestHead

from .budget import Budget
from .member import Member
from .queue import Places


class Request(Protocol):
    """What the choice of a server may depend on. client: the address, as logs have it."""

    head: RequestHead

    @property
    def client(self) -> bytes: ...


class Group:
    """The servers of one upstream, as one configuration has them.

    watches: whether it wants to hear how servers do. passed_over: statuses that another server
    is asked instead of. may_repeat: whether a request that was sent may have to be sent again.
    places: None where as many as like may ask at once.
    """

    watches = False

    def __init__(self, upstream: Upstream, members: Sequence[Member]) -> None:
        self.upstream = upstream
        self.members = tuple(members)
        # The usual case costs nothing.
        self._only = self.members[0] if len(self.members) == 1 else None
        self._turn = count()
        retry = upstream.retry
        repeats = bool(retry.tries) and self._only is None
        self.passed_over = frozenset(retry.statuses if repeats else ())
        self.may_repeat = repeats or bool(upstream.wait_for)
        self.counters = UpstreamCounters(upstream.name)
        self.budget = Budget(retry.budget, self.requests)
        self.places: Places[Any] | None = None

    def __repr__(self) -> str:
        return f"<Group {self.upstream.name}: {', '.join(map(repr, self.members))}>"

    def pick(self, request: Request, tried: Collection[Member]) -> Member | None:
        """The server to ask next; None when there is none that was not tried."""
        if not tried and self._only is not None:
            return self._only
        # One that was tried leaves its turn to the one behind it.
        turn = next(self._turn) if not tried else self.members.index(next(iter(tried))) + 1
        size = len(self.members)
        for place in range(turn, turn + size):
            member = self.members[place % size]
            if member not in tried:
                return member
        return None

    def answered(self, member: Member, status: int) -> None:
        """``member`` has begun an answer."""

    def failed(self, member: Member, fault: Fault) -> None:
        """``member`` could not be reached, or did not answer as it should."""

    # what is shared by all who ask

    def settle(self, counters: UpstreamCounters, share: int, before: "Group | None") -> None:
        """Go on where the one ``before`` a reload was. share: how many processes ask as one."""
        self.counters = counters
        limits = self.upstream.limits
        if before is not None and set(before.members) == set(self.members):
            self.budget = before.budget
            self.budget.settle(self.upstream.retry.budget)
        if before is not None and before.upstream.limits == limits:
            self.places = before.places
        elif limits.in_flight is not None:
            self.places = Places(limits, share)

    @property
    def requests(self) -> int:
        """How many requests were sent to its servers so far."""
        return sum(member.pool.counters.requests for member in self.members)

    def tick(self) -> None:
        """A second is over."""
        self.budget.tick(self.requests)

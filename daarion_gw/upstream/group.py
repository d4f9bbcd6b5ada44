"""An upstream at run time: its servers, and which of them gets the next exchange.

It knows requests only as `Request`, and nothing of what an exchange does with a server.
"""

from collections.abc import Collection, Sequence
from itertools import count
from typing import Protocol

from daarion_gw.config.settings import Upstream
from daarion_gw.wire.request import RequestHead

from .member import Member


class Request(Protocol):
    """What the choice of a server may depend on. client: the address, as logs have it."""

    head: RequestHead

    @property
    def client(self) -> bytes: ...


class Group:
    """The servers of one upstream, as one configuration has them."""

    def __init__(self, upstream: Upstream, members: Sequence[Member]) -> None:
        self.upstream = upstream
        self.members = tuple(members)
        # The usual case costs nothing.
        self._only = self.members[0] if len(self.members) == 1 else None
        self._turn = count()

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

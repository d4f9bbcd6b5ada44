"""How many clients may be connected, in all and from one address.

It counts and says yes or no; what a client that is turned away hears is `turned_away`'s. It
goes by the peer of a connection, never by what a request says: the connection is the peer's.
"""

import math
from collections.abc import Iterable
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.logger import Logger

from daarion_gw.config.protection import ClientLimits
from daarion_gw.observe.counters import FrontCounters
from daarion_gw.wire.client import Peer, Trust, plain_address

from .machine import clients_at_most, file_limit

# Seconds between two lines of the log about clients that were turned away.
QUIET = 10.0


def most_of(limits: ClientLimits, share: int) -> float:
    """How many clients' connections one of ``share`` processes may have."""
    most = limits.connections
    # A process's files are its own: what they are enough for is no sum to be divided.
    return clients_at_most(file_limit()) if most == "auto" else _part(most, share)


def _part(limit: int | None, share: int) -> float:
    return math.inf if limit is None else -(-limit // share)


def told_of(most: float) -> str:
    """That so many connections may be open, in words."""
    return "any number of" if most == math.inf else f"at most {most:.0f}"


def _told(limit: float) -> str:
    return "off" if limit == math.inf else f"{limit:.0f}"


class Admission:
    """One per process. share: among how many processes the limits are divided."""

    _log = Logger()

    def __init__(self, front: FrontCounters, share: int) -> None:
        self._front = front
        self._share = share
        self.most: float = math.inf
        self._each: float = math.inf
        self._trust = Trust(())
        # Open connections by address, only of those that are limited: never more than are open.
        self._clients: dict[bytes, int] = {}
        self._turned_away = 0
        self._quiet_until = 0.0

    def settle(self, limits: ClientLimits, trust: Trust, peers: Iterable[Peer]) -> None:
        """Take over settings. peers: of the connections that are open."""
        self.most = most_of(limits, self._share)
        self._each = _part(limits.per_client, self._share)
        self._trust = trust
        self._clients.clear()
        for peer in peers:
            self.enter(peer)

    # asking

    @property
    def is_full(self) -> bool:
        """Whether nobody may come, whoever it is."""
        return self._front.connections_open >= self.most

    def has_room(self, address: Any) -> bool:
        """Whether one more client may come, from the address that Twisted gives it."""
        if self.is_full:
            return False
        if self._each == math.inf or isinstance(address, UNIXAddress):
            return True
        host = plain_address(address.host)
        return self._clients.get(host, 0) < self._each or self._trust.trusts(host)

    def turned_away(self) -> None:
        """One was: it counts as a 503."""
        self._turned_away += 1
        self._front.refuse(503)

    # counting

    @property
    def addresses(self) -> int:
        """How many addresses are kept: of clients that are there, and no others."""
        return len(self._clients)

    def enter(self, peer: Peer) -> None:
        """A client has come."""
        if self._each != math.inf and not peer.trusted:
            self._clients[peer.address] = self._clients.get(peer.address, 0) + 1

    def leave(self, peer: Peer) -> None:
        """A client has gone."""
        if peer.trusted:
            # It was not counted; others may be there under the same address (UNIX sockets).
            return
        left = self._clients.get(peer.address, 0) - 1
        if left > 0:
            self._clients[peer.address] = left
        elif not left:
            del self._clients[peer.address]

    def rename(self, before: Peer, after: Peer) -> bool:
        """A client is another than it seemed to be (PROXY protocol): whether it may stay."""
        self.leave(before)
        self.enter(after)
        return self._clients.get(after.address, 0) <= self._each

    # telling

    def report(self, now: float) -> None:
        """Say how many were turned away, but not all the time."""
        if self._turned_away and now >= self._quiet_until:
            count, self._turned_away = self._turned_away, 0
            self._quiet_until = now + QUIET
            self._log.warn(
                "connections turned away: {count}, open: {open}; gateway.limits, in this "
                "process: connections {most}, per_client {each}",
                count=count, open=self._front.connections_open,
                most=_told(self.most), each=_told(self._each),
            )  # fmt: skip

"""Names to addresses, remembered for five seconds at most, and in which order to try them.

A container that comes back with another address is found again because nothing here
remembers longer. It knows nothing of connections.
"""

import time
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

REMEMBER = 5.0
# For so many seconds an address that failed is the last that is tried.
AVOID = 10.0
# Kept failures are looked through when there are so many: names come and go.
_FAILED_AT_MOST = 256

Tell = Callable[[list[str]], None]


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address, which needs no resolving."""
    return isIPAddress(host) or isIPv6Address(host)


@implementer(IResolutionReceiver)
class _Lookup:
    """One question under way, and everybody who waits for its answer."""

    def __init__(self, done: Callable[[list[str]], None]) -> None:
        self.waiting: list[Tell] = []
        self._addresses: list[str] = []
        self._done = done

    def resolutionBegan(self, resolution: object) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        if address.host not in self._addresses:
            self._addresses.append(address.host)

    def resolutionComplete(self) -> None:
        self._done(self._addresses)


class Names:
    """Asks the reactor's resolver (the system's: /etc/hosts, DNS) in a thread."""

    def __init__(self, reactor: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._reactor = reactor
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._lookups: dict[str, _Lookup] = {}
        # Until when an address and port is tried last.
        self._failed: dict[tuple[str, int], float] = {}

    def find(self, host: str, tell: Tell) -> None:
        """Call ``tell`` with the addresses of ``host``, at once when they are known.

        An empty list says that there are none; that is not remembered.
        """
        if is_address(host):
            tell([host])
            return
        known = self._known.get(host)
        if known is not None and known[0] > self._clock():
            tell(list(known[1]))
            return
        lookup = self._lookups.get(host)
        if lookup is not None:
            lookup.waiting.append(tell)
            return
        lookup = self._lookups[host] = _Lookup(lambda addresses: self._found(host, addresses))
        lookup.waiting.append(tell)
        self._reactor.nameResolver.resolveHostName(lookup, host)

    def forget(self, host: str) -> None:
        """Nothing answers at the remembered addresses: ask again next time."""
        self._known.pop(host, None)

    # several addresses

    def in_order(self, addresses: list[str], port: int) -> list[str]:
        """In which order to try ``addresses`` of a name (RFC 8305 section 4).

        The families take turns, beginning with the one that the system prefers; what failed
        within the last seconds goes last.
        """
        first_is_6 = ":" in addresses[0]
        same = [each for each in addresses if (":" in each) is first_is_6]
        others = [each for each in addresses if (":" in each) is not first_is_6]
        mixed = [each for pair in zip_longest(same, others) for each in pair if each is not None]
        if self._failed:
            now = self._clock()
            # Sorting is stable: beyond that the order stays.
            mixed.sort(key=lambda each: self._failed.get((each, port), now) > now)
        return mixed

    def failed(self, address: str, port: int) -> None:
        """Nobody answers at this one of several addresses: others first, for a while."""
        now = self._clock()
        if len(self._failed) >= _FAILED_AT_MOST:
            self._failed = {key: until for key, until in self._failed.items() if until > now}
        self._failed[address, port] = now + AVOID

    def works(self, address: str, port: int) -> None:
        """It does answer."""
        self._failed.pop((address, port), None)

    def _found(self, host: str, addresses: list[str]) -> None:
        if addresses:
            self._known[host] = (self._clock() + REMEMBER, addresses)
        else:
            self._known.pop(host, None)
        for tell in self._lookups.pop(host).waiting:
            tell(list(addresses))

"""Balancers that say whose connection they bring (PROXY protocol), before all else on it.

Such a connection is an `Introduction`'s until its header is whole. Then it is what any other is,
TLS and all, under the client's address: nothing stays around it, so nothing of this is on the
further way. Listeners, and clients, that have nothing to do with it never come here.
"""

import time
from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from daarion_gw.config.settings import ProxyProtocol
from daarion_gw.net.sweep import NEVER
from daarion_gw.wire.client import Peer, Trust, plain_address
from daarion_gw.wire.proxy_header import End, ProxyHeader, ProxyHeaderError, parse

from .reception import Reception

# Seconds between two lines of the log about connections that were refused.
QUIET: Final = 10.0
# Whoever it will be: a balancer has many clients, and is not limited as one.
_NOT_KNOWN: Final = Peer(b"", Trust(()), b"http", trusted=True)


class Introducing(Factory):
    """Stands before a listener's factory, for those that must introduce their clients."""

    noisy = False
    _log = Logger()

    def __init__(self, reception: Reception, behind: Any, settings: ProxyProtocol) -> None:
        self.behind = behind
        self._reception = reception
        self._trust = Trust(settings.networks)
        self._trusts_unix = settings.trusts_unix
        self._refused = 0
        self._quiet_until = 0.0

    def doStart(self) -> None:
        self.behind.doStart()

    def doStop(self) -> None:
        self.behind.doStop()

    def buildProtocol(self, addr: Any) -> Protocol | None:
        made: Protocol | None
        if self._must_introduce(addr) and not self._reception.admission.is_full:
            made = Introduction(self._reception, self)
        else:
            made = self.behind.buildProtocol(addr)
        return made

    def _must_introduce(self, address: Any) -> bool:
        if isinstance(address, UNIXAddress):
            return self._trusts_unix
        return self._trust.trusts(plain_address(address.host))

    def refused(self, address: Any, why: str) -> None:
        """Say that a connection from ``address`` ended here, but not all the time."""
        self._reception.counters.front.refuse(400)
        now = time.monotonic()
        self._refused += 1
        if now < self._quiet_until:
            return
        more, self._refused = self._refused - 1, 0
        self._quiet_until = now + QUIET
        self._log.warn(
            "a connection from {peer} was refused: {why}; gateway.proxy_protocol wants a PROXY "
            "header from there{more}",
            peer=getattr(address, "host", "a UNIX socket"), why=why,
            more=f" (and {more} more were, before it)" * bool(more),
        )  # fmt: skip


class Introduction(Protocol):
    """A balancer's connection until its header is whole (see `Connected`)."""

    transport: Any

    def __init__(self, reception: Reception, introducing: Introducing) -> None:
        self.peer = _NOT_KNOWN
        self.deadline = NEVER
        self._reception = reception
        self._introducing = introducing
        self._data = b""

    # Called by Twisted.

    def connectionMade(self) -> None:
        reception = self._reception
        self.deadline = reception.sweep.now + reception.head_timeout
        # Counted as accepted when it is known whose it is.
        reception.counters.front.connections_open += 1
        reception.connections.add(self)
        reception.sweep.watched.add(self)

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        try:
            header = parse(self._data)
        except ProxyHeaderError as error:
            self._refuse(str(error))
            return
        if header is not None:
            self._hand_on(header)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._reception.counters.front.connections_accepted += 1
        self._reception.connection_closed(self)

    def _hand_on(self, header: ProxyHeader) -> None:
        transport = self.transport
        if header.source is not None and header.destination is not None:
            source, destination = _address(header.source), _address(header.destination)
            transport.getPeer = lambda: source
            transport.getHost = lambda: destination
        front = self._reception.counters.front
        # Whether there is room for it is asked anew, and it does not stand in its own way.
        front.connections_open -= 1
        protocol = self._introducing.behind.buildProtocol(transport.getPeer())
        front.connections_open += 1
        if protocol is None:
            self.abort()
            return
        transport.protocol = protocol
        protocol.makeConnection(transport)
        # Last: when all are closed, all else ends.
        self._reception.connection_closed(self)
        rest = self._data[header.size :]
        if rest:
            protocol.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self._introducing.refused(self.transport.getPeer(), why)
        self.abort()

    # Called by the sweep.

    def deadline_passed(self, now: float) -> None:
        """The balancer had its time."""
        self._refuse("none came in time")

    # Called by reception.

    @property
    def is_idle(self) -> bool:
        """See `Connected`: whoever has said something is about to ask."""
        return not self._data

    def announce_end(self) -> None:
        """What it will be hears of it from reception."""

    def no_keep_alive(self) -> None:
        """The same."""

    def let_go(self) -> None:
        """See `Connected`."""
        if self.is_idle:
            self.abort()

    def close(self) -> None:
        """Nothing was written that the other side would have to get."""
        self.abort()

    def abort(self) -> None:
        """End it at once, with a reset."""
        self.deadline = NEVER
        self.transport.abortConnection()


def _address(end: End) -> IPv4Address | IPv6Address:
    kind = IPv4Address if end.address.version == 4 else IPv6Address
    return kind("TCP", str(end.address), end.port)


def expect_headers(
    reception: Reception, listeners: Iterable[tuple[str, Any]], settings: ProxyProtocol
) -> None:
    """Let ``listeners``, strings and their ports, go by ``settings`` from the next client on."""
    absent = set(settings.ports)
    for description, port in listeners:
        address = port.getHost()
        number = getattr(address, "port", None)
        absent.discard(number)
        factory = getattr(port, "factory", None)
        if factory is None:
            if settings.trusted:
                _log.warn("{listener} cannot read PROXY headers", listener=description)
            continue
        behind = factory.behind if isinstance(factory, Introducing) else factory
        is_meant = settings.trusts_unix if number is None else settings.concerns(number)
        port.factory = Introducing(reception, behind, settings) if is_meant else behind
    for number in sorted(absent):
        _log.warn("gateway.proxy_protocol.ports: nobody listens on {number}", number=number)


_log = Logger()

"""A server is asked: the way to it, what is kept in case it does not answer, and who hears of that.

Functions over an exchange. Which server, when, and what follows, is not decided here.
"""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted.internet.address import UNIXAddress

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.upstream.member import Member
from daarion_gw.wire.client import plain_address
from daarion_gw.wire.proxy_header import End, header_for

from .phase import Phase

if TYPE_CHECKING:
    from .exchange import Exchange

# How long a server that may come back at another address is given to accept (seconds).
CONNECT_AT_MOST: Final = 3.0


def ask(exchange: "Exchange", member: Member) -> None:
    """Send the request to ``member``, after another one or after a while."""
    exchange.choose(member)
    connection = exchange.pool.take(careful=not exchange.head.is_idempotent)
    if connection is not None:
        exchange.far_connected(connection)
    else:
        connect(exchange)


def wait(exchange: "Exchange", deadline: float) -> None:
    """There is no server yet: what comes of the request is kept, and no more of it is read."""
    exchange.phase = Phase.WAITING
    exchange.near.deadline = deadline
    if exchange.upload is not None:
        exchange.upload.wait()


def connect(exchange: "Exchange") -> None:
    """Make a new connection to the server that was chosen."""
    seeking = exchange.seeking
    # The connecting has a time limit of its own; the waiting for a server has another.
    wait(exchange, NEVER if seeking is None else seeking.until)
    exchange.phase = Phase.CONNECTING
    pool = exchange.pool
    header = _introduction(exchange) if pool.server.send_proxy is not None else b""
    attempt = pool.connect(exchange, _time_to_connect(exchange), header)
    # It may have failed, or be there, before this returns; then there may be another by now.
    if exchange.phase is Phase.CONNECTING and exchange.attempt is None:
        exchange.attempt = attempt


def _introduction(exchange: "Exchange") -> bytes:
    """What says to the server for whom the connection is made (PROXY protocol).

    The client is whom all else tells it as well, through trusted proxies; what it connected to is
    this side's end of its, or its proxy's, connection. What is not known is 0.
    """
    version = exchange.pool.server.send_proxy
    assert version is not None
    peer, transport = exchange.near.peer, exchange.near.transport
    client = exchange.forwarded.origin.client
    source = ip_address(client.decode("ascii"))
    port = getattr(transport.getPeer(), "port", 0) if client == peer.address else 0
    here = transport.getHost()
    if isinstance(here, UNIXAddress):
        nowhere = "0.0.0.0" if source.version == 4 else "::"
        return header_for(version, End(source, port), End(ip_address(nowhere), 0))
    destination = ip_address(plain_address(here.host).decode("ascii"))
    return header_for(version, End(source, port), End(destination, here.port))


def _time_to_connect(exchange: "Exchange") -> float:
    """How long a server may take to accept (seconds); 0 = no limit.

    Where requests wait for a server that comes back, perhaps at another address, none of them
    waits for long at the old one.
    """
    seconds = exchange.proxy.timeouts.connect
    if exchange.proxy.group.upstream.wait_for:
        return min(seconds or CONNECT_AT_MOST, CONNECT_AT_MOST)
    return seconds


def can_repeat(exchange: "Exchange") -> bool:
    """Whether the request may be sent again, and all of what was sent is still here."""
    upload = exchange.upload
    return exchange.head.is_idempotent and (upload is None or upload.can_repeat)


def may_repeat(exchange: "Exchange") -> bool:
    """Whether a request that is sent now may have to be sent again: then its body is kept."""
    group, seeking = exchange.proxy.group, exchange.seeking
    if not group.may_repeat:
        return False
    return seeking is None or seeking.has_tries_left or bool(group.upstream.wait_for)


def has_said_all(exchange: "Exchange") -> bool:
    """Whether the server has all of the request."""
    upload = exchange.upload
    return exchange.near.request_complete and (upload is None or upload.is_sent)


def report(exchange: "Exchange", fault: Fault) -> None:
    """Tell the group that its server did badly, where that was the server's doing."""
    group = exchange.proxy.group
    if group.watches and fault.blame == "upstream":
        group.failed(exchange.member, fault)

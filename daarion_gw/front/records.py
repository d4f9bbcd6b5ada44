"""What is kept of an exchange when it is over: the counters, and its line in the access log."""

import time
from typing import TYPE_CHECKING

from daarion_gw.observe.access_log import Entry
from daarion_gw.observe.counters import NO_ANSWER
from daarion_gw.wire.client import Peer, origin_of
from daarion_gw.wire.request import RequestHead

from .outcome import tell_breaker

if TYPE_CHECKING:
    from .exchange import Exchange
    from .tree import ProxyResource


def account(exchange: "Exchange", seconds: float) -> None:
    """Count an exchange that ended ``seconds`` after it began."""
    kind = exchange.status // 100
    fault = exchange.fault
    route = exchange.proxy.counters
    route.in_flight -= 1
    route.answers[kind] += 1
    route.bytes_received += exchange.received
    route.bytes_sent += exchange.sent
    route.took(seconds)
    if exchange.far is not None:
        server = exchange.pool.counters
        server.in_flight -= 1
        server.answers[kind if fault is None else NO_ANSWER] += 1
    if fault is not None:
        route.failed(fault.name)
    if exchange.proxy.group.breaker is not None and exchange.status != 101:
        tell_breaker(exchange, seconds)


def entry_of(exchange: "Exchange", seconds: float) -> Entry:
    """The entry of an exchange that ended ``seconds`` after it began."""
    head = exchange.head
    route = exchange.proxy.route
    return Entry(
        when=time.time() - seconds,
        client=exchange.forwarded.origin.client.decode("ascii"),
        method=head.method,
        target=head.target,
        version=head.version,
        status=exchange.status,
        bytes_sent=exchange.sent,
        bytes_received=exchange.received,
        duration=seconds,
        request_id=exchange.request_id,
        route=route.key,
        upstream=route.upstream,
        server=exchange.server,
        host=head.host or b"",
        referer=head.value(b"referer") or b"",
        user_agent=head.value(b"user-agent") or b"",
        fault=exchange.fault.name if exchange.fault is not None else "",
    )


def entry_of_own(
    peer: Peer,
    head: RequestHead,
    request_id: bytes,
    status: int,
    sent: int,
    fault: str,
    proxy: "ProxyResource | None",
    seconds: float = 0.0,
) -> Entry:
    """The entry of an answer that the gateway gave by itself."""
    client = origin_of(peer, head.fields.identity, head.host).client
    return Entry(
        when=time.time() - seconds,
        client=client.decode("ascii"),
        method=head.method,
        target=head.target,
        version=head.version,
        status=status,
        bytes_sent=sent,
        bytes_received=0,
        duration=seconds,
        request_id=request_id,
        route=proxy.route.key if proxy is not None else "",
        upstream=proxy.route.upstream if proxy is not None else "",
        server="",
        host=head.host or b"",
        referer=head.value(b"referer") or b"",
        user_agent=head.value(b"user-agent") or b"",
        fault=fault,
    )

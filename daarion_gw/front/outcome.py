"""Between an exchange and its upstream: how it went, and the cookie that binds the client.

What follows from that is the upstream's affair. Whoever calls has seen that it wants to hear it
(`Group.watches`), or that there are cookies (`Group.sticky`).
"""

import time
from typing import TYPE_CHECKING

from daarion_gw.errors import Fault
from daarion_gw.wire.passage import forwarding

if TYPE_CHECKING:
    from .exchange import Exchange


def tell_outcome(exchange: "Exchange", seconds: float) -> None:
    """Tell how an exchange went that began ``seconds`` ago.

    Of a WebSocket it is told when it is open: its end, which may be hours away, says nothing.
    """
    if exchange.fault is Fault.BREAKER_OPEN:
        return
    _tell_of_server(exchange)
    group, fault = exchange.proxy.group, exchange.fault
    if group.breaker is None:
        return
    # What the client did, or this machine could not, says nothing about an upstream.
    good: bool | None = None
    if fault is None and exchange.status:
        good = exchange.status < 500
    elif fault is not None and fault.blame == "upstream":
        good = False
    now = time.perf_counter()
    group.ended(now - seconds, now, good)


def _tell_of_server(exchange: "Exchange") -> None:
    """How the server did that was asked last."""
    fault = exchange.fault
    if fault is not None:
        if fault is not Fault.UPSTREAM_DOWN:
            tell_failure(exchange, fault)
    elif exchange.status:
        exchange.proxy.group.answered(exchange.member, exchange.status)


def tell_failure(exchange: "Exchange", fault: Fault) -> None:
    """Tell that the server did badly, where that was the server's doing."""
    if fault.blame == "upstream":
        exchange.proxy.group.failed(exchange.member, fault)


def refuse_unasked(exchange: "Exchange", fault: Fault, detail: str) -> None:
    """Refuse what no server was chosen for."""
    anyone = next(iter(exchange.proxy.ways.values()))
    exchange.forwarded = forwarding(exchange.head, exchange.near.peer, anyone)
    exchange.refuse(fault, detail)


def binding(exchange: "Exchange") -> bytes:
    """The field that binds the client to the server, where it is not bound to it already."""
    proxy, sticky = exchange.proxy, exchange.proxy.group.sticky
    assert sticky is not None
    secure = exchange.forwarded.origin.scheme in (b"https", b"wss")
    return sticky.line(exchange.head, exchange.member, proxy.route.path, secure)

"""Between an exchange and its upstream as a whole: how it went, and what binds the client.

What follows from that is the upstream's affair. Whoever calls has seen that it has a breaker, or
cookies (`Group.breaker`, `Group.sticky`). How single servers do is told where they are asked.
"""

import time
from typing import TYPE_CHECKING

from daarion_gw.errors import Fault

if TYPE_CHECKING:
    from .exchange import Exchange


def tell_breaker(exchange: "Exchange", seconds: float) -> None:
    """Tell how an exchange went that began ``seconds`` ago, whichever servers it asked.

    Of a WebSocket it is told when it is open: its end, which may be hours away, says nothing.
    """
    fault = exchange.fault
    if fault is Fault.BREAKER_OPEN:
        return
    # What the client did, or this machine could not, says nothing about an upstream.
    good: bool | None = None
    if fault is None and exchange.status:
        good = exchange.status < 500
    elif fault is not None and fault.blame == "upstream":
        good = False
    now = time.perf_counter()
    exchange.proxy.group.ended(now - seconds, now, good)


def binding(exchange: "Exchange") -> bytes:
    """The field that binds the client to the server, where it is not bound to it already."""
    proxy, sticky = exchange.proxy, exchange.proxy.group.sticky
    assert sticky is not None
    secure = exchange.forwarded.origin.scheme in (b"https", b"wss")
    return sticky.line(exchange.head, exchange.member, proxy.route.path, secure)

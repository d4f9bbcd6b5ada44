"""Large bodies past Python: from one socket to the other inside the kernel, where nobody looks.

Only for a body of known length between two plain connections, whose bytes pass as they are.
Counting, time limits and back-pressure stay the exchange's: it hears of every piece.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from daarion_gw.net.splice import Splice, can_splice

from .http1 import HTTP1Connection
from .patience import later

if TYPE_CHECKING:
    from .exchange import Exchange

# Below this a pipe costs more than it saves.
SHORTEN_FROM: Final = 256 * 1024


def shorten_answer(exchange: "Exchange") -> Splice | None:
    """Let the rest of the answer's body pass; None where that cannot be (now)."""
    far, near = exchange.far, exchange.near
    assert far is not None
    if not isinstance(near, HTTP1Connection):
        return None
    source, sink = far.transport, near.plain_transport
    if far.taker is not exchange or near.is_blocked or not can_splice(source, sink):
        return None

    def passed(size: int) -> None:
        exchange.sent += size
        exchange.pool.counters.bytes_received += size
        timeouts = exchange.proxy.timeouts
        near.deadline = later(exchange, timeouts.send if near.is_blocked else timeouts.idle)
        if far.receiver.skip(size):
            exchange.answer_ended(b"")

    far.leaves_unread = True
    return _begun(source, sink, far.receiver.left, passed)


def shorten_upload(exchange: "Exchange") -> Splice | None:
    """Let the rest of the request's body pass; None where that cannot be (now)."""
    far, near = exchange.far, exchange.near
    upload = exchange.upload
    assert far is not None and upload is not None
    if not isinstance(near, HTTP1Connection):
        return None
    source, sink = near.plain_transport, far.transport
    if source is None or near.receiver.left < SHORTEN_FROM or not can_splice(source, sink):
        return None

    def passed(size: int) -> None:
        upload.received += size
        exchange.pool.counters.bytes_sent += size
        if near.receiver.skip(size):
            near.body_ended()

    return _begun(source, sink, near.receiver.left, passed)


def _begun(source: Any, sink: Any, left: int, passed: Callable[[int], None]) -> Splice | None:
    try:
        return Splice(source, sink, left, passed)
    except OSError:
        # No file is left for a pipe: Python passes it.
        return None

"""How long an exchange waits, and for whom: what happens when its deadline has passed.

Timeouts are seconds of the route, 0 for no limit. Whoever is full is judged by what it takes:
as long as its backlog moves, it is slow and not gone.
"""

from typing import TYPE_CHECKING

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER

from .seeking import not_answered
from .upload import Upload

if TYPE_CHECKING:
    from .exchange import Exchange


def later(exchange: "Exchange", seconds: float) -> float:
    """The deadline that is ``seconds`` away; none for 0."""
    return exchange.reception.sweep.now + seconds if seconds else NEVER


def request_late(exchange: "Exchange", upload: Upload | None) -> None:
    """The answer has not begun: either the client has not said all, or the server is late."""
    if upload is None or exchange.near.request_complete:
        seconds = exchange.proxy.timeouts.first_byte
        not_answered(exchange, Fault.UPSTREAM_TIMEOUT, f"did not answer within {seconds:g} s")
    elif upload.is_stuck:
        if upload.far_moved():
            exchange.near.deadline = later(exchange, exchange.proxy.timeouts.send)
        else:
            not_answered(
                exchange, Fault.UPSTREAM_TIMEOUT, "did not take the request's body in time"
            )
    elif upload.said_continue():
        exchange.near.send_informational(100, b"Continue", b"")
        exchange.near.deadline = upload.await_more(exchange.reception.sweep.now)
    elif upload.is_too_slow:
        exchange.refuse(Fault.BODY_TOO_SLOW, "the request's body came too slowly")
    else:
        exchange.near.deadline = upload.await_more(exchange.reception.sweep.now)


def answer_late(exchange: "Exchange", upload: Upload | None) -> None:
    """The answer has begun and does not go on: the server is silent, or the client is full."""
    near, timeouts = exchange.near, exchange.proxy.timeouts
    if near.is_blocked:
        if near.is_moving():
            near.deadline = later(exchange, timeouts.send)
        else:
            exchange.cut(None, "the client stopped taking the answer")
    elif upload is not None and not near.request_complete and upload.near_moved():
        # It listens: then it need not speak.
        near.deadline = later(exchange, timeouts.idle)
    else:
        exchange.cut(Fault.UPSTREAM_TIMEOUT, "stopped in the middle of its answer")

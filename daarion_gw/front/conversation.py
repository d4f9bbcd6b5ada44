"""What a client's connection and the work on one of its requests say to each other.

The near side (an HTTP/1 connection, or a stream of HTTP/2) tells; whoever has the request
listens: an exchange, or a resource's rendering. Each knows the other by these methods alone.
"""

from enum import IntFlag
from typing import Any, Protocol

from daarion_gw.wire.answer import Framing
from daarion_gw.wire.client import Peer
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.request import RequestHead


class Conversation(Protocol):
    """What is done with one request: proxied, or rendered by a resource."""

    def begin(self) -> None: ...
    def body_received(self, data: bytes) -> None: ...
    def body_ended(self) -> None: ...
    def request_paused(self) -> None: ...
    def request_broken(self, error: WireError) -> None: ...
    def near_blocked(self) -> None: ...
    def near_drained(self) -> None: ...
    def near_lost(self) -> None: ...
    def deadline_passed(self, now: float) -> None: ...


class Why(IntFlag):
    """Why a client is not read from: all reasons must be gone before it is again."""

    CONNECTING = 1
    UPSTREAM_FULL = 2
    READ_AHEAD = 4


class Near(Protocol):
    """Where a request came from and its answer goes.

    head: of the request that is answered. deadline: when `Conversation.deadline_passed` is to
    be called (by the sweep's clock). is_blocked: whether the client does not take what it was
    sent; `near_drained` says when it has. request_complete: whether all of the request came.
    transport: of the connection, for its addresses.
    """

    peer: Peer
    is_secure: bool
    head: RequestHead | None
    deadline: float
    conversation: Conversation | None
    is_blocked: bool

    @property
    def transport(self) -> Any: ...
    @property
    def request_complete(self) -> bool: ...
    def is_moving(self) -> bool:
        """Whether a client that is full has taken anything since this was asked last."""

    def pause_reading(self, why: Why) -> None: ...
    def resume_reading(self, why: Why) -> None: ...
    def send_informational(self, status: int, reason: bytes, block: bytes) -> None:
        """A 1xx answer."""

    def send_head(
        self, status: int, reason: bytes, block: bytes, framing: Framing, length: int | None
    ) -> None:
        """The answer's head: ``block`` has all fields but those of framing and connection.

        length: of the body in bytes where ``framing`` is LENGTH; with NONE it is said where
        it is known (HEAD, 304).
        """

    def send_body(self, data: bytes) -> None:
        """A piece of the answer's body, not empty."""

    def flush(self) -> None:
        """No more comes for now."""

    def end(self, trailers: bytes = b"") -> None:
        """The answer is complete. trailers: a checked field block."""

    def cut(self) -> None:
        """End it so that the client cannot take half an answer for the whole."""

    def no_keep_alive(self) -> None:
        """What comes after this request cannot be trusted, or is not wanted any more."""


class Connected(Protocol):
    """A client's connection, as all of them together are counted, drained and cut."""

    deadline: float
    peer: Peer

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when the connection is closed now."""

    def deadline_passed(self, now: float) -> None: ...
    def announce_end(self) -> None:
        """The answers at hand are the last; one more request may be on its way."""

    def no_keep_alive(self) -> None: ...
    def let_go(self) -> None:
        """There is too much to do: end it where the client loses nothing by it."""

    def close(self) -> None: ...
    def abort(self) -> None: ...

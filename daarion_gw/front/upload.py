"""A request's body on its way to the server: framing, what is kept for a second try, its pace.

Only requests that have a body have one of these. It knows the exchange's two ends by the few
methods that it calls, and nothing of answers.
"""

from typing import TYPE_CHECKING

from daarion_gw.net.splice import Splice
from daarion_gw.net.transport import backlog
from daarion_gw.wire.request import RequestHead

from .conversation import Near, Why

if TYPE_CHECKING:
    from daarion_gw.upstream.connection import UpstreamConnection

# How much of a body is kept so that the request can be sent again.
REPLAY_AT_MOST = 64 * 1024
# A body must bring this many bytes in this many seconds (HTTP-RULES.md).
SLOWEST_BODY = 64 * 30
BODY_INTERVAL = 30.0
# How long an upstream may take to say 100 before we do (seconds).
CONTINUE_AFTER = 1.0


class Upload:
    """The body of one request.

    received: body bytes that came so far. far: the connection they go to, once there is one.
    splice: how the rest of it passes, where the kernel alone passes it.
    """

    __slots__ = (
        "_chunked",
        "_far_full",
        "_held",
        "_interim_wanted",
        "_kept",
        "_last_backlog",
        "_mark",
        "far",
        "near",
        "received",
        "splice",
    )

    def __init__(self, near: Near, head: RequestHead) -> None:
        self.near = near
        self.far: UpstreamConnection | None = None
        self.received = 0
        self.splice: Splice | None = None
        self._chunked = head.chunked
        # Bytes for the server that wait for the end of the piece at hand: the head goes out
        # together with the first of the body.
        self._held = b""
        # What came before there was a server for it, and what a second try would send again;
        # None when that is not possible any more.
        self._kept: list[bytes] | None = []
        self._interim_wanted = head.fields.expect is not None and bool(head.minor)
        self._far_full = False
        self._mark = 0
        self._last_backlog = -1

    @property
    def can_repeat(self) -> bool:
        """Whether all that was sent is still here."""
        return self._kept is not None

    def forget(self) -> None:
        """No second try any more: keep nothing."""
        self._kept = None

    # to the server

    def wait(self) -> None:
        """There is no server yet: what comes is kept, and no more is read."""
        self.far = None
        self._held = b""
        self.near.pause_reading(Why.CONNECTING)
        # A server that was full and died is not full any more.
        self._far_full = False
        self.near.resume_reading(Why.UPSTREAM_FULL)

    def start(self, far: "UpstreamConnection", head: bytes, repeatable: bool) -> None:
        """Send the request's head and what came of its body to ``far``."""
        self.far = far
        self._held = b"".join([head, *map(self._framed, self._kept or ())])
        if not repeatable:
            self._kept = None
        self.near.resume_reading(Why.CONNECTING)

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def body_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._kept is not None:
            if self.far is not None and self.received > REPLAY_AT_MOST:
                self._kept = None
            else:
                self._kept.append(data)
        if self.far is None:
            return
        data = self._framed(data)
        if self._held:
            data = self._held + data
            self._held = b""
        self.far.write(data)

    def flush(self) -> None:
        """All that came in one piece has been told."""
        if self._held and self.far is not None:
            held, self._held = self._held, b""
            self.far.write(held)

    def end(self) -> None:
        """The body is complete."""
        if self._chunked:
            self._held += b"0\r\n\r\n"
        self.flush()

    def stop(self) -> None:
        """Nothing more goes to the server."""
        if self.splice is not None:
            # Only HTTP/1 has what passes in the kernel. They came, and go nowhere.
            self.near.receiver.skip(self.splice.stop())  # type: ignore[attr-defined]

    # back-pressure

    def far_blocked(self) -> None:
        self._far_full = True
        self.far_moved()
        self.near.pause_reading(Why.UPSTREAM_FULL)

    def far_drained(self) -> None:
        self._far_full = False
        self.near.resume_reading(Why.UPSTREAM_FULL)

    # pace

    def await_more(self, now: float) -> float:
        """The time by which something of the body must have come."""
        self._mark = self.received
        return now + (CONTINUE_AFTER if self._interim_wanted else BODY_INTERVAL)

    def near_moved(self) -> bool:
        """Whether anything came since this was asked last."""
        mark, self._mark = self._mark, self.received
        return mark != self.received

    def said_continue(self) -> bool:
        """A 100 came from the server. Whether the client is still to be told."""
        wanted, self._interim_wanted = self._interim_wanted, False
        return wanted

    @property
    def is_too_slow(self) -> bool:
        return not self._far_full and self.received - self._mark < SLOWEST_BODY

    def far_moved(self) -> bool:
        """Whether a server that is full has taken anything since this was asked last."""
        assert self.far is not None
        last, self._last_backlog = self._last_backlog, backlog(self.far.transport)
        return last != self._last_backlog

    @property
    def is_plain(self) -> bool:
        """Whether what comes next goes to the server as it is, and nothing of it is kept."""
        return not (self._chunked or self._held or self._far_full) and self._kept is None

    @property
    def is_sent(self) -> bool:
        """Whether all that was written to the server is with the kernel."""
        return self.far is None or not backlog(self.far.transport)

    @property
    def is_stuck(self) -> bool:
        """Whether the server has to take what it was sent before more can come."""
        return self._far_full

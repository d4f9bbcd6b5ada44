"""The life of a proxied request. There is one, for HTTP/1.1, HTTP/2 and WebSocket alike.

head and route were decided by `Reception`; here follow: limits, the choice of a server and
a connection, both streams with their back-pressure and time limits, and the finish, exactly
once whatever happened. It knows the near side and the far side by their methods only.
"""

import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.net.transport import backlog
from daarion_gw.observe.counters import NO_ANSWER
from daarion_gw.upstream.connection import UpstreamConnection
from daarion_gw.upstream.pool import Attempt, Pool
from daarion_gw.wire.answer import AnswerHead, Has
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.passage import (
    Passage,
    answer_block,
    forwarding,
    request_bytes,
    trailers_for,
)
from daarion_gw.wire.request import RequestHead

from .http1 import HTTP1Connection, Why

if TYPE_CHECKING:
    from .reception import Reception
    from .tree import ProxyResource

# RFC 9110 9.2.2: these may be sent again when nobody knows whether they arrived.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
# How much of a body is kept so that the request can be sent again.
REPLAY_AT_MOST = 64 * 1024
# A body must bring this many bytes in this many seconds (HTTP-RULES.md).
SLOWEST_BODY = 64 * 30
BODY_INTERVAL = 30.0
# How long an upstream may take to say 100 before we do (seconds).
CONTINUE_AFTER = 1.0


class Phase(Enum):
    """How far the exchange has come."""

    CONNECTING = auto()
    # The request is being sent, or was, and the answer has not begun.
    ASKING = auto()
    ANSWERING = auto()
    SWITCHED = auto()
    DONE = auto()


class Exchange:
    """One request through one route, from its head to its last byte."""

    __slots__ = (
        "_attempt",
        "_early",
        "_far_full",
        "_interim",
        "_last_backlog",
        "_passage",
        "_pool",
        "_rate_mark",
        "_started",
        "_tries",
        "answered",
        "detail",
        "far",
        "fault",
        "forwarded",
        "head",
        "held",
        "near",
        "phase",
        "proxy",
        "received",
        "reception",
        "request_id",
        "sent",
        "status",
        "upgrade",
    )

    def __init__(
        self,
        reception: "Reception",
        near: HTTP1Connection,
        proxy: "ProxyResource",
        head: RequestHead,
        request_id: bytes,
        upgrade: bool,
    ) -> None:
        self.reception = reception
        self.near = near
        self.proxy = proxy
        self.head = head
        self.request_id = request_id
        self.upgrade = upgrade
        self.phase = Phase.CONNECTING
        self.far: UpstreamConnection | None = None
        # Bytes for the server that wait for the end of the piece at hand.
        self.held = b""
        # The answer: its status once it began, body bytes in both directions.
        self.status = 0
        self.received = 0
        self.sent = 0
        self.fault: Fault | None = None
        self.detail = ""
        self._attempt: Attempt | None = None
        # What came of the body before there was a server for it, and what could be replayed.
        self._early: list[bytes] | None = []
        self._far_full = False
        self._interim = False
        self._tries = 0
        self._rate_mark = 0
        self._last_backlog = -1
        self._started = time.perf_counter()
        counters = proxy.counters
        counters.requests += 1
        counters.in_flight += 1

    # choose

    def begin(self) -> None:
        """Find a connection and send the request's head."""
        self._pool, self._passage = self.proxy.choose()
        self.forwarded = forwarding(self.head, self.near.peer, self._passage)
        connection = self._pool.take(careful=self.head.method not in IDEMPOTENT)
        if connection is not None:
            self._send_on(connection)
        else:
            self._connect()

    def _connect(self) -> None:
        self.phase = Phase.CONNECTING
        # The connecting has a time limit of its own.
        self.near.deadline = NEVER
        if self.head.has_body:
            self.near.pause_reading(Why.CONNECTING)
        attempt = self._pool.connect(self, self.proxy.timeouts.connect)
        # It may have failed, or be there, before this returns.
        if self.phase is Phase.CONNECTING and self._attempt is None:
            self._attempt = attempt

    def far_connected(self, connection: UpstreamConnection) -> None:
        self._attempt = None
        self._send_on(connection)
        self.near.resume_reading(Why.CONNECTING)
        if self.held:
            self.request_paused()

    def far_failed(self, fault: Fault, detail: str) -> None:
        self._attempt = None
        self._tries += 1
        if self._tries < len(self.proxy.ways):
            self._pool, self._passage = self.proxy.choose()
            self.forwarded = forwarding(self.head, self.near.peer, self._passage)
            connection = self._pool.take(careful=True)
            if connection is not None:
                self.far_connected(connection)
            else:
                self._connect()
            return
        self._refuse(fault, detail)

    # stream: the request

    def _send_on(self, connection: UpstreamConnection) -> None:
        head = self.head
        self.far = connection
        self.phase = Phase.ASKING
        counters = self._pool.counters
        counters.requests += 1
        counters.in_flight += 1
        target = self._passage.target(head.target)
        data = request_bytes(head, target, self.forwarded, self.request_id, self.upgrade)
        connection.begin(self, head.method, self.upgrade)
        if not head.has_body:
            connection.write(data)
            self._await_answer()
            return
        early = self._early or []
        self.held = b"".join([data, *map(self._framed, early)])
        if not connection.used or head.method not in IDEMPOTENT:
            self._early = None
        if self.near.request_complete:
            self._end_request()
        else:
            self._await_body()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.head.chunked else data

    def body_received(self, data: bytes) -> None:
        self.received += len(data)
        limit = self.proxy.max_body
        if limit and self.received > limit:
            self._too_large()
            return
        early = self._early
        if early is not None:
            if self.phase is not Phase.CONNECTING and self.received > REPLAY_AT_MOST:
                self._early = None
            else:
                early.append(data)
        if self.phase is Phase.CONNECTING or self.far is None:
            return
        if self.head.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self.held:
            data = self.held + data
            self.held = b""
        self.far.write(data)

    def body_ended(self) -> None:
        if self.far is not None and self.phase is not Phase.CONNECTING:
            self._end_request()

    def request_paused(self) -> None:
        """All that came in one piece has been told."""
        if self.held and self.far is not None:
            held, self.held = self.held, b""
            self.far.write(held)

    def _end_request(self) -> None:
        assert self.far is not None
        if self.head.chunked:
            self.held += b"0\r\n\r\n"
        self.request_paused()
        if self.phase is Phase.ASKING:
            self._await_answer()

    def far_blocked(self) -> None:
        self._far_full = True
        self.near.pause_reading(Why.UPSTREAM_FULL)

    def far_drained(self) -> None:
        self._far_full = False
        self.near.resume_reading(Why.UPSTREAM_FULL)

    # stream: the answer

    def informational_received(self, head: AnswerHead) -> None:
        if head.status == 100:
            if self._interim or self.head.fields.expect is None:
                return
            self._interim = True
        self.near.send_informational(head.status, head.reason, head.kept)

    def answer_received(self, head: AnswerHead) -> None:
        self.phase = Phase.ANSWERING
        self.status = head.status
        if head.status == 101:
            self._switch(head)
            return
        self._early = None
        near = self.near
        near.deadline = self._later(self.proxy.timeouts.idle)
        block = answer_block(head, self._passage, self.head)
        if not head.has & Has.DATE:
            block += self.reception.date_line()
        block = b"%bX-Request-Id: %b\r\n" % (block, self.request_id)
        near.send_head(head.status, head.reason, block, head.framing, head.content_length)

    def answer_body_received(self, data: bytes) -> None:
        self.sent += len(data)
        near = self.near
        near.deadline = self._later(self.proxy.timeouts.idle)
        near.send_body(data)

    def answer_paused(self) -> None:
        self.near.flush()

    def answer_ended(self, trailers: bytes) -> None:
        far, near = self.far, self.near
        assert far is not None
        self._finish()
        if near.request_complete:
            far.release()
        else:
            # The server has said all and has not heard all: nobody knows what it does next.
            far.abort()
        near.end(trailers_for(self.head, trailers) if trailers else b"")

    def answer_broken(self, detail: str) -> None:
        far = self.far
        assert far is not None
        if self.phase is not Phase.ASKING:
            self._cut(Fault.UPSTREAM_BROKE, detail)
        elif far.used and not far.receiver.has_begun and self._early is not None:
            self._try_again(far)
        elif far.is_lost and not far.receiver.has_begun:
            self._refuse(Fault.UPSTREAM_BROKE, "closed the connection without an answer")
        elif far.is_lost:
            self._refuse(Fault.UPSTREAM_BROKE, detail)
        else:
            self._refuse(Fault.UPSTREAM_NONSENSE, f"sent {detail}")

    def _try_again(self, far: UpstreamConnection) -> None:
        """A kept-alive connection died before it brought anything: once more, on a new one."""
        if self.head.method not in IDEMPOTENT:
            self._refuse(Fault.UPSTREAM_BROKE, "closed the connection without an answer")
            return
        far.abort()
        self.far = None
        self.held = b""
        self._pool.counters.in_flight -= 1
        self._pool.counters.retries += 1
        self._connect()

    def near_blocked(self) -> None:
        if self.far is not None:
            self.far.pause_reading()

    def near_drained(self) -> None:
        if self.far is not None:
            self.far.resume_reading()

    # time limits

    def _later(self, seconds: float) -> float:
        return self.reception.sweep.now + seconds if seconds else NEVER

    def _await_body(self) -> None:
        self._rate_mark = self.received
        self.near.deadline = self._later(CONTINUE_AFTER if self._wants_continue else BODY_INTERVAL)

    def _await_answer(self) -> None:
        self.near.deadline = self._later(self.proxy.timeouts.first_byte)

    @property
    def _wants_continue(self) -> bool:
        return self.head.fields.expect is not None and bool(self.head.minor) and not self._interim

    def deadline_passed(self, now: float) -> None:
        """Something takes too long: what, depends on the phase and on who is waited for."""
        if self.phase is Phase.ANSWERING:
            self._answer_late()
        elif self.near.request_complete:
            seconds = self.proxy.timeouts.first_byte
            self._refuse(Fault.UPSTREAM_TIMEOUT, f"did not answer within {seconds:g} s")
        elif self._wants_continue:
            self._interim = True
            self.near.send_informational(100, b"Continue", b"")
            self._await_body()
        elif self._far_full:
            self._far_late()
        elif self.received - self._rate_mark < SLOWEST_BODY:
            self._refuse(Fault.BODY_TOO_SLOW, "the request's body came too slowly")
        else:
            self._await_body()

    def _far_late(self) -> None:
        assert self.far is not None
        if self._has_progressed(backlog(self.far.transport)):
            self.near.deadline = self._later(self.proxy.timeouts.send)
            self._rate_mark = self.received
        else:
            self._refuse(Fault.UPSTREAM_TIMEOUT, "did not take the request's body in time")

    def _answer_late(self) -> None:
        near = self.near
        if not near.is_blocked:
            if self._far_full or near.request_complete or not self._uploads_still():
                self._cut(Fault.UPSTREAM_TIMEOUT, "stopped in the middle of its answer")
            else:
                near.deadline = self._later(self.proxy.timeouts.idle)
        elif self._has_progressed(near.backlog):
            near.deadline = self._later(self.proxy.timeouts.send)
        else:
            self._cut(None, "the client stopped taking the answer")

    def _uploads_still(self) -> bool:
        moved = self.received != self._rate_mark
        self._rate_mark = self.received
        return moved

    def _has_progressed(self, waiting: int) -> bool:
        last, self._last_backlog = self._last_backlog, waiting
        return last < 0 or waiting != last

    # finish

    def near_lost(self) -> None:
        """The client went away: whatever is under way for it ends now."""
        self.detail = self.detail or "the client closed the connection"
        self._let_go()
        self._finish()

    def request_broken(self, error: WireError) -> None:
        """The rest of the request is not what its head said."""
        if self.phase is Phase.ANSWERING:
            self._cut(error.fault, error.detail)
        else:
            self._refuse(error.fault, error.detail)

    def _too_large(self) -> None:
        detail = f"a body of more than {self.proxy.max_body} bytes"
        if self.phase is Phase.ANSWERING:
            self._cut(Fault.BODY_TOO_LARGE, detail)
        else:
            self._refuse(Fault.BODY_TOO_LARGE, detail)

    def _refuse(self, fault: Fault, detail: str) -> None:
        """Answer in the upstream's stead. Nothing of the answer has been sent yet."""
        near = self.near
        self._let_go()
        self.fault = fault
        self.detail = detail
        self.status = fault.status
        if fault.blame == "client":
            near.no_keep_alive()
        else:
            self.detail = f"upstream {self.proxy.route.upstream} at {self.server} {detail}"
        self.sent = self.reception.answer_refusal(near, self.head, self.request_id, fault, self)
        self._finish()
        near.end()

    def _cut(self, fault: Fault | None, detail: str) -> None:
        """Break off an answer that has begun."""
        self.fault = fault
        self.detail = detail
        self._let_go()
        near = self.near
        self._finish()
        near.cut()

    def _let_go(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()
        if self.far is not None:
            self.far.abort()

    def _finish(self) -> None:
        """Exactly once: count, log."""
        if self.phase is Phase.DONE:
            return
        self.phase = Phase.DONE
        seconds = time.perf_counter() - self._started
        kind = self.status // 100
        route = self.proxy.counters
        route.in_flight -= 1
        route.answers[kind] += 1
        route.bytes_received += self.received
        route.bytes_sent += self.sent
        route.took(seconds)
        if self.far is not None:
            server = self._pool.counters
            server.in_flight -= 1
            server.answers[kind if self.fault is None else NO_ANSWER] += 1
        if self.fault is not None:
            route.failed(self.fault.name)
        self.reception.finished(self, seconds)

    @property
    def pool(self) -> Pool:
        return self._pool

    @property
    def server(self) -> str:
        return self._pool.server.label

    @property
    def passage(self) -> Passage:
        return self._passage

    # switch

    def _switch(self, head: AnswerHead) -> None:
        """The upstream agreed to the WebSocket: both connections go to a relay."""
        assert self.far is not None
        self.near.deadline = NEVER
        detail = self.reception.relay(self, head)
        if detail is not None:
            self.phase = Phase.ASKING
            self._refuse(Fault.UPSTREAM_NONSENSE, detail)
        elif self.phase is not Phase.DONE:
            self.phase = Phase.SWITCHED

    def relay_ended(self, detail: str) -> None:
        self.detail = detail
        self._finish()

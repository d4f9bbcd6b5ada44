"""The life of a proxied request. There is one, for HTTP/1.1, HTTP/2 and WebSocket alike.

head and route were decided by `Reception`; here follow the sending to a server, the answer's
stream with its back-pressure and time limits, and the finish, exactly once whatever happened.
The request's body is `Upload`'s, large ones take `shortcut`; what is done where the first
server is not the one that answers is `Seeking`'s.
"""

import time
from typing import TYPE_CHECKING

from daarion_gw.errors import Fault
from daarion_gw.net.splice import Splice
from daarion_gw.net.sweep import NEVER
from daarion_gw.upstream.attempt import Attempt
from daarion_gw.upstream.connection import UpstreamConnection
from daarion_gw.upstream.member import Member
from daarion_gw.upstream.pool import Pool
from daarion_gw.wire.answer import AnswerHead, Has
from daarion_gw.wire.client import origin_of
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.passage import (
    Passage,
    answer_block,
    forwarding,
    made_strict,
    request_bytes,
    trailers_for,
)
from daarion_gw.wire.request import RequestHead

from .asking import connect, has_said_all, may_repeat, report
from .conversation import Near
from .outcome import binding, tell_breaker
from .patience import answer_late, later, request_late
from .phase import Phase
from .records import account
from .seeking import Seeking, broken, seek, wake
from .shortcut import SHORTEN_FROM, shorten_answer, shorten_upload
from .upload import Upload

if TYPE_CHECKING:
    from .reception import Reception
    from .tree import ProxyResource


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_WAITING, _CONNECTING, _ASKING, _ANSWERING, _SWITCHED, _DONE = Phase
_DATE = Has.DATE.value


class Exchange:
    """One request through one route, from its head to its last byte.

    status: of the answer, 0 before there is one. sent: bytes of its body. fault, detail: why
    the gateway answered in the server's stead, or broke off. seeking: None as long as the first
    server is the one.
    """

    __slots__ = ("_received", "_splice", "_started", "attempt", "detail", "far", "fault",
                 "forwarded", "head", "member", "near", "passage", "phase", "pool", "proxy",
                 "reception", "request_id", "seeking", "sent", "status", "upgrade",
                 "upload")  # fmt: skip

    def __init__(
        self,
        reception: "Reception",
        near: Near,
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
        self.phase = _WAITING
        self.far: UpstreamConnection | None = None
        self.status = 0
        self.sent = 0
        self.fault: Fault | None = None
        self.detail = ""
        self.upload = Upload(near, head) if head.has_body else None
        self._splice: Splice | None = None
        self._received = 0
        self.attempt: Attempt | None = None
        self.seeking: Seeking | None = None
        self._started = time.perf_counter()
        counters = proxy.counters
        counters.requests += 1
        counters.in_flight += 1

    # choose

    def begin(self) -> None:
        """Find a connection and send the request's head."""
        group = self.proxy.group
        if group.breaker is not None and not group.breaker.admits(self._started):
            seek(self).refuse_unasked(Fault.BREAKER_OPEN, "is spared: most of it has failed")
            return
        if group.places is not None and not seek(self).has_place():
            return
        member = group.pick(self, ())
        if member is None:
            seek(self).nobody_is_there()
            return
        self.choose(member)
        connection = self.pool.take(careful=not self.head.is_idempotent)
        if connection is not None:
            self._send_on(connection)
        else:
            connect(self)

    def choose(self, member: Member) -> None:
        self.member: Member = member
        self.pool: Pool = member.pool
        self.passage: Passage = self.proxy.ways[member]
        self.forwarded = forwarding(self.head, self.near.peer, self.passage)

    @property
    def client(self) -> bytes:
        """The client's address, found through trusted proxies."""
        return origin_of(self.near.peer, self.head.fields.identity, self.head.host).client

    def far_connected(self, connection: UpstreamConnection) -> None:
        self.attempt = None
        if self.seeking is not None:
            self.seeking.reached()
        self._send_on(connection)
        self.request_paused()

    def far_failed(self, fault: Fault, detail: str) -> None:
        self.attempt = None
        report(self, fault)
        seek(self).not_reached(fault, detail)

    def _send_on(self, connection: UpstreamConnection) -> None:
        head, near = self.head, self.near
        self.far = connection
        self.phase = _ASKING
        counters = self.pool.counters
        counters.requests += 1
        counters.in_flight += 1
        target = self.passage.target(head.target)
        data = request_bytes(head, target, self.forwarded, self.request_id, self.upgrade)
        connection.begin(self, head.method, self.upgrade)
        upload = self.upload
        if upload is None:
            connection.write(data)
            near.deadline = later(self, self.proxy.timeouts.first_byte)
            return
        repeatable = head.is_idempotent and (connection.used or may_repeat(self))
        upload.start(connection, data, repeatable)
        if near.request_complete:
            self.body_ended()
        else:
            near.deadline = upload.await_more(self.reception.sweep.now)

    # stream: the request's body

    def body_received(self, data: bytes) -> None:
        upload = self.upload
        assert upload is not None
        limit = self.proxy.max_body
        if limit and upload.received + len(data) > limit:
            self._break(Fault.BODY_TOO_LARGE, f"a body of more than {limit} bytes")
        else:
            upload.body_received(data)

    def body_ended(self) -> None:
        upload = self.upload
        if upload is None or upload.far is None:
            return
        upload.end()
        if self.phase is _ASKING:
            self.near.deadline = later(self, self.proxy.timeouts.first_byte)

    def request_paused(self) -> None:
        """All that came in one piece has been told."""
        upload = self.upload
        if upload is not None:
            upload.flush()
            if upload.is_plain and upload.splice is None and self.phase is not _DONE:
                upload.splice = shorten_upload(self)

    def far_blocked(self) -> None:
        if self.upload is not None:
            self.upload.far_blocked()
            if self._is_uploading:
                self.near.deadline = later(self, self.proxy.timeouts.send)

    def far_drained(self) -> None:
        upload = self.upload
        if upload is not None:
            upload.far_drained()
            if self._is_uploading:
                self.near.deadline = upload.await_more(self.reception.sweep.now)

    @property
    def _is_uploading(self) -> bool:
        return self.phase is _ASKING and not self.near.request_complete

    # stream: the answer

    def informational_received(self, head: AnswerHead) -> None:
        upload = self.upload
        if head.status == 100 and not (upload is not None and upload.said_continue()):
            # Nobody waits for it, or we have said it ourselves.
            return
        self.near.send_informational(head.status, head.reason, head.kept)

    def answer_received(self, head: AnswerHead) -> None:
        group, status = self.proxy.group, head.status
        if group.watches:
            group.answered(self.member, status)
        if group.held:
            # Not as soon as it accepts: what stands before a server that is gone accepts, too.
            wake(group.held)
        if status >= 400 and status in group.passed_over and seek(self).passes_over(head):
            return
        self.phase = _ANSWERING
        self.status = status
        if status == 101:
            self._switch(head)
            return
        if self.upload is not None:
            self.upload.forget()
        near = self.near
        near.deadline = later(self, self.proxy.timeouts.idle)
        block = answer_block(head, self.passage, self.head)
        if not head.has & _DATE:
            block += self.reception.date_line()
        if group.sticky is not None:
            block += binding(self)
        strict = self.reception.strict
        if strict and self.forwarded.origin.is_secure:
            block = made_strict(block, head.has, strict)
        block = b"%bX-Request-Id: %b\r\n" % (block, self.request_id)
        near.send_head(head.status, head.reason, block, head.framing, head.content_length)

    def answer_body_received(self, data: bytes) -> None:
        self.sent += len(data)
        near = self.near
        near.deadline = later(self, self.proxy.timeouts.idle)
        near.send_body(data)

    def answer_paused(self) -> None:
        self.near.flush()
        far = self.far
        if far is not None and far.receiver.left >= SHORTEN_FROM and self._splice is None:
            self._splice = shorten_answer(self)

    def answer_ended(self, trailers: bytes) -> None:
        far, near = self.far, self.near
        assert far is not None
        heard_all = has_said_all(self)
        self._finish()
        if heard_all:
            far.release()
        else:
            # The server has said all and has not heard all: nobody knows what it does next.
            far.abort()
        near.end(trailers_for(self.head, trailers) if trailers else b"")

    def answer_broken(self, detail: str) -> None:
        far = self.far
        assert far is not None
        if self.phase is _ASKING:
            broken(self, far, detail)
        else:
            self.cut(Fault.UPSTREAM_BROKE, detail)

    def near_blocked(self) -> None:
        if self.far is not None:
            self.near.is_moving()
            self.far.pause_reading()
            self.near.deadline = later(self, self.proxy.timeouts.send)

    def near_drained(self) -> None:
        if self.far is not None:
            self.far.resume_reading()
            self.near.deadline = later(self, self.proxy.timeouts.idle)

    def deadline_passed(self, now: float) -> None:
        """Something takes too long: what, depends on the phase and on who is waited for."""
        if self.phase is _ANSWERING:
            answer_late(self, self.upload)
        elif self.far is None:
            seek(self).late()
        else:
            request_late(self, self.upload)

    # finish

    def near_lost(self) -> None:
        """The client went away: whatever is under way for it ends now."""
        self.detail = self.detail or "the client closed the connection"
        self._let_go()
        self._finish()

    def request_broken(self, error: WireError) -> None:
        """The rest of the request is not what its head said."""
        self._break(error.fault, error.detail)

    def _break(self, fault: Fault, detail: str) -> None:
        if self.phase is _ANSWERING:
            self.cut(fault, detail)
        else:
            self.refuse(fault, detail)

    def refuse(self, fault: Fault, detail: str) -> None:
        """Answer in the server's stead. Nothing of its answer has been sent yet."""
        near = self.near
        self._let_go()
        self.fault = fault
        self.detail = detail
        self.status = fault.status
        if fault.blame == "client":
            near.no_keep_alive()
        else:
            where = f" at {self.server}" if self.server else ""
            self.detail = f"upstream {self.proxy.route.upstream}{where} {detail}"
        self.sent = self.reception.answer_refusal(near, self.head, self.request_id, fault, self)
        self._finish()
        near.end()

    def cut(self, fault: Fault | None, detail: str) -> None:
        """Break off an answer that has begun."""
        self.fault = fault
        self.detail = detail
        if fault is not None:
            report(self, fault)
        self._let_go()
        self._finish()
        self.near.cut()

    def _let_go(self) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.cancel()
        if self.far is not None:
            self.far.abort()

    def _finish(self) -> None:
        """Exactly once: count, log."""
        if self.phase is _DONE:
            return
        self.phase = _DONE
        if self._splice is not None:
            self._splice.stop()
        if self.upload is not None:
            self.upload.stop()
        seconds = time.perf_counter() - self._started
        account(self, seconds)
        self.reception.finished(self, seconds)
        if self.seeking is not None:
            self.seeking.stop()

    @property
    def received(self) -> int:
        """Bytes that came from the client: of its body, or of its frames."""
        return self.upload.received if self.upload is not None else self._received

    @property
    def server(self) -> str:
        """The server's label, for people; empty where none was asked."""
        seeking = self.seeking
        return self.pool.server.label if seeking is None or not seeking.is_nowhere else ""

    # switch

    def _switch(self, head: AnswerHead) -> None:
        """The upstream agreed to the WebSocket: both connections go to a relay."""
        self.near.deadline = NEVER
        detail = self.reception.relay(self, head)
        if detail is not None:
            self.phase = _ASKING
            report(self, Fault.UPSTREAM_NONSENSE)
            self.refuse(Fault.UPSTREAM_NONSENSE, detail)
            return
        if self.phase is not _DONE:
            self.phase = _SWITCHED
            if self.seeking is not None:
                self.seeking.give_place_back()
        if self.proxy.group.breaker is not None:
            tell_breaker(self, time.perf_counter() - self._started)

    def frames_passed(self, received: int, sent: int) -> None:
        """Bytes of frames went through the relay: from the client, and to it."""
        self._received += received
        self.sent += sent

    def relay_ended(self, detail: str) -> None:
        self.detail = detail
        self._finish()

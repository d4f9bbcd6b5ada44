"""Ordinary Twisted Web resources behind our own parser.

A request whose path no route takes gets a plain `twisted.web.server.Request`, which talks to
a channel: the interface that Twisted's HTTP/2 streams implement too. So whatever Twisted Web
can serve can be mounted beside the routes, and one strict parser guards both.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import CooperativeTask, cooperate
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.wire.answer import Framing
from daarion_gw.wire.client import origin_of
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.fields import pairs
from daarion_gw.wire.passage import SECURITY_LINES, STRICT_NAME
from daarion_gw.wire.request import RequestHead

from .conversation import Near

if TYPE_CHECKING:
    from .reception import Reception

# As in the exchange: a body must bring this many bytes in this many seconds.
_BODY_INTERVAL = 30.0
_SLOWEST_BODY = 64 * 30
# A form as large as this is parsed by Twisted in some 20 ms, in which nothing else happens.
FORM_AT_MOST = 64 * 1024
# What Twisted says of itself, and what our own parser and shell decide.
_NOT_PASSED = frozenset({b"server", b"connection"})
_SECURITY = (b"x-content-type-options", b"x-frame-options", b"referrer-policy")


class Rendering:
    """One request for the tree's own resources: a conversation for us, a channel for Twisted."""

    def __init__(
        self,
        reception: "Reception",
        near: Near,
        head: RequestHead,
        request_id: bytes,
        limit: int,
    ) -> None:
        self.reception = reception
        self.near = near
        self.head = head
        self.request_id = request_id
        self.status = 0
        self.sent = 0
        self._limit = limit
        self._received = 0
        self._rate_mark = 0
        self._started = time.perf_counter()
        self._producer: Any = None
        self._pulling: CooperativeTask | None = None
        # The channel's side.
        self.site = reception.site
        self.factory = reception.site
        self.transport = near.transport
        self.origin = origin_of(near.peer, head.fields.identity, head.host)
        # Any other form is in the request's content, like every body.
        is_small = 0 < (head.fields.content_length or 0) <= FORM_AT_MOST
        # Twisted calls what it does not annotate.
        self._request: Any = Request(self, parsePOSTFormSubmission=is_small)

    def begin(self) -> None:
        head, request = self.head, self._request
        for name, value in self._fields():
            request.requestHeaders.addRawHeader(name, value)
        request.gotLength(None if head.chunked else head.fields.content_length or 0)
        request.parseCookies()
        if not head.has_body:
            self._received_all()
            return
        if head.fields.expect is not None and head.minor:
            self.near.send_informational(100, b"Continue", b"")
        self._await_body()

    def _fields(self) -> Iterator[tuple[bytes, bytes]]:
        """What a server behind the gateway would see."""
        head = self.head
        if head.host is not None:
            yield b"Host", head.host
        yield from pairs(head.fields.kept)
        yield from pairs(self.origin.lines)
        yield b"X-Request-Id", self.request_id

    def _received_all(self) -> None:
        self.near.deadline = NEVER
        # For a version that it does not know Twisted frames no body itself.
        self._request.requestReceived(self.head.method, self.head.target, self.head.version)

    # Conversation: what the shell tells.

    def body_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._limit:
            self._refuse(Fault.BODY_TOO_LARGE, f"a body of more than {self._limit} bytes")
            return
        self._request.handleContentChunk(data)

    def body_ended(self) -> None:
        self._received_all()

    def request_paused(self) -> None:
        pass

    def request_broken(self, error: WireError) -> None:
        self._refuse(error.fault, error.detail)

    def _refuse(self, fault: Fault, detail: str) -> None:
        """The resource has not seen its request yet, and never will."""
        near = self.near
        self._request.content.close()
        near.no_keep_alive()
        self.status = fault.status
        self.sent = self.reception.send_refusal(near, self.head, self.request_id, fault, detail)
        self.reception.counters.front.refuse(fault.status)
        self._finish()
        near.end()

    def near_blocked(self) -> None:
        self.near.is_moving()
        self.near.deadline = self.reception.sweep.now + self.reception.send_timeout
        if self._pulling is not None:
            self._pulling.pause()
        elif self._producer is not None:
            self._producer.pauseProducing()

    def near_drained(self) -> None:
        self.near.deadline = NEVER
        if self._pulling is not None:
            self._pulling.resume()
        elif self._producer is not None:
            self._producer.resumeProducing()

    def near_lost(self) -> None:
        self._finish()
        self._request.connectionLost(Failure(ConnectionDone()))

    def deadline_passed(self, now: float) -> None:
        if self.near.is_blocked:
            if self.near.is_moving():
                self.near.deadline = now + self.reception.send_timeout
            else:
                self.abortConnection()
        elif self._received - self._rate_mark < _SLOWEST_BODY:
            self._refuse(Fault.BODY_TOO_SLOW, "the request's body came too slowly")
        else:
            self._await_body()

    def _await_body(self) -> None:
        self._rate_mark = self._received
        self.near.deadline = self.reception.sweep.now + _BODY_INTERVAL

    # Channel: what Twisted's request asks for.

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Called once per answer, or for a 1xx by nobody."""
        self.status = int(code)
        strict = self.reception.strict if self.origin.is_secure else b""
        left_out = _NOT_PASSED | {STRICT_NAME} if strict else _NOT_PASSED
        lines = [
            b"%b: %b\r\n" % (name, value)
            for name, values in headers.getAllRawHeaders()
            if name.lower() not in left_out
            for value in values
        ]
        has = sum(1 << at for at, name in enumerate(_SECURITY) if headers.hasHeader(name))
        lines += [SECURITY_LINES[has], strict, b"X-Request-Id: %b\r\n" % self.request_id]
        # Twisted frames the body by itself; where it does not, the end is the close.
        framed = headers.hasHeader(b"Content-Length") or headers.hasHeader(b"Transfer-Encoding")
        bodiless = self.head.method == b"HEAD" or self.status in (204, 304)
        if not (framed or bodiless):
            self.near.no_keep_alive()
        self.near.send_head(self.status, reason, b"".join(lines), Framing.NONE, None)

    def write(self, data: bytes) -> None:
        if data:
            self.sent += len(data)
            self.near.send_body(data)
            self.near.flush()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def requestDone(self, request: Request) -> None:
        near = self.near
        self._finish()
        near.end()

    def _finish(self) -> None:
        self.reception.rendered(self, time.perf_counter() - self._started)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer
        if not streaming:
            self._pulling = cooperate(self._pull())
        if self.near.is_blocked:
            self.near_blocked()

    def _pull(self) -> Iterator[None]:
        while True:
            self._producer.resumeProducing()
            yield None

    def unregisterProducer(self) -> None:
        self._producer = None
        pulling, self._pulling = self._pulling, None
        if pulling is not None:
            pulling.stop()

    def loseConnection(self) -> None:
        self.near.no_keep_alive()

    def abortConnection(self) -> None:
        self.near_lost()
        self.near.cut()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._refuse(Fault.MALFORMED, "a form that cannot be read")

    def getPeer(self) -> Any:
        return self.near.transport.getPeer()

    def getHost(self) -> Any:
        return self.near.transport.getHost()

    def isSecure(self) -> bool:
        return self.near.is_secure

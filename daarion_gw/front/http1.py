"""HTTP/1.x towards clients: a thin shell between Twisted's transport, the wire and an exchange.

It knows how an answer is framed for this client and when the connection may go on. It does
not know what is proxied, rendered or refused: that is `Reception`'s.
"""

from enum import Enum, IntFlag, auto
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IProtocolNegotiationFactory, IPushProducer, ISSLTransport
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.net.transport import backlog
from daarion_gw.wire.answer import Framing
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.request import RequestHead
from daarion_gw.wire.request_receiver import Reading, RequestReceiver

if TYPE_CHECKING:
    from .reception import Reception

# How much of a request's body is read to its end after the answer, rather than closing.
DRAIN_AT_MOST = 64 * 1024
READ_AHEAD = 64 * 1024
# How long a client that is still sending gets to see why it was refused (seconds).
LINGER = 1.0


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


class Stage(Enum):
    """Where a client's connection is between its requests."""

    IDLE = auto()
    HEAD = auto()
    EXCHANGE = auto()
    # Answered, but the request's body has not ended.
    DRAINING = auto()
    # Answered, but the client has not taken the answer yet.
    FULL = auto()
    # Closing: what still comes is thrown away.
    LINGERING = auto()
    SWITCHED = auto()
    CLOSED = auto()


class Why(IntFlag):
    """Why a client is not read from: all reasons must be gone before it is again."""

    CONNECTING = 1
    UPSTREAM_FULL = 2
    READ_AHEAD = 4


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_IDLE, _HEAD, _EXCHANGE, _DRAINING, _FULL, _LINGERING, _SWITCHED, _CLOSED = Stage
_HELD = Reading.HELD
_NONE = Framing.NONE


@implementer(IPushProducer)
class HTTP1Connection(TwistedProtocol):
    """One client connection. Towards it we are a producer: Twisted says when it is full."""

    transport: Any

    def __init__(self, reception: "Reception") -> None:
        self.reception = reception
        self.receiver = RequestReceiver(self)
        self.deadline = NEVER
        # The request at hand; meaningless between requests.
        self.head: RequestHead | None = None
        self.conversation: Conversation | None = None
        self.is_blocked = False
        self.requests = 0
        self._stage = _IDLE
        self._paused_for = 0
        self._drained = 0
        self._keep_alive = True
        self._chunking = False
        # An answer's head that waits for its body's first piece, to go out in one segment.
        self._pending = b""

    # Called by Twisted.

    def connectionMade(self) -> None:
        transport = self.transport
        transport.registerProducer(self, True)
        self.is_secure = ISSLTransport.providedBy(transport)
        self.peer = self.reception.peer_of(transport, self.is_secure)
        self.deadline = self.reception.sweep.now + self.reception.head_timeout
        self.reception.connection_opened(self)

    def dataReceived(self, data: bytes) -> None:
        if self._stage is _LINGERING:
            return
        self.receiver.receive(data)
        conversation = self.conversation
        if conversation is not None:
            conversation.request_paused()
        if self.receiver.held > READ_AHEAD and self._stage in (_EXCHANGE, _FULL):
            self.pause_reading(Why.READ_AHEAD)
        elif self._stage is _IDLE and self.receiver.held:
            self._stage = _HEAD
            self.deadline = self.reception.sweep.now + self.reception.head_timeout

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._stage = _CLOSED
        self.deadline = NEVER
        self.reception.connection_closed(self)
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.near_lost()

    def pauseProducing(self) -> None:
        self.is_blocked = True
        if self.conversation is not None:
            self.conversation.near_blocked()

    def resumeProducing(self) -> None:
        self.is_blocked = False
        if self.conversation is not None:
            self.conversation.near_drained()
        elif self._stage is _FULL:
            self._next_request()

    def stopProducing(self) -> None:
        # connectionLost says it too, and better.
        pass

    # Called by the sweep.

    def deadline_passed(self, now: float) -> None:
        """What is late depends on the stage."""
        stage = self._stage
        self.deadline = NEVER
        if self.conversation is not None:
            self.conversation.deadline_passed(now)
        elif stage is _HEAD:
            self.reception.refuse_early(
                self, WireError(Fault.HEAD_TOO_SLOW, "the request's head took too long")
            )
        elif stage is _LINGERING:
            # Waiting for the peer's own goodbye, as TLS does, could last for ever.
            self.transport.abortConnection()
        else:
            self.close()

    # Called by the wire.

    def request_received(self, head: RequestHead) -> None:
        self.head = head
        self.requests += 1
        self._keep_alive = head.keep_alive and not self.reception.is_draining
        self._chunking = False
        self._stage = _EXCHANGE
        self.deadline = NEVER
        self.reception.receive(self, head)

    def body_received(self, data: bytes) -> None:
        if self.conversation is not None:
            self.conversation.body_received(data)
            return
        self._drained += len(data)
        if self._drained > DRAIN_AT_MOST:
            self.close()

    def body_ended(self) -> None:
        if self.conversation is not None:
            self.conversation.body_ended()
        elif self._stage is _DRAINING:
            self._next_request()

    def request_refused(self, error: WireError) -> None:
        if self.conversation is not None:
            self.conversation.request_broken(error)
        elif self._stage is _DRAINING:
            self.close()
        else:
            self.reception.refuse_early(self, error)

    # Called by the conversation: reading.

    def pause_reading(self, why: Why) -> None:
        if not self._paused_for:
            self.transport.pauseProducing()
        self._paused_for |= why

    def resume_reading(self, why: Why) -> None:
        if self._paused_for & why:
            self._paused_for &= ~why
            if not self._paused_for:
                self.transport.resumeProducing()

    @property
    def request_complete(self) -> bool:
        """Whether all of the request at hand has come."""
        return self.receiver.state is _HELD

    @property
    def backlog(self) -> int:
        """Bytes that were sent to the client and that it has not taken."""
        return backlog(self.transport)

    # Called by the conversation: answering.

    def send_informational(self, status: int, reason: bytes, block: bytes) -> None:
        """A 1xx answer; a 1.0 client gets none (RFC 9110 15.2)."""
        assert self.head is not None
        if self.head.minor:
            self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, block))

    def send_head(
        self, status: int, reason: bytes, block: bytes, framing: Framing, length: int | None
    ) -> None:
        """The answer's head: ``block`` has all fields but those of framing and connection.

        length: of the body in bytes where ``framing`` is LENGTH; with NONE it is said where
        it is known (HEAD, 304).
        """
        assert self.head is not None
        lines = b""
        if length is not None:
            lines = b"Content-Length: %d\r\n" % length
        elif framing is not _NONE:
            if self.head.minor:
                lines = b"Transfer-Encoding: chunked\r\n"
                self._chunking = True
            else:
                self._keep_alive = False
        if not self._keep_alive:
            lines += b"Connection: close\r\n"
        elif not self.head.minor:
            lines += b"Connection: keep-alive\r\n"
        self._pending = b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, reason, block, lines)

    def send_body(self, data: bytes) -> None:
        """A piece of the answer's body, not empty."""
        if self._chunking:
            data = b"%b%x\r\n%b\r\n" % (self._pending, len(data), data)
            self._pending = b""
        elif self._pending:
            data = self._pending + data
            self._pending = b""
        self.transport.write(data)

    def flush(self) -> None:
        """No more comes for now: a head must not wait for a body that takes its time."""
        if self._pending:
            pending, self._pending = self._pending, b""
            self.transport.write(pending)

    def end(self, trailers: bytes = b"") -> None:
        """The answer is complete. trailers: a checked field block."""
        pending, self._pending = self._pending, b""
        if self._chunking:
            pending = b"%b0\r\n%b\r\n" % (pending, trailers)
            self._chunking = False
        if pending:
            self.transport.write(pending)
        self.conversation = None
        if not self._keep_alive:
            self.close()
        elif self.receiver.state is _HELD:
            self._next_request()
        else:
            self._stage = _DRAINING
            self._drained = 0
            self._resume_all()
            self.deadline = self.reception.sweep.now + self.reception.head_timeout

    def no_keep_alive(self) -> None:
        """The answer that comes is the last on this connection."""
        self._keep_alive = False

    def cut(self) -> None:
        """End the connection so that the client cannot take half an answer for the whole."""
        self._pending = b""
        self.conversation = None
        self.deadline = NEVER
        self.abort()

    def abort(self) -> None:
        """End the connection at once, with a reset."""
        # Twisted's TLS says goodbye even then: to a 1.0 client that would be the body's end.
        below = self.transport.transport if self.is_secure else self.transport
        below.abortConnection()

    def switch(self, protocol: Any) -> bytes:
        """From here on all bytes and the end of the connection go to ``protocol``.

        Gives what was read ahead.
        """
        self._stage = _SWITCHED
        self.deadline = NEVER
        self.conversation = None
        self._resume_all()

        def lost(reason: Failure) -> None:
            self.reception.connection_closed(self)
            protocol.connectionLost(reason)

        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        self.connectionLost = lost  # type: ignore[method-assign]
        self.pauseProducing = protocol.pauseProducing  # type: ignore[method-assign]
        self.resumeProducing = protocol.resumeProducing  # type: ignore[method-assign]
        return self.receiver.detach()

    def _resume_all(self) -> None:
        if self._paused_for:
            self._paused_for = 0
            self.transport.resumeProducing()

    def _next_request(self) -> None:
        if not self._keep_alive:
            # The gateway has begun to stop since the answer was sent.
            self.close()
            return
        if self.is_blocked:
            # Answers to pipelined requests must not pile up before a client that reads none.
            self._stage = _FULL
            self.deadline = self.reception.sweep.now + self.reception.send_timeout
            return
        self._stage = _IDLE
        self.deadline = self.reception.sweep.now + self.reception.keep_alive
        self.resume_reading(Why.CONNECTING | Why.UPSTREAM_FULL)
        self.receiver.next_request()
        if self.receiver.held <= READ_AHEAD:
            self.resume_reading(Why.READ_AHEAD)
        if self._stage is _IDLE and self.receiver.held:
            self._stage = _HEAD
            self.deadline = self.reception.sweep.now + self.reception.head_timeout

    def close(self) -> None:
        """Close after what was written, and so that a client that still sends can read it."""
        if self._stage in (_LINGERING, _CLOSED):
            return
        nothing_comes = self.receiver.state in (_HELD, Reading.HEAD)
        clean = nothing_comes and not self.receiver.held
        self.receiver.detach()
        self.transport.unregisterProducer()
        self._resume_all()
        self._stage = _LINGERING
        sweep = self.reception.sweep
        if clean:
            # A client that takes nothing would keep a closing connection open for ever.
            self.deadline = sweep.now + self.reception.send_timeout
            self.transport.loseConnection()
            return
        self.deadline = sweep.now + LINGER
        if not self.is_secure:
            self.transport.loseWriteConnection()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when the connection is closed now."""
        return self._stage in (_IDLE, _LINGERING, _CLOSED)


@implementer(IProtocolNegotiationFactory)
class HTTP1Factory(Factory):
    """Makes a connection object for each client."""

    noisy = False

    def __init__(self, reception: "Reception") -> None:
        self._reception = reception

    def acceptableProtocols(self) -> list[bytes]:
        """What ALPN may agree on; without an answer Twisted's TLS ends the handshake."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: object) -> HTTP1Connection:
        return HTTP1Connection(self._reception)

"""HTTP/1.x towards clients: a thin shell between Twisted's transport, the wire and an exchange.

It knows how an answer is framed for this client and when the connection may go on. It does
not know what is proxied, rendered or refused: that is `Reception`'s.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import (
    IHandshakeListener,
    IPushProducer,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.net.transport import backlog
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.request import RequestHead
from daarion_gw.wire.request_receiver import Reading, RequestReceiver

from .answering import Answering
from .conversation import Conversation, Why
from .http2 import HTTP2Connection
from .peers import certify
from .turned_away import ANSWER

if TYPE_CHECKING:
    from .reception import Reception

# How much of a request's body is read to its end after the answer, rather than closing.
DRAIN_AT_MOST = 64 * 1024
READ_AHEAD = 64 * 1024
# How many requests of one client that came together are begun in one turn of the loop.
IN_A_ROW = 16
# How long a client that is still sending gets to see why it was refused (seconds).
LINGER = 1.0
# As ALPN calls it (RFC 9113 3.2).
HTTP_2 = b"h2"


class Stage(Enum):
    """Where a client's connection is between its requests."""

    IDLE = auto()
    HEAD = auto()
    EXCHANGE = auto()
    # Answered, but the request's body has not ended.
    DRAINING = auto()
    # Answered, but the client has not taken the answer yet.
    FULL = auto()
    # Answered like many before it in one turn of the loop: now it is the others' turn.
    YIELDING = auto()
    # Closing: what still comes is thrown away.
    LINGERING = auto()
    SWITCHED = auto()
    CLOSED = auto()


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
(_IDLE, _HEAD, _EXCHANGE, _DRAINING, _FULL, _YIELDING, _LINGERING, _SWITCHED,
 _CLOSED) = Stage  # fmt: skip
_BUSY = (_EXCHANGE, _FULL, _YIELDING)
_HELD = Reading.HELD


@implementer(IPushProducer, IHandshakeListener)
class HTTP1Connection(Answering, TwistedProtocol):
    """One client connection. Towards it we are a producer: Twisted says when it is full."""

    def __init__(self, reception: "Reception") -> None:
        self.reception = reception
        self.receiver = RequestReceiver(self)
        self.deadline = NEVER
        self.conversation: Conversation | None = None
        self.is_blocked = False
        self.requests = 0
        self._stage = _IDLE
        self._paused_for = 0
        self._drained = 0
        self._in_a_row = 0
        # What the client had not taken when it was last looked at.
        self._last_backlog = -1

    # Called by Twisted.

    def connectionMade(self) -> None:
        transport = self.transport
        transport.registerProducer(self, True)
        self.is_secure = ISSLTransport.providedBy(transport)
        self.peer = self.reception.peer_of(transport, self.is_secure)
        self.deadline = self.reception.sweep.now + self.reception.head_timeout
        if isinstance(transport, ProtocolWrapper):
            self.dataReceived = self._first_received  # type: ignore[method-assign]
        self.reception.connection_opened(self)

    def _first_received(self, data: bytes) -> None:
        """What is around the transport may know by now who the client is (PROXY protocol)."""
        del self.dataReceived
        before, self.peer = self.peer, self.reception.peer_of(self.transport, self.is_secure)
        if not self.reception.admission.rename(before, self.peer):
            self.reception.admission.turned_away()
            self.transport.write(ANSWER)
            self.close()
            return
        self.dataReceived(data)

    def handshakeCompleted(self) -> None:
        """TLS is there; where ALPN agreed on HTTP/2, that has the connection from here on."""
        if self.reception.asks_certificates:
            certify(self.peer, self.transport)
        if self.transport.negotiatedProtocol != HTTP_2:
            return
        self._stage = _SWITCHED
        self.deadline = NEVER
        taker = HTTP2Connection(self.reception, self.transport, self.peer)
        self.reception.connection_changed(self, taker)
        self._give_to(taker)
        self.connectionLost = taker.connectionLost  # type: ignore[method-assign]
        taker.begin()

    def _give_to(self, protocol: Any) -> None:
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        self.pauseProducing = protocol.pauseProducing  # type: ignore[method-assign]
        self.resumeProducing = protocol.resumeProducing  # type: ignore[method-assign]

    def dataReceived(self, data: bytes) -> None:
        if self._stage is _LINGERING:
            return
        self.receiver.receive(data)
        conversation = self.conversation
        if conversation is not None:
            conversation.request_paused()
        held = self.receiver.held
        if held:
            if held > READ_AHEAD and self._stage in _BUSY:
                self.pause_reading(Why.READ_AHEAD)
            elif self._stage is _IDLE:
                self._await_head()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._stage = _CLOSED
        self.deadline = NEVER
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.near_lost()
        # Last: when all are closed, all else ends.
        self.reception.connection_closed(self)

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
            self._lingered(now)
        else:
            self.close()

    def _lingered(self, now: float) -> None:
        if backlog(self.transport) and self.is_moving():
            # Slow, and not gone.
            self.deadline = now + self.reception.send_timeout
        else:
            # Waiting for the peer's own goodbye, as TLS does, could last for ever.
            self.transport.abortConnection()

    # Called by the wire.

    def request_received(self, head: RequestHead) -> None:
        self.head = head
        self.requests += 1
        self._keep_alive = head.keep_alive and self.reception.keeps_alive
        self._chunking = False
        self._has_answered = False
        self._stage = _EXCHANGE
        self.deadline = NEVER
        try:
            self.reception.receive(self, head)
        except Exception:
            self._fell_over(head)

    def _fell_over(self, head: RequestHead) -> None:
        """A mistake of ours must not leave the client without an answer."""
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.near_lost()
        if self._stage is _EXCHANGE and not self._has_answered:
            self.reception.fell_over(self, head)
        else:
            self.cut()

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

    def is_moving(self) -> bool:
        """Whether a client that is full has taken anything since this was asked last."""
        last, self._last_backlog = self._last_backlog, backlog(self.transport)
        return last != self._last_backlog

    # Called by the conversation: the end of an answer.

    def end(self, trailers: bytes = b"") -> None:
        """The answer is complete. trailers: a checked field block."""
        self.finish_answer(trailers)
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

    def cut(self) -> None:
        """End the connection so that the client cannot take half an answer for the whole."""
        self._pending = b""
        self.conversation = None
        self.deadline = NEVER
        self.abort()

    def abort(self) -> None:
        """End the connection at once, with a reset."""
        # Twisted's TLS says goodbye even then: to a 1.0 client that would be the body's end.
        self._lowest.abortConnection()

    @property
    def plain_transport(self) -> Any:
        """The transport, where the kernel alone may pass bytes to it and from it; else None."""
        return None if self.is_secure else self.transport

    @property
    def _lowest(self) -> Any:
        return self.transport.transport if self.is_secure else self.transport

    def switch(self, protocol: Any) -> bytes:
        """From here on all bytes and the end of the connection go to ``protocol``.

        Gives what was read ahead.
        """
        self._stage = _SWITCHED
        self.deadline = NEVER
        self.conversation = None
        # What it said before it left is still passed on.
        self._lowest.tells_hangup = False
        self._resume_all()

        def lost(reason: Failure) -> None:
            protocol.connectionLost(reason)
            self.reception.connection_closed(self)

        self._give_to(protocol)
        self.connectionLost = lost  # type: ignore[method-assign]
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
        if self.receiver.held:
            self._in_a_row += 1
            if self._in_a_row > IN_A_ROW:
                self._stage = _YIELDING
                self.reception.reactor.callLater(0, self._go_on)
                return
        self._begin_next()

    def _go_on(self) -> None:
        self._in_a_row = 0
        if self._stage is _YIELDING:
            self._next_request()

    def _begin_next(self) -> None:
        self._stage = _IDLE
        self.deadline = self.reception.sweep.now + self.reception.keep_alive
        receiver = self.receiver
        # Flags cost a microsecond even when none is set.
        if self._paused_for:
            self.resume_reading(Why.CONNECTING | Why.UPSTREAM_FULL)
        receiver.next_request()
        if self._paused_for and receiver.held <= READ_AHEAD:
            self.resume_reading(Why.READ_AHEAD)
        if self._stage is _IDLE and receiver.held:
            self._await_head()

    def _await_head(self) -> None:
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

    def announce_end(self) -> None:
        """See `Connected`: a request that comes yet is answered as the last one."""
        self.no_keep_alive()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when the connection is closed now."""
        return self._stage in (_IDLE, _LINGERING, _CLOSED)

"""One connection to an upstream server: it carries one exchange at a time.

It knows the wire and its pool; who the exchange is, it knows only as `Taker`.
"""

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw.net.transport import READ_SIZE, has_ended
from daarion_gw.wire.answer_receiver import AnswerReceiver, AnswerSink

from .security import tls_failure

if TYPE_CHECKING:
    from .pool import Pool


class Taker(AnswerSink, Protocol):
    """Who takes the answers of one connection: the wire's events, and the connection's."""

    def answer_paused(self) -> None:
        """All that came in one piece has been told."""

    def far_blocked(self) -> None:
        """The server does not take what it is sent fast enough: stop."""

    def far_drained(self) -> None:
        """It has taken it: go on."""


@implementer(IPushProducer)
class UpstreamConnection(TwistedProtocol):
    """Towards the server it is a producer: Twisted tells it when its transport is full."""

    transport: Any
    taker: Taker | None = None
    # When an idle connection has been idle for too long (seconds of the sweep's clock).
    idle_until = 0.0
    is_lost = False
    # What ended it, if that was more than a close.
    trouble = ""
    used = False
    # Whether there may be more in the socket than was read: then it is looked at before reuse.
    leaves_unread = False
    _is_paused = False
    _begun_in: float = -1

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.is_tls = pool.server.scheme == "https"
        # A taker is set before the first byte may be expected.
        self.receiver = AnswerReceiver(self)  # type: ignore[arg-type]

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.pool.connection_opened(self)

    def begin(self, taker: Taker, method: bytes, upgrade: bool) -> None:
        """A request of ``taker``'s is about to be written: its answer goes to it."""
        self.taker = taker
        receiver = self.receiver
        receiver.sink = taker
        receiver.expect(method, upgrade)
        self._begun_in = self.pool.turns.turn

    def leave_to(self, taker: Taker) -> None:
        """Another takes what is still to come of the answer."""
        self.taker = taker
        self.receiver.sink = taker
        if self._is_paused:
            self.resume_reading()

    def write(self, data: bytes) -> None:
        self.pool.counters.bytes_sent += len(data)
        self.transport.write(data)

    def release(self) -> None:
        """The exchange is over: back to the pool if another may follow, else away with it."""
        self.taker = None
        if self._can_be_used_again:
            self.used = True
            if self._is_paused:
                # The client was full when the answer ended: the next one must not wait for it.
                self.resume_reading()
            self.pool.give_back(self)
        else:
            self.abort()

    @property
    def _can_be_used_again(self) -> bool:
        if not self.receiver.is_reusable or self.is_lost:
            return False
        # More than was declared, that was not read with the rest, would answer another request.
        return not (self.leaves_unread and has_ended(self.transport))

    def close(self) -> None:
        """Close politely; nothing is under way."""
        transport = self.transport
        # One that is waited for keeps Twisted's TLS from saying goodbye.
        transport.unregisterProducer()
        transport.loseConnection()
        if self.is_tls:
            # Nor is the server's own goodbye waited for: it may never come.
            transport.transport.loseConnection()

    def abort(self) -> None:
        """Close at once; whatever is under way is lost. Nobody is told."""
        self.taker = None
        if not self.is_lost:
            self.transport.abortConnection()

    def pause_reading(self) -> None:
        self._is_paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        self._is_paused = False
        self.transport.resumeProducing()

    # Called by Twisted.

    def dataReceived(self, data: bytes) -> None:
        taker = self.taker
        if taker is None:
            # Bytes when idle: nobody can say what they mean.
            self.pool.forget(self)
            self.abort()
            return
        if self._begun_in == self.pool.turns.turn:
            # It waited in the socket when the request was sent, and answers another one.
            self.trouble = "sent bytes that nobody had asked for"
            self.receiver.end(whole=False)
            return
        size = len(data)
        self.leaves_unread = size >= READ_SIZE or self.is_tls
        self.pool.counters.bytes_received += size
        self.receiver.receive(data)
        taker.answer_paused()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.is_lost = True
        self.trouble = tls_failure(reason.value)
        self.pool.connection_closed(self)
        if self.taker is not None:
            # Only a proper close can be the end of a body that the close ends.
            self.receiver.end(whole=reason.check(ConnectionDone) is not None)

    def pauseProducing(self) -> None:
        if self.taker is not None:
            self.taker.far_blocked()

    def resumeProducing(self) -> None:
        if self.taker is not None:
            self.taker.far_drained()

    def stopProducing(self) -> None:
        # connectionLost says it too, and better.
        pass

    def hand_over(self, protocol: Any) -> None:
        """From here on all bytes and the end of the connection go to ``protocol``."""
        self.taker = None
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]

        def lost(reason: Failure) -> None:
            self.is_lost = True
            self.pool.connection_closed(self)
            protocol.connectionLost(reason)

        self.connectionLost = lost  # type: ignore[method-assign]
        self.pauseProducing = protocol.pauseProducing  # type: ignore[method-assign]
        self.resumeProducing = protocol.resumeProducing  # type: ignore[method-assign]

"""The two sides of a WebSocket: the only module of the data path that knows Autobahn.

Autobahn checks both handshakes, answers the client's, and says what the gateway says itself
(pings, closes). The frames in between are followed by their headers and passed on as they
are. What both sides together must keep to is `Relay`'s.
"""

from typing import TYPE_CHECKING, Any

import txaio
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from twisted.internet.interfaces import ISSLTransport
from twisted.python.failure import Failure

from daarion_gw.net.transport import backlog
from daarion_gw.wire.frames import FrameFollower

if TYPE_CHECKING:
    from .relay import Relay

txaio.use_twisted()


class Side:
    """One side of a relay: what Twisted and Autobahn call on it.

    ``other`` is the side that this one's bytes go to; ``follower`` looks at their frames.
    """

    relay: "Relay"
    other: Any
    follower: FrameFollower
    transport: Any
    word: str
    factory: Any
    is_gone = False
    # Whether we have said all, and its connection ends once it has taken that.
    is_finishing = False
    # When bytes of its own came last (by the sweep's clock, as all times here).
    heard_at = 0.0
    # When it was pinged last, or would have been, and whether it was.
    asked_at = 0.0
    _was_asked = False
    # Whether it does not take what it is sent as fast as it comes; then, at the last look, how
    # many bytes waited for it, and when it had taken any.
    is_full = False
    left = 0
    moved_at = 0.0
    # Whether the bytes are still Autobahn's.
    _is_shaking = True

    def adopt(self, relay: "Relay", transport: Any, factory: Any) -> None:
        """Let Autobahn see a connection that is up already; it stays whose it is."""
        self.relay = relay
        self.factory = factory
        # Autobahn asks a TLS transport for its channel's id, and knows Twisted's own TLS alone.
        self.transport = _Plainly(transport)
        self.connectionMade()  # type: ignore[attr-defined]
        self.transport = transport

    def shake(self, handshake: bytes) -> bool:
        """Let Autobahn judge the peer's handshake: whether it holds."""
        super().dataReceived(handshake)  # type: ignore[misc]
        self._is_shaking = self.state != self.STATE_OPEN  # type: ignore[attr-defined]
        return not self._is_shaking

    def lead(self, other: Any, follower: FrameFollower) -> None:
        """Say where this side's frames go, and who follows them."""
        self.other = other
        self.follower = follower
        self.heard_at = self.relay.sweep.now

    def dataReceived(self, data: bytes) -> None:
        relay = self.relay
        self.heard_at = relay.sweep.now
        if relay.is_closing:
            self._await_close(data)
            return
        follower = self.follower
        passing = follower.follow(data)
        if passing:
            relay.count(self, len(passing))
            self.other.transport.write(passing)
        if follower.fault is not None:
            relay.close(follower.fault.code, follower.fault.reason)

    def _await_close(self, data: bytes) -> None:
        """We have closed: what still comes goes nowhere, up to the peer's own close."""
        follower = self.follower
        if follower.fault is None:
            follower.follow(data)
            if follower.closed:
                self.finish_writing()

    def connectionLost(self, reason: Failure) -> None:
        if not self.is_gone:
            self.is_gone = True
            super().connectionLost(reason)  # type: ignore[misc]
            self.relay.side_lost(self)

    def pauseProducing(self) -> None:
        """This side's transport is full: the other side is not read."""
        if not self.is_full:
            self.is_full = True
            self.look_whether_it_moves()
            self.relay.blocked()
        self.other.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.is_full = False
        self.left = 0
        self.relay.drained()
        if not self.other.is_gone:
            self.other.transport.resumeProducing()

    def unregisterProducer(self) -> None:
        # Autobahn does it when a handshake fails; then the connection is not ours yet.
        if not (self.is_gone or self._is_shaking):
            self.transport.unregisterProducer()

    def _closeConnection(self, abort: bool = False) -> None:
        """A handshake failed (nothing else makes Autobahn close): that is for the exchange."""

    # silence

    @property
    def quiet_since(self) -> float:
        """Since when it has not been heard, nor asked."""
        return max(self.heard_at, self.asked_at)

    @property
    def owes_answer(self) -> bool:
        """Whether it was pinged and nothing at all came from it since."""
        return self._was_asked and self.asked_at > self.heard_at

    def ask(self) -> None:
        """Ping it, if a frame of ours may stand here and it has not said its last word."""
        sender = self.other.follower
        self.asked_at = self.relay.sweep.now
        self._was_asked = sender.between_frames and not (sender.closed or self.follower.closed)
        if self._was_asked:
            self.sendPing(b"")  # type: ignore[attr-defined]

    def look_whether_it_moves(self) -> None:
        """See what waits for it; more or less than at the last look, and it has moved."""
        left, self.left = self.left, 0 if self.is_gone else backlog(self.transport)
        if left != self.left:
            self.moved_at = self.relay.sweep.now

    # the end

    def end(self, code: int, reason: str) -> None:
        """Close this side, with a close frame where one may stand.

        The peer answers it, and only then the connection ends: closed at once, with bytes of
        its unread, it would lose what we said.
        """
        if self.is_gone:
            return
        self.transport.resumeProducing()
        sender = self.other.follower
        if not (sender.closed or sender.between_frames):
            # In the middle of a message of the other side: no frame of ours can be told
            # from its bytes, only the cut is understood.
            self.transport.abortConnection()
            return
        if self.follower.closed:
            # It has said its last word itself; ours would answer nothing.
            self.finish_writing()
            return
        if not sender.closed:
            self.sendCloseFrame(code, reason.encode()[:120])  # type: ignore[attr-defined]
        if self.follower.fault is not None:
            self._stop_talking()

    def _stop_talking(self) -> None:
        """Nothing that this side still says can be understood: end it first (RFC 6455 7.1.7).

        What comes is read on: unread, it would turn the end into a reset, and the peer would
        never see why. TLS has no end of one direction alone: there the time limit is the end.
        """
        if not ISSLTransport.providedBy(self.transport):
            self.unregisterProducer()
            self.transport.loseWriteConnection()

    def finish_writing(self) -> None:
        """End its connection when it has taken all that was sent."""
        self.is_finishing = True
        self.unregisterProducer()
        self.transport.loseConnection()


class NearSide(Side, WebSocketServerProtocol):
    """The client's side: Autobahn's server."""

    word = "client"
    # The upstream's choice, and its fields but those that Autobahn writes itself.
    subprotocol: str | None = None
    fields = b""
    _said = b""

    def onConnect(self, request: Any) -> str | None:
        return self.subprotocol

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        if self._is_shaking:
            self._said += data
        else:
            super().sendData(data, sync, chopsize)

    @property
    def answer(self) -> bytes:
        """Autobahn's 101 with the fields put in, which it would have encoded anew."""
        return b"%b%b\r\n" % (self._said.removesuffix(b"\r\n"), self.fields)


class FarSide(Side, WebSocketClientProtocol):
    """The upstream's side: Autobahn's client."""

    word = "upstream"

    def startHandshake(self) -> None:
        # The exchange has sent the request, with the client's own key.
        pass


class _Factories:
    """Autobahn keeps options with factories; none of ours differ between connections."""

    def __init__(self, reactor: Any) -> None:
        self.near = WebSocketServerFactory(reactor=reactor, server="")
        self.near.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0,
                                     autoPingInterval=0, utf8validateIncoming=False)  # fmt: skip
        self.far = WebSocketClientFactory(reactor=reactor, useragent="")
        self.far.setProtocolOptions(openHandshakeTimeout=0, closeHandshakeTimeout=0,
                                    serverConnectionDropTimeout=0,
                                    autoPingInterval=0, utf8validateIncoming=False)  # fmt: skip


_factories: _Factories | None = None


def factories_for(reactor: Any) -> _Factories:
    global _factories
    if _factories is None:
        _factories = _Factories(reactor)
    return _factories


class _Plainly:
    """A transport that does not say what it is."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Interfaces are asked for by such a name.
            raise AttributeError(name)
        return getattr(self._transport, name)


class Offering:
    """A client factory whose subprotocols are the ones that this client offered."""

    def __init__(self, factory: Any, protocols: list[str]) -> None:
        self._factory = factory
        self.protocols = protocols

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

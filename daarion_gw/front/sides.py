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
    # Whether the bytes are still Autobahn's.
    _handshake = True

    def adopt(self, relay: "Relay", transport: Any, factory: Any) -> None:
        """Take over a connection that is up already."""
        self.relay = relay
        self.factory = factory
        # Autobahn asks a TLS transport for its channel's id, and knows Twisted's own TLS alone.
        self.transport = _Plainly(transport)
        self.connectionMade()  # type: ignore[attr-defined]
        self.transport = transport

    def lead(self, other: Any, follower: FrameFollower) -> None:
        """Say where this side's frames go, and who follows them."""
        self.other = other
        self.follower = follower

    def dataReceived(self, data: bytes) -> None:
        relay = self.relay
        relay.heard_at = relay.sweep.now
        if self._handshake:
            super().dataReceived(data)  # type: ignore[misc]
            return
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
        self.relay.blocked(self, True)
        self.other.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.relay.blocked(self, False)
        if not self.other.is_gone:
            self.other.transport.resumeProducing()

    def unregisterProducer(self) -> None:
        if not self.is_gone:
            self.transport.unregisterProducer()

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
        """Nothing that this side still says can be understood: end it first (RFC 6455 7.1.7)."""
        self.unregisterProducer()
        if ISSLTransport.providedBy(self.transport):
            self.transport.loseConnection()
        else:
            # What has come and was not read would turn a close into a reset.
            self.transport.loseWriteConnection()

    def finish_writing(self) -> None:
        self.unregisterProducer()
        self.transport.loseConnection()


class NearSide(Side, WebSocketServerProtocol):
    """The client's side: Autobahn's server."""

    word = "client"
    answer: tuple[str | None, dict[str, list[str]]]

    def onConnect(self, request: Any) -> tuple[str | None, dict[str, list[str]]]:
        # The upstream has agreed already: its subprotocol and its extensions hold.
        return self.answer

    def _closeConnection(self, abort: bool = False) -> None:
        self.relay.dropped()


class FarSide(Side, WebSocketClientProtocol):
    """The upstream's side: Autobahn's client."""

    word = "upstream"

    def startHandshake(self) -> None:
        # The exchange has sent the request, with the client's own key.
        pass

    def _closeConnection(self, abort: bool = False) -> None:
        if not self._handshake:
            self.relay.dropped()


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

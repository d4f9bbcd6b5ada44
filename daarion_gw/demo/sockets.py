"""The WebSocket side of the stand-ins: an echo, a clock, a live number.

Autobahn lives in two places: in the gateway's relay and here. A message is at most
64 MiB; a reader that does not read stops the echo rather than filling the memory.
"""

import json
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from zope.interface import implementer

LARGEST_MESSAGE = 64 << 20


class Echo(WebSocketServerProtocol):
    """Sends every message back as it came; takes the first subprotocol that is offered."""

    def onConnect(self, request: ConnectionRequest) -> str | None:
        return request.protocols[0] if request.protocols else None

    def onOpen(self) -> None:
        # What is not read must not pile up: the transport stops reading while its own
        # write buffer is full. (The HTTP channel had registered itself before.)
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.transport, True)

    def onMessage(self, payload: bytes, is_binary: bool) -> None:
        self.sendMessage(payload, is_binary)


@implementer(IPushProducer)
class Ticker(WebSocketServerProtocol):
    """Sends `factory.reading()` as JSON at once and then each second, while it is read."""

    _ticks: LoopingCall | None = None

    def onConnect(self, request: ConnectionRequest) -> str | None:
        # As Grafana Live does: a page of another origin may not listen in. Behind a
        # gateway this works only when the gateway passes Host on unchanged.
        origin = urlsplit(request.origin or "").netloc
        if self.factory.same_origin and origin not in ("", request.headers.get("host")):
            raise ConnectionDeny(403, "origin not allowed")
        return None

    def onOpen(self) -> None:
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = self.factory.reactor
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def _tick(self) -> None:
        self.sendMessage(json.dumps(self.factory.reading()).encode())

    def onClose(self, was_clean: bool, code: int | None, reason: str | None) -> None:
        self.pauseProducing()

    def pauseProducing(self) -> None:
        if self._ticks is not None and self._ticks.running:
            self._ticks.stop()

    def resumeProducing(self) -> None:
        if self._ticks is not None and not self._ticks.running:
            self._ticks.start(1.0)

    def stopProducing(self) -> None:
        self.pauseProducing()


class _Factory(WebSocketServerFactory):
    """Builds one kind of protocol, with what its protocols read."""

    def __init__(
        self,
        reactor: Any,
        protocol: type[WebSocketServerProtocol],
        reading: Callable[[], dict[str, Any]] = dict,
        same_origin: bool = False,
    ) -> None:
        super().__init__(reactor=reactor)
        self.protocol = protocol
        self.reading = reading
        self.same_origin = same_origin
        self.setProtocolOptions(
            maxMessagePayloadSize=LARGEST_MESSAGE, perMessageCompressionAccept=_accept
        )


def _accept(offers: list[object]) -> PerMessageDeflateOfferAccept | None:
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


def echo(reactor: Any) -> WebSocketResource:
    """Takes a WebSocket and echoes."""
    return WebSocketResource(_Factory(reactor, Echo))


def clock(reactor: Any) -> WebSocketResource:
    """Takes a WebSocket and sends the time each second: {"time": ISO 8601, UTC}."""

    def reading() -> dict[str, Any]:
        return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}

    return WebSocketResource(_Factory(reactor, Ticker, reading))


def live_number(reactor: Any) -> WebSocketResource:
    """Takes a WebSocket of the same origin and sends a moving value: {"value": 0 to 100}."""

    def reading() -> dict[str, Any]:
        seconds = reactor.seconds()
        wave = 50 + 30 * math.sin(seconds / 9) + 15 * math.sin(seconds / 2.3)
        return {"value": round(wave, 1)}

    return WebSocketResource(_Factory(reactor, Ticker, reading, same_origin=True))

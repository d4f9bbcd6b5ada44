"""A WebSocket echo on Autobahn, strict and with permessage-deflate: `ws_echo.py PORT`.

Stands behind the proxy where a good WebSocket server is wanted.
"""

import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from twisted.internet import reactor


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N803
        self.sendMessage(payload, isBinary)


def accept_deflate(offers: list) -> PerMessageDeflateOfferAccept | None:
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


def main() -> None:
    factory = WebSocketServerFactory()
    factory.protocol = Echo
    # failByDrop=False: answer a violation with a close frame, as the testsuite wants to see.
    factory.setProtocolOptions(failByDrop=False, perMessageCompressionAccept=accept_deflate)
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()

"""A good WebSocket client that runs every case of a fuzzing server.

`ws_fuzzed_client.py URL AGENT`, where URL may lead through a proxy. Ends with 0 when the server
has written its report on AGENT.
"""

import sys

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    connectWS,
)
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from twisted.internet import reactor
from twisted.internet.interfaces import IConnector
from twisted.python.failure import Failure


class Fuzzed(WebSocketClientProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N803
        if self.factory.last is None:
            self.factory.last = int(payload)
        else:
            self.sendMessage(payload, isBinary)


class FuzzedFactory(WebSocketClientFactory):
    """Asks for the number of cases, runs them one after the other, asks for the report."""

    protocol = Fuzzed
    noisy = False

    def __init__(self, url: str, agent: str) -> None:
        self.base = url.rstrip("/")
        self.agent = agent
        self.case = 0
        self.last: int | None = None
        self.failed: str | None = None
        super().__init__(f"{self.base}/getCaseCount", useragent=agent)
        self.setProtocolOptions(
            failByDrop=False,
            perMessageCompressionOffers=[PerMessageDeflateOffer()],
            perMessageCompressionAccept=accept_deflate,
        )

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        self.case += 1
        if self.last is None:
            self.end("the fuzzing server did not say how many cases there are")
        elif self.case <= self.last:
            self.connect_again(connector, f"/runCase?case={self.case}&agent={self.agent}")
        elif self.case == self.last + 1:
            self.connect_again(connector, f"/updateReports?agent={self.agent}")
        else:
            self.end(None)

    def connect_again(self, connector: IConnector, target: str) -> None:
        self.setSessionParameters(url=self.base + target, useragent=self.agent)
        connector.connect()

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.end(f"cannot connect to {self.url}: {reason.getErrorMessage()}")

    def end(self, failed: str | None) -> None:
        self.failed = failed
        reactor.stop()


def accept_deflate(
    response: PerMessageDeflateResponse,
) -> PerMessageDeflateResponseAccept | None:
    if isinstance(response, PerMessageDeflateResponse):
        return PerMessageDeflateResponseAccept(response)
    return None


def main() -> None:
    url, agent = sys.argv[1:]
    factory = FuzzedFactory(url, agent)
    connectWS(factory)
    reactor.run()
    sys.exit(factory.failed)


if __name__ == "__main__":
    main()

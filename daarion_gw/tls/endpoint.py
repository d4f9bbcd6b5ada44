"""The endpoint ``daarion-tls:`` (FORM says how it is written): TLS of our own over TCP."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IProtocolNegotiationFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from zope.interface import implementer

from .connection import TLSConnection
from .context import HTTP_1, Listening
from .scans import Scans

PREFIX = "daarion-tls"
# A handshake takes a while; those that come meanwhile should not be sent away.
BACKLOG = 512
FORM = f"{PREFIX}:PORT[:interface=ADDRESS]:privateKey=FILE:certKey=FILE[:backlog=N]"
_WORDS = ("interface", "privateKey", "certKey", "backlog")


class TLSFactory(Factory):
    """Puts TLS before the connections of another factory.

    That one may provide IProtocolNegotiationFactory and say which protocols may be agreed by
    ALPN; otherwise it is HTTP/1.1 alone.
    """

    noisy = False

    def __init__(self, listening: Listening, wrapped: Any) -> None:
        self.wrapped = wrapped
        self._listening = listening
        self._scans = Scans()
        negotiates = IProtocolNegotiationFactory.providedBy(wrapped)
        listening.offer(wrapped.acceptableProtocols() if negotiates else HTTP_1)

    def doStart(self) -> None:
        super().doStart()
        self.wrapped.doStart()

    def doStop(self) -> None:
        super().doStop()
        self.wrapped.doStop()

    def buildProtocol(self, addr: Any) -> TLSConnection | None:
        wrapped = self.wrapped.buildProtocol(addr)
        if wrapped is None:
            return None
        return TLSConnection(self._listening, wrapped, self._scans)


@implementer(IStreamServerEndpoint)
class TLSEndpoint:
    """Listens on TCP; what `listen` gives is a plain TCP port."""

    def __init__(self, below: TCP4ServerEndpoint, listening: Listening) -> None:
        self._below = below
        self._listening = listening

    def listen(self, factory: Any) -> Deferred[Any]:
        """Like every server endpoint's (IStreamServerEndpoint)."""
        opening: Deferred[Any] = self._below.listen(TLSFactory(self._listening, factory))
        return opening


def parse(reactor: Any, *arguments: str, **words: str) -> TLSEndpoint:
    """The endpoint of a string's parts; raises ValueError or OSError with a plain sentence."""
    unknown = [word for word in words if word not in _WORDS]
    if unknown or len(arguments) != 1:
        what = f"it has no {unknown[0]!r}" if unknown else "one port is expected"
        raise ValueError(f"{what}; its form is {FORM}")
    port = _number("port", arguments[0], 65535)
    backlog = _number("backlog", words.get("backlog", str(BACKLOG)), 65535)
    missing = [word for word in ("privateKey", "certKey") if not words.get(word)]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: "
            "both files have to be named, privateKey=certs/key.pem:certKey=certs/cert.pem"
        )
    below = TCP4ServerEndpoint(reactor, port, backlog, words.get("interface", ""))
    return TLSEndpoint(below, Listening(words["certKey"], words["privateKey"]))


def _number(what: str, text: str, most: int) -> int:
    if text.isascii() and text.isdigit() and int(text) <= most:
        return int(text)
    raise ValueError(f"the {what} {text!r} is no number from 0 to {most}")

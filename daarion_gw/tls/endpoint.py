"""The endpoint ``daarion-tls:`` (FORM says how it is written): TLS of our own over TCP."""

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IProtocolNegotiationFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from zope.interface import implementer

from daarion_gw.config.problems import ConfigurationError

from .clients import Clients
from .connection import TLSConnection
from .context import HTTP_1, Profile
from .listening import Listening
from .scans import Scans
from .store import Store

PREFIX = "daarion-tls"
# A handshake takes a while; those that come meanwhile should not be sent away.
BACKLOG = 512
FORM = f"{PREFIX}:PORT[:interface=ADDRESS][:privateKey=FILE:certKey=FILE][:backlog=N]"
_WORDS = ("interface", "privateKey", "certKey", "backlog")


class TLSFactory(Factory):
    """Puts TLS before the connections of another factory.

    That one may provide IProtocolNegotiationFactory and say which protocols may be agreed by
    ALPN; otherwise it is HTTP/1.1 alone. Raises ConfigurationError like `Store.serve`.
    """

    noisy = False

    def __init__(self, store: Store, wrapped: Any, clients: Clients | None = None) -> None:
        self.wrapped = wrapped
        self._scans = Scans()
        negotiates = IProtocolNegotiationFactory.providedBy(wrapped)
        protocols = wrapped.acceptableProtocols() if negotiates else HTTP_1
        self.listening = Listening(store, Profile(tuple(protocols), clients))

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
        return TLSConnection(self.listening, wrapped, self._scans)


@implementer(IStreamServerEndpoint)
class TLSEndpoint:
    """Listens on TCP; what `listen` gives is a plain TCP port.

    store: of the certificate that its string names, or None; then whoever has those of the
    settings puts them there before it listens. clients: whether they are asked for certificates.
    listening: what its connections share, once it listens.
    """

    def __init__(self, below: TCP4ServerEndpoint, store: Store | None) -> None:
        self._below = below
        self.store = store
        self.clients: Clients | None = None
        self.listening: Listening | None = None

    def listen(self, factory: Any) -> Deferred[Any]:
        """Like every server endpoint's (IStreamServerEndpoint)."""
        if self.store is None:
            return fail(ValueError(f"{PREFIX}: it has no certificate; its form is {FORM}"))
        try:
            wrapping = TLSFactory(self.store, factory, self.clients)
        except ConfigurationError as error:
            return fail(error)
        self.listening = wrapping.listening
        opening: Deferred[Any] = self._below.listen(wrapping)
        return opening


def parse(reactor: Any, *arguments: str, **words: str) -> TLSEndpoint:
    """The endpoint of a string's parts.

    Raises ValueError, or ConfigurationError for the files, with a plain sentence.
    """
    unknown = [word for word in words if word not in _WORDS]
    if unknown or len(arguments) != 1:
        what = f"it has no {unknown[0]!r}" if unknown else "one port is expected"
        raise ValueError(f"{what}; its form is {FORM}")
    port = _number("port", arguments[0], 65535)
    backlog = _number("backlog", words.get("backlog", str(BACKLOG)), 65535)
    missing = [word for word in ("privateKey", "certKey") if not words.get(word)]
    if len(missing) == 1 or any(word in words for word in missing):
        raise ValueError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: "
            "both files have to be named, privateKey=certs/key.pem:certKey=certs/cert.pem, or "
            "neither of them, to have those that tls: in gateway.yaml names"
        )
    below = TCP4ServerEndpoint(reactor, port, backlog, words.get("interface", ""))
    own = None if missing else Store.of_files(words["certKey"], words["privateKey"])
    return TLSEndpoint(below, own)


def _number(what: str, text: str, most: int) -> int:
    if text.isascii() and text.isdigit() and int(text) <= most:
        return int(text)
    raise ValueError(f"the {what} {text!r} is no number from 0 to {most}")

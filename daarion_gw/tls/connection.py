"""TLS between a transport and the protocol of a client's connection.

OpenSSL works on two buffers: what the transport brings is put into one, what is to go out is
taken from the other. Both are empty between calls, so everything that waits is the
transport's: producers and back-pressure are its own and are passed through. What the
connection carries, and how long a client may take, the wrapped protocol knows alone: it is
connected before the handshake, so that its first deadline covers that as well.
"""

import ssl
import time
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHandshakeListener,
    INegotiated,
    IPushProducer,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw.net.transport import backlog

from . import client_hello
from .challenges import PROTOCOL
from .client_certificate import NOBODY, ClientCertificate, read_certificate
from .listening import Listening
from .scans import Scans

# The most that one record holds (RFC 8446 5.1).
RECORD = 16 * 1024
# A record can be read only when all of it has come. After a pause the network takes about ten
# packets before it hears from the client: the first records are no larger than one packet.
SMALL_RECORD = 1369
FIRST_BYTES = 10 * SMALL_RECORD
PAUSE = 1.0
# A client that makes OpenSSL speak and does not listen: how much is kept for it.
UNHEARD_AT_MOST = 64 * 1024

CHALLENGE = PROTOCOL.decode("ascii")

# A TLS record begins with a byte below 32; a method with a letter.
_LETTERS = range(0x41, 0x5B)
_PLAIN_TEXT = b"This port speaks HTTPS: write https:// instead of http:// in the address.\n"
PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_PLAIN_TEXT), _PLAIN_TEXT)
)


class Stage(Enum):
    """How far a connection is."""

    HANDSHAKE = auto()
    OPEN = auto()
    # A goodbye was said by either side: what ends now ends well.
    ENDED = auto()
    # The client broke the rules, or the connection is lost.
    BROKEN = auto()


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_HANDSHAKE, _OPEN, _ENDED, _BROKEN = Stage


@implementer(INegotiated, IConsumer, IPushProducer)
class TLSConnection(Protocol):
    """For the transport below it is the protocol, for ``wrapped`` it is the transport.

    wrapped: may provide IHandshakeListener; finds what ALPN agreed in ``negotiatedProtocol``, and
    who the client is in ``client_certificate``.
    """

    transport: Any

    def __init__(self, listening: Listening, wrapped: Any, scans: Scans) -> None:
        self.wrapped = wrapped
        self.negotiatedProtocol: bytes | None = None
        # After the handshake, where clients are asked for one.
        self.client_certificate: ClientCertificate | None = None
        # Whether the wrapped protocol wants to end it.
        self.disconnecting = False
        self._listening = listening
        self._scans = scans
        self._incoming = listening.incoming
        self._outgoing: Any = None
        self._tls: Any = None
        self._stage = _HANDSHAKE
        # Written before there were keys.
        self._early: list[bytes] = []
        self._unheard = 0
        self._bulk_at = -PAUSE
        # What has come of a ClientHello that has to be read before OpenSSL does.
        self._hello = b""

    # From the transport below.

    def connectionMade(self) -> None:
        self.wrapped.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        stage = self._stage
        if stage is _OPEN:
            self._incoming.write(data)
            self._read()
        elif stage is _HANDSHAKE:
            self._shake(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        stage, self._stage = self._stage, _BROKEN
        wrapped, self.wrapped = self.wrapped, None
        # OpenSSL's memory is not seen by the garbage collector: it must not wait for it.
        self._tls = self._outgoing = None
        self._early.clear()
        if stage is not _ENDED and reason.check(ConnectionDone):
            # Anybody on the way can end a TCP connection (RFC 8446 6.1).
            reason = Failure(ConnectionLost("the connection ended without TLS's close_notify"))
        wrapped.connectionLost(reason)

    # The handshake.

    def _shake(self, data: bytes) -> None:
        if self._tls is None:
            if not self._hello and data[0] in _LETTERS:
                self._answer_plainly()
                return
            if self._hello or self._listening.challenges:
                data = self._hello + data
                if not self._look_closer(data):
                    return
            else:
                self._begin(None)
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_own()
        except ssl.SSLError as error:
            self._break(error)
        else:
            self._agreed()

    def _look_closer(self, data: bytes) -> bool:
        """A challenge is pending: whether enough has come to know who is there, and begin."""
        try:
            hello = client_hello.read(data)
        except ValueError:
            # OpenSSL knows best what is wrong with it.
            self._begin(None)
            return True
        if hello is None:
            self._hello = data
            return False
        self._begin(self._listening.challenges.context(hello))
        return True

    def _begin(self, context: ssl.SSLContext | None) -> None:
        """Have the TLS. context: of a challenge that the client validates, None for all others."""
        self._hello = b""
        self._outgoing = ssl.MemoryBIO()
        if context is None:
            self._tls = self._listening.connection(self._outgoing)
        else:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _agreed(self) -> None:
        self._stage = _OPEN
        agreed = self._tls.selected_alpn_protocol()
        self.negotiatedProtocol = agreed.encode("ascii") if agreed is not None else None
        # The ticket could go out with the first answer; but a client's request may wait for
        # the acknowledgement of its Finished (Nagle), and without this that takes 40 ms.
        self._send_own()
        if agreed == CHALLENGE:
            # It has seen the certificate, which is all that it came for (RFC 8737 3).
            self._answer_goodbye()
            return
        if self._listening.asks and not self._identify():
            return
        early, self._early = self._early, []
        self.write(b"".join(early))
        if IHandshakeListener.providedBy(self.wrapped):
            self.wrapped.handshakeCompleted()
        if self._incoming.pending:
            self._read()

    def _identify(self) -> bool:
        """Look at the certificate that the client has shown; whether it may go on."""
        der = self._tls.getpeercert(binary_form=True)
        if der is None:
            self.client_certificate = NOBODY
            return True
        why = "its certificate has expired"
        try:
            shown = read_certificate(der)
            is_good = shown.expires > time.time()
        except ValueError as error:
            is_good, why = False, f"its certificate cannot be read: {error}"
        if is_good:
            self.client_certificate = shown
        else:
            self._scans.saw(self.transport.getPeer(), why)
            self._answer_goodbye()
        return is_good

    def _answer_plainly(self) -> None:
        self._stage = _BROKEN
        self._scans.saw(self.transport.getPeer(), "it speaks plain HTTP")
        self.transport.write(PLAIN_ANSWER)
        # Its request may still be coming: closed now, it would lose the answer. It is read,
        # and thrown away, until the client closes or the wrapped protocol has had enough.
        self.transport.loseWriteConnection()

    # Reading.

    def _read(self) -> None:
        """Pass on all that is whole; OpenSSL keeps the piece of a record that is not."""
        incoming, read = self._incoming, self._tls.read
        pieces = []
        has_ended = False
        try:
            while True:
                piece = read(RECORD)
                if not piece:
                    has_ended = True
                    # What comes after a goodbye is nobody's.
                    incoming.read()
                    break
                pieces.append(piece)
                if not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._break(error)
        if self._stage is _OPEN and self._outgoing.pending:
            self._send_own()
        if pieces:
            self.wrapped.dataReceived(b"".join(pieces))
        if has_ended and self._stage is _OPEN:
            self._answer_goodbye()

    # Writing.

    def write(self, data: bytes) -> None:
        """Send ``data`` (ITransport); before the handshake it waits, after the end it is lost."""
        if self._stage is not _OPEN:
            if self._stage is _HANDSHAKE:
                self._early.append(data)
            return
        if not data:
            return
        try:
            if len(data) <= SMALL_RECORD:
                self._tls.write(data)
                sealed = self._outgoing.read()
            else:
                sealed = self._seal(data)
        except ssl.SSLError as error:
            self._break(error)
            return
        self.transport.write(sealed)

    def _seal(self, data: bytes) -> bytes:
        """Many records: none larger than a packet after a pause, then as large as may be."""
        view, size, at = memoryview(data), len(data), 0
        write, taken = self._tls.write, self._outgoing.read
        now = time.monotonic()
        small_until = FIRST_BYTES if now - self._bulk_at >= PAUSE else 0
        self._bulk_at = now
        sealed = []
        while at < size:
            at += write(view[at : at + (SMALL_RECORD if at < small_until else RECORD)])
            # One by one: a buffer of OpenSSL's keeps the size that it once had.
            sealed.append(taken())
        return b"".join(sealed)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def _send_own(self) -> None:
        """Send what OpenSSL says by itself, if anything, to a client that listens."""
        own = self._outgoing.read()
        if not own:
            return
        self.transport.write(own)
        self._unheard = self._unheard + len(own) if backlog(self.transport) else 0
        if self._unheard > UNHEARD_AT_MOST:
            self.abortConnection()

    # The end.

    def loseConnection(self) -> None:
        """Send what was written and close_notify, then close.

        As with all of Twisted's transports a registered producer is waited for. In the middle
        of a handshake nothing is waited for.
        """
        self.disconnecting = True
        if self._stage is _OPEN:
            if self.transport.producer is not None:
                self.transport.pauseProducing()
                return
            self._goodbye()
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        """Close at once; what was written is lost, and the client can tell."""
        self._stage = _BROKEN
        self.transport.abortConnection()

    def _goodbye(self) -> None:
        self._stage = _ENDED
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # It would like to read the client's as well; nobody has to wait for that.
            pass
        self.transport.write(self._outgoing.read())

    def _answer_goodbye(self) -> None:
        """The client has said its last word: as with TCP, nobody is there any more."""
        self._goodbye()
        self._leave()

    def _break(self, error: ssl.SSLError) -> None:
        """End it with the alert that OpenSSL has left, if it has."""
        self._stage = _BROKEN
        self._incoming.read()
        self._scans.saw(self.transport.getPeer(), reason_of(error))
        self.transport.write(self._outgoing.read())
        self._leave()

    def _leave(self) -> None:
        # Nothing may be written any more, and a producer that waits would be asked to.
        self.transport.unregisterProducer()
        if backlog(self.transport):
            # It does not even take what was there before.
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    # Passed through: nothing waits in here.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.transport.unregisterProducer()
        if self.disconnecting and self._stage is _OPEN:
            self._goodbye()
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def getHost(self) -> Any:
        return self.transport.getHost()

    def getTcpNoDelay(self) -> bool:
        return bool(self.transport.getTcpNoDelay())

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.transport.setTcpNoDelay(enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self.transport.getTcpKeepAlive())

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.transport.setTcpKeepAlive(enabled)

    def getPeerCertificate(self) -> None:
        """For those who know Twisted's TLS (ISSLTransport): see `client_certificate`."""


def reason_of(error: ssl.SSLError) -> str:
    """OpenSSL's words for what went wrong, without its own file names and numbers."""
    if error.reason == "CALLBACK_FAILED":
        # The only one there is has refused it.
        return "it names no host that there is a certificate for"
    return (error.reason or str(error)).replace("_", " ").lower()

"""A TLS connection of the gateway's and a client of Python's ssl, with no socket between them."""

import _ssl
import ctypes
import ssl
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from daarion_gw.tls.connection import TLSConnection
from daarion_gw.tls.listening import Listening
from daarion_gw.tls.scans import Scans
from daarion_gw.tls.store import Store
from tests.support.certificates import NAME, client_context

V12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
V13 = {"minimum_version": ssl.TLSVersion.TLSv1_3}
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


class Below(StringTransport):
    """A transport that keeps what is written; ``waiting`` is what its peer does not take."""

    offset = 0
    _tempDataLen = 0
    half_closed = False
    aborted = False

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", 5))
        self.waiting = 0

    @property
    def dataBuffer(self) -> bytes:
        return bytes(self.waiting)

    def unregisterProducer(self) -> None:
        # That of a socket does not ask whether there is one.
        self.producer = None

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def taken(self) -> bytes:
        data = self.value()
        self.clear()
        return data


class Plain(Protocol):
    """The wrapped protocol: it remembers, and answers with ``answer`` if it has one."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: Failure | None = None
        self.answer = b""

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)
        if self.answer and self.transport is not None:
            self.transport.write(self.answer)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = reason

    @property
    def text(self) -> bytes:
        return b"".join(self.received)


class Pair:
    """Both ends. Bytes go over in the pieces that ``cut`` makes of them."""

    def __init__(
        self,
        listening: Listening,
        cert_file: Path,
        wrapped: Any = None,
        before: "Pair | None" = None,
        name: str | None = NAME,
        **limits: Any,
    ) -> None:
        """before: a connection of the same client, whose session it would like to resume.

        cert_file: what the client believes. name: whom it asks for, if it says.
        """
        self.plain = wrapped or Plain()
        self.below = Below()
        self.near = TLSConnection(listening, self.plain, Scans())
        self.near.makeConnection(self.below)
        self.context = before.context if before else client_context(cert_file)
        if name is None:
            self.context.check_hostname = False
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        for limit, value in limits.items():
            setattr(self.context, limit, value)
        session = before.client.session if before else None
        self._to_client, self.from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = self.context.wrap_bio(
            self._to_client, self.from_client, server_hostname=name, session=session
        )

    def feed(self, data: bytes, size: int = 65536) -> None:
        """Give ``data`` to the gateway's end, in pieces of ``size`` bytes."""
        for at in range(0, len(data), size):
            self.near.dataReceived(data[at : at + size])

    def shake(self, size: int = 65536) -> None:
        """Do the handshake."""
        for _ in range(3):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self.feed(self.from_client.read(), size)
            self._to_client.write(self.below.taken())
        self.client.do_handshake()

    def sealed(self, data: bytes) -> bytes:
        """``data`` as the client would send it."""
        view, at = memoryview(data), 0
        while at < len(data):
            at += self.client.write(view[at:])
        return self.from_client.read()

    def heard(self) -> bytes:
        """What the client has got; ``b""`` at the end is a goodbye."""
        self._to_client.write(self.below.taken())
        pieces = []
        try:
            while piece := self.client.read(65536):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)

    def said_goodbye(self) -> bool:
        """Whether close_notify has come after all that the client has heard."""
        self._to_client.write(self.below.taken())
        try:
            return self.client.read(1) == b""
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLZeroReturnError:
            return True

    def goodbye(self) -> bytes:
        """The client's close_notify."""
        try:
            self.client.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.from_client.read()

    def ask_for_new_keys(self) -> bytes:
        """The client's KeyUpdate that wants to be answered; Python has no call for it."""
        library = ctypes.CDLL(_ssl.__file__)
        library.SSL_key_update.argtypes = (ctypes.c_void_p, ctypes.c_int)
        library.SSL_do_handshake.argtypes = (ctypes.c_void_p,)
        # struct PySSLSocket: the object's head, the socket, SSL *ssl.
        place = id(self.client._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
        tls = ctypes.c_void_p.from_address(place).value
        assert library.SSL_key_update(tls, 1) == 1
        library.SSL_do_handshake(tls)
        return self.from_client.read()

    def lose(self) -> None:
        """The TCP connection has ended."""
        self.near.connectionLost(Failure(ConnectionDone()))


def listening_with(cert_file: Path, key_file: Path, **words: Any) -> Listening:
    return Listening(Store.of_files(str(cert_file), str(key_file)), **words)


def record_sizes(wire: bytes) -> list[int]:
    """The payload lengths of the TLS records in ``wire``, which has whole ones only."""
    sizes, at = [], 0
    while at < len(wire):
        size = int.from_bytes(wire[at + 3 : at + 5])
        sizes.append(size)
        at += 5 + size
    assert at == len(wire)
    return sizes

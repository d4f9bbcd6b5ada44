"""Transports that send at once, on real sockets: the order of bytes, producers, ends."""

import random
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet import unix
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.python.failure import Failure

from daarion_gw.net.transport import (
    Accepted,
    Connected,
    backlog,
    connect_tcp,
    connect_unix,
    has_ended,
    send_at_once,
)
from tests.support.waiting import PATIENCE, until


class Seen(Protocol):
    """Notes what it is told; as a producer it notes when it must stop."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = False
        self.paused = 0
        self.resumed = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None:
        self.resumed += 1

    def stopProducing(self) -> None:
        pass


class Loop:
    """A reactor of the test's own that is turned by hand."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self.sockets: list[socket.socket] = []

    def until(self, look: Callable[[], object]) -> None:
        """Turn it until ``look`` gives something true."""
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < deadline, "did not happen in time"
            self.reactor.runUntilCurrent()
            self.reactor.doPoll(0.001)

    def accepted(self, receive_buffer: int = 100_000) -> tuple[Seen, socket.socket]:
        """A connection that the gateway's side accepted, and the client's socket."""
        made: list[Seen] = []

        class Making(Factory):
            noisy = False

            def buildProtocol(self, _address: object) -> Seen:
                made.append(Seen())
                return made[-1]

        port = self.reactor.listenTCP(0, Making(), interface="127.0.0.1")
        send_at_once(port)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", port.getHost().port))
        self.sockets.append(client)
        self.until(lambda: made and made[0].transport)
        port.stopListening()
        return made[0], client


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.reactor.runUntilCurrent()
    for reader in loop.reactor.removeAll():
        reader.connectionLost(Failure(ConnectionDone()))
    for sock in loop.sockets:
        sock.close()
    loop.reactor._poller.close()


def test_what_the_kernel_takes_is_sent_before_write_returns(loop):
    near, client = loop.accepted()
    assert type(near.transport) is Accepted
    near.transport.write(b"hello")
    assert client.recv(100) == b"hello", "and no turn of the loop was needed"


def test_what_it_does_not_take_goes_out_in_order(loop):
    near, client = loop.accepted()
    client.setblocking(False)
    dice = random.Random(7)
    sent = b""
    seen = b""

    def read() -> bool:
        nonlocal seen
        try:
            seen += client.recv(100_000)
        except BlockingIOError:
            pass
        return len(seen) == len(sent)

    for number in range(400):
        piece = b"%d:" % number + bytes([dice.randrange(256)]) * dice.choice((1, 100, 5000, 70000))
        sent += piece
        near.transport.write(piece)
        if number > 300:
            # There is room in the kernel again, and bytes wait that were written before.
            assert backlog(near.transport) > 0
            read()
    loop.until(read)
    assert seen == sent
    assert backlog(near.transport) == 0


def test_a_producer_is_paused_while_the_client_does_not_read(loop):
    near, client = loop.accepted()
    near.transport.registerProducer(near, True)
    total = 0
    while not near.paused:
        near.transport.write(b"x" * 60_000)
        total += 60_000
    assert backlog(near.transport) >= 60_000
    client.setblocking(False)
    seen = 0

    def read() -> bool:
        nonlocal seen
        try:
            seen += len(client.recv(100_000))
        except BlockingIOError:
            pass
        return seen == total

    loop.until(read)
    assert (near.paused, near.resumed) == (1, 1)


def test_the_rest_is_sent_before_the_connection_is_closed(loop):
    near, client = loop.accepted()
    near.transport.write(b"x" * 10_000_000)
    near.transport.loseConnection()
    client.setblocking(False)
    seen = 0

    def read() -> bool:
        nonlocal seen
        try:
            piece = client.recv(1_000_000)
        except BlockingIOError:
            return False
        seen += len(piece)
        return not piece

    loop.until(read)
    assert seen == 10_000_000


def test_writing_to_a_connection_that_was_reset_ends_it_later_and_not_within_write(loop):
    near, client = loop.accepted()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    near.transport.write(b"x" * 1000)
    near.transport.write(b"x" * 1000)
    assert not near.lost
    loop.until(lambda: near.lost)


def test_reading(loop):
    near, client = loop.accepted()
    client.sendall(b"a" * 200_000)
    loop.until(lambda: len(near.received) == 200_000)
    client.close()
    loop.until(lambda: near.lost)


def test_connecting(loop):
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = Seen()
        factory = ClientFactory.forProtocol(lambda: far)
        factory.noisy = False
        connect_tcp(loop.reactor, "127.0.0.1", server.getsockname()[1], factory, 5)
        loop.until(lambda: far.transport)
        assert type(far.transport) is Connected
        sock, _ = server.accept()
        loop.sockets.append(sock)
        far.transport.write(b"hello")
        assert sock.recv(10) == b"hello"
        sock.sendall(b"hi")
        loop.until(lambda: far.received == b"hi")


def test_connecting_to_a_unix_socket(loop, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        far = Seen()
        factory = ClientFactory.forProtocol(lambda: far)
        factory.noisy = False
        connect_unix(loop.reactor, str(tmp_path / "s"), factory, 5)
        loop.until(lambda: far.transport)
        sock, _ = server.accept()
        loop.sockets.append(sock)
        far.transport.write(b"hello")
        assert sock.recv(10) == b"hello"


def test_a_unix_listener_is_left_as_it_is(loop, tmp_path):
    factory = Factory.forProtocol(Seen)
    factory.noisy = False
    port = loop.reactor.listenUNIX(str(tmp_path / "s"), factory)
    send_at_once(port)
    assert issubclass(port.transport, unix.Server)
    port.stopListening()


def test_whether_an_idle_connection_has_ended(loop):
    near, client = loop.accepted()
    assert not has_ended(near.transport)
    client.sendall(b"x")
    until(lambda: has_ended(near.transport), what="bytes that nobody asked for")

    other, client = loop.accepted()
    client.close()
    until(lambda: has_ended(other.transport), what="the peer's close")

"""The poll loop by itself: what is told to a transport, and when."""

import socket
import threading
import time

import pytest
from twisted.internet.protocol import Factory, Protocol

from daarion_gw.net.reactor import Reactor
from daarion_gw.net.transport import send_at_once

PATIENCE = 5.0


class Heard(Protocol):
    """Remembers what it is told."""

    def __init__(self):
        self.data = b""
        self.turns = []
        self.ended = None
        self.breaks = False

    def dataReceived(self, data):
        self.data += data
        self.turns.append(self.transport.reactor.turn)
        if self.breaks:
            raise RuntimeError("a mistake in a protocol")

    def connectionLost(self, reason):
        self.ended = reason.type.__name__


class Loop:
    """A reactor that was never installed, turned by hand, with a listening port."""

    def __init__(self):
        self.reactor = Reactor()
        self.accepted = []
        self.clients = []
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = self._build
        self.port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        send_at_once(self.port)

    def _build(self, address):
        self.accepted.append(Heard())
        return self.accepted[-1]

    def connect(self):
        """Both ends of a connection: the client's socket, and what the other end hears."""
        client = socket.create_connection(self.port.socket.getsockname(), PATIENCE)
        self.clients.append(client)
        before = len(self.accepted)
        self.until(lambda: len(self.accepted) > before)
        return client, self.accepted[-1]

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it does not come"
            self.turn()

    def turn(self):
        self.reactor.runUntilCurrent()
        self.reactor.doIteration(0.01)


@pytest.fixture
def loop():
    made = Loop()
    yield made
    for client in made.clients:
        client.close()
    for each in made.accepted:
        each.transport.abortConnection()
    made.port.stopListening()
    made.turn()
    made.reactor.disconnectAll()
    for each in made.reactor._internalReaders:
        each.connectionLost(None)
    made.reactor._poller.close()


def test_a_turn_is_counted_for_all_that_is_read_in_it(loop):
    ends = [loop.connect() for _ in range(3)]
    for client, _ in ends:
        client.sendall(b"now")
    loop.turn()
    assert [heard.data for _, heard in ends] == [b"now"] * 3
    first = {turn for _, heard in ends for turn in heard.turns}
    ends[0][0].sendall(b"later")
    loop.until(lambda: ends[0][1].data == b"nowlater")
    assert len(first) == 1
    assert ends[0][1].turns[-1] > first.pop()


def test_a_protocols_mistake_ends_its_connection_and_no_other(loop, monkeypatch):
    told = []
    monkeypatch.setattr("daarion_gw.net.reactor.log.err", lambda: told.append("logged"))
    client, heard = loop.connect()
    other, other_heard = loop.connect()
    heard.breaks = True
    client.sendall(b"x")
    other.sendall(b"y")
    loop.until(lambda: heard.ended and other_heard.data)
    assert (told, heard.ended, other_heard.ended) == (["logged"], "RuntimeError", None)


def test_one_that_is_not_read_hears_of_a_close_behind_bytes_nobody_read(loop):
    client, heard = loop.connect()
    heard.transport.pauseProducing()
    client.sendall(b"never read")
    client.close()
    loop.until(lambda: heard.ended)
    assert (heard.data, heard.ended) == (b"", "ConnectionLost")


def test_one_that_does_not_tell_hears_of_it_when_it_reads_on(loop):
    client, heard = loop.connect()
    heard.transport.tells_hangup = False
    heard.transport.pauseProducing()
    client.sendall(b"read late")
    client.close()
    for _ in range(5):
        loop.turn()
    assert (heard.data, heard.ended) == (b"", None)
    heard.transport.resumeProducing()
    loop.until(lambda: heard.ended)
    assert (heard.data, heard.ended) == (b"read late", "ConnectionDone")


def test_a_pause_keeps_bytes_back_and_not_ours(loop):
    client, heard = loop.connect()
    heard.transport.pauseProducing()
    client.sendall(b"waits")
    # More than a socket holds: the rest is written by the loop, while nothing is read.
    size = 16 * 1024 * 1024
    heard.transport.write(b"x" * size)
    client.setblocking(False)
    taken = 0

    def took_all():
        nonlocal taken
        try:
            taken += len(client.recv(1 << 20))
        except BlockingIOError:
            pass
        return taken == size

    loop.until(took_all)
    assert heard.data == b""
    heard.transport.resumeProducing()
    loop.until(lambda: heard.data == b"waits")


def test_pausing_while_the_loop_writes_and_reading_on_loses_neither(loop):
    client, heard = loop.connect()
    size = 16 * 1024 * 1024
    heard.transport.write(b"x" * size)
    for _ in range(3):
        heard.transport.pauseProducing()
        heard.transport.resumeProducing()
    client.sendall(b"read beside it")
    loop.until(lambda: heard.data == b"read beside it")
    client.settimeout(0.01)
    taken = 0
    while taken < size:
        loop.turn()
        try:
            taken += len(client.recv(1 << 20))
        except TimeoutError:
            continue
    assert (taken, heard.ended) == (size, None)


def test_it_can_pause_again(loop):
    client, heard = loop.connect()
    for number in range(3):
        heard.transport.pauseProducing()
        client.sendall(b"%d" % number)
        for _ in range(3):
            loop.turn()
        assert len(heard.data) == number
        heard.transport.resumeProducing()
        loop.until(lambda expected=number + 1: len(heard.data) == expected)


@pytest.mark.parametrize("writes", [False, True])
def test_the_end_of_all_reaches_one_that_is_not_read(loop, writes):
    _, heard = loop.connect()
    heard.transport.pauseProducing()
    if writes:
        heard.transport.write(b"x" * 16 * 1024 * 1024)
    loop.reactor.disconnectAll()
    assert heard.ended == "ConnectionLost"


class InVain(BaseException):
    """Nothing in the loop takes this for a mistake of a protocol's."""


class Endless:
    """A reader with always something to read, until it has waited for too long in vain."""

    reads_plainly = True

    def __init__(self, reactor, in_turn=lambda: None):
        self.reactor = reactor
        self.reads = 0
        self.in_turn = in_turn
        self.patience = time.monotonic() + PATIENCE
        self.ours, self._theirs = socket.socketpair()
        self._theirs.sendall(b"never read")
        reactor.addReader(self)

    def fileno(self):
        return self.ours.fileno()

    def doRead(self):
        self.reads += 1
        self.in_turn()
        if time.monotonic() > self.patience:
            self.end()
            raise InVain("nothing but reading was done")

    def logPrefix(self):
        return "endless"

    def end(self):
        if self.ours.fileno() >= 0:
            self.reactor.removeReader(self)
            self.ours.close()
            self._theirs.close()


@pytest.fixture
def endless(loop):
    reader = Endless(loop.reactor)
    # It polls again by itself only while it runs.
    loop.reactor.running = True
    yield reader
    loop.reactor.running = False
    reader.end()


def test_it_polls_again_while_nothing_else_is_to_be_done(loop, endless):
    loop.reactor.callLater(0.2, endless.end)
    loop.turn()
    assert endless.reads > 10


def test_a_timer_is_not_kept_waiting_by_readers(loop, endless):
    loop.reactor.callLater(0.05, endless.end)
    loop.until(lambda: endless.ours.fileno() < 0)


def test_what_is_to_be_called_in_the_next_turn_is_called_before_the_next_poll(loop, endless):
    reads = []

    def called():
        reads.append(endless.reads)
        endless.end()

    endless.in_turn = lambda: loop.reactor.callLater(0, called)
    loop.until(lambda: reads)
    assert reads == [1]


def test_a_call_from_a_thread_is_not_kept_waiting_by_readers(loop, endless):
    thread = threading.Timer(0.05, loop.reactor.callFromThread, (endless.end,))
    thread.start()
    loop.until(lambda: endless.ours.fileno() < 0)
    thread.join()


def test_it_does_not_poll_again_when_it_was_told_to_stop(loop, endless):
    def stop():
        loop.reactor._justStopped = True

    endless.in_turn = stop
    loop.reactor.doIteration(0.01)
    loop.reactor._justStopped = False
    assert endless.reads == 1

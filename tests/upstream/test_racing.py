"""Several addresses of one name: the first that answers is taken, on real sockets."""

import socket
import time
from collections.abc import Iterator

import pytest
from twisted.internet.epollreactor import EPollReactor

from daarion_gw.config.settings import Server
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import Counters
from daarion_gw.upstream import attempt
from daarion_gw.upstream.names import Names
from daarion_gw.upstream.pool import Pool
from tests.support.waiting import PATIENCE
from tests.upstream.test_names import Resolver


class Asked:
    """Who asked: notes what it is told."""

    def __init__(self) -> None:
        self.connection = None
        self.fault: Fault | None = None

    def far_connected(self, connection) -> None:
        self.connection = connection

    def far_failed(self, fault: Fault, detail: str) -> None:
        self.fault = fault

    @property
    def was_told(self) -> bool:
        return self.connection is not None or self.fault is not None


class World:
    """A reactor that is turned by hand, and servers at addresses of the loopback."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self.names = Names(Resolver())
        self.counters = Counters().server("app", "app:1")
        self.sockets: list[socket.socket] = []
        self.port = 0

    def listens(self, *addresses: str) -> None:
        for address in addresses:
            listener = socket.socket()
            self.sockets.append(listener)
            listener.bind((address, self.port))
            self.port = listener.getsockname()[1]
            listener.listen(16)

    def keeps_silent(self, *addresses: str) -> None:
        """Its queue is full: it neither accepts nor refuses."""
        for address in addresses:
            self.listens(address)
            self.sockets[-1].listen(0)
            for _ in range(3):
                waiting = socket.socket()
                self.sockets.append(waiting)
                waiting.setblocking(False)
                waiting.connect_ex((address, self.port))

    def connect(self, *addresses: str, timeout: float = 60.0) -> Asked:
        server = Server(host="app", port=self.port)
        pool = Pool(self.reactor, self.names, None, server, self.counters)
        self.names._known["app"] = (time.monotonic() + 100, list(addresses))
        asked = Asked()
        self.attempt = pool.connect(asked, timeout)
        return asked

    def turn(self, until) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < deadline, "did not happen in time"
            self.reactor.runUntilCurrent()
            self.reactor.doPoll(0.005)

    def peer(self, *addresses: str, timeout: float = 60.0) -> str:
        """The address that was connected to."""
        asked = self.connect(*addresses, timeout=timeout)
        self.turn(lambda: asked.was_told)
        assert asked.connection is not None, asked.fault
        return asked.connection.transport.getPeer().host

    @property
    def is_quiet(self) -> bool:
        """Whether no timer is left."""
        return not [call for call in self.reactor.getDelayedCalls() if call.active()]

    def close(self) -> None:
        for each in self.sockets:
            each.close()
        self.reactor.disconnectAll()
        for _ in range(3):
            self.reactor.runUntilCurrent()
            self.reactor.doPoll(0.001)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a head start to end waits in vain."""
    monkeypatch.setattr(attempt, "HEAD_START", 1000.0)


def test_the_first_one_is_taken_where_it_answers(world, patient):
    world.listens("127.0.0.1", "127.0.0.2")
    assert world.peer("127.0.0.1", "127.0.0.2") == "127.0.0.1"
    assert world.is_quiet
    assert world.counters.connections_opened == 1


def test_after_one_that_refuses_the_next_is_tried_at_once(world, patient):
    world.listens("127.0.0.2")
    assert world.peer("127.0.0.1", "127.0.0.2") == "127.0.0.2"
    assert world.is_quiet
    assert world.counters.connect_failures == 1


def test_and_goes_last_the_next_time(world, patient):
    world.listens("127.0.0.2")
    world.peer("127.0.0.1", "127.0.0.2")
    assert world.peer("127.0.0.1", "127.0.0.2") == "127.0.0.2"
    assert world.counters.connect_failures == 1, "it was not tried again"


def test_one_that_is_silent_has_a_head_start_and_no_more(world):
    world.keeps_silent("127.0.0.1")
    world.listens("127.0.0.2")
    began = time.monotonic()
    assert world.peer("127.0.0.1", "127.0.0.2") == "127.0.0.2"
    assert time.monotonic() - began >= attempt.HEAD_START
    assert world.is_quiet, "the slower one is cancelled"
    assert world.counters.connect_failures == 0, "nobody knows whether it would have answered"


def test_and_goes_last_the_next_time_too(world, monkeypatch):
    world.keeps_silent("127.0.0.1")
    world.listens("127.0.0.2")
    world.peer("127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(attempt, "HEAD_START", 1000.0)
    assert world.peer("127.0.0.1", "127.0.0.2") == "127.0.0.2"


def test_the_limit_is_for_all_of_them_together(world):
    world.keeps_silent("127.0.0.1", "127.0.0.2", "127.0.0.3")
    began = world.reactor.seconds()
    asked = world.connect("127.0.0.1", "127.0.0.2", "127.0.0.3", timeout=1.0)
    world.turn(lambda: len(world.attempt._begun) == 3)
    # A new one begins with a call in the next turn.
    world.reactor.runUntilCurrent()
    ends = [call.getTime() - began for call in world.reactor.getDelayedCalls()]
    assert len(ends) == 3 and max(ends) < 1.1
    world.turn(lambda: asked.was_told)
    assert asked.fault is Fault.UPSTREAM_CONNECT_TIMEOUT
    assert world.reactor.seconds() - began >= 1.0
    assert world.is_quiet


def test_when_all_refuse_it_is_a_502_and_the_name_is_asked_for_again(world, patient):
    world.port = 1
    asked = world.connect("127.0.0.1", "127.0.0.2", "127.0.0.3")
    world.turn(lambda: asked.was_told)
    assert asked.fault is Fault.UPSTREAM_REFUSED
    assert world.counters.connect_failures == 3
    assert "app" not in world.names._known
    assert world.is_quiet


def test_who_does_not_wait_any_more_leaves_nothing_behind(world):
    world.keeps_silent("127.0.0.1", "127.0.0.2", "127.0.0.3")
    asked = world.connect("127.0.0.1", "127.0.0.2", "127.0.0.3")
    world.turn(lambda: len(world.attempt._begun) == 2)
    world.reactor.runUntilCurrent()
    world.attempt.cancel()
    assert world.is_quiet
    assert not world.reactor.getWriters()
    assert not asked.was_told
    assert world.counters.connect_failures == 0


def test_one_that_connects_when_another_was_faster_is_closed(world, monkeypatch):
    """Both had answered in one turn of the loop."""
    monkeypatch.setattr(attempt, "HEAD_START", 0.0)
    world.listens("127.0.0.1", "127.0.0.2")
    asked = world.connect("127.0.0.1", "127.0.0.2")
    world.reactor.runUntilCurrent()
    assert len(world.attempt._begun) == 2
    time.sleep(0.05)
    world.turn(lambda: asked.was_told)
    world.turn(lambda: world.counters.connections_open == 1)
    assert not asked.connection.is_lost
    assert world.is_quiet


def test_one_address_alone_has_no_timer_but_its_limit(world):
    world.keeps_silent("127.0.0.1")
    world.connect("127.0.0.1", timeout=60.0)
    world.reactor.runUntilCurrent()
    assert len(world.reactor.getDelayedCalls()) == 1
    world.attempt.cancel()
    assert world.is_quiet

"""The pool's bookkeeping against a reference model; its connections are tested on sockets."""

import socket

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daarion_gw.config.settings import Server
from daarion_gw.observe.counters import Counters
from daarion_gw.upstream.pool import IDLE_AT_MOST, IDLE_SECONDS, Pool


class Transport:
    """The end of a real socket, without Twisted around it."""

    def __init__(self) -> None:
        self.socket, self.peer = socket.socketpair()
        self.closed = False

    def loseConnection(self) -> None:
        self.closed = True

    abortConnection = loseConnection

    def free(self) -> None:
        self.socket.close()
        self.peer.close()


class Connection:
    """What the pool needs of a connection."""

    taker = None

    def __init__(self, number: int) -> None:
        self.number = number
        self.transport = Transport()

    def __repr__(self) -> str:
        return f"#{self.number}"

    def abort(self) -> None:
        self.transport.abortConnection()

    close = abort


class Sweep:
    now = 100.0


class Reactor:
    """One that counts its turns, as ours does."""

    turn = 1


class Pooling(RuleBasedStateMachine):
    """Idle connections are a stack; nothing is in it twice; what is taken is not idle."""

    def __init__(self) -> None:
        super().__init__()
        self.sweep = Sweep()
        counters = Counters().server("app", "127.0.0.1:1")
        self.pool = Pool(Reactor, None, self.sweep, Server(host="127.0.0.1", port=1), counters)
        self.stack: list[Connection] = []
        self.until: dict[Connection, float] = {}
        self.taken: list[Connection] = []
        self.all: list[Connection] = []

    @rule()
    def open(self) -> None:
        connection = Connection(len(self.all))
        self.all.append(connection)
        self.pool.connection_opened(connection)
        self.taken.append(connection)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def give_back(self, data) -> None:
        connection = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.pool.give_back(connection)
        self.stack.append(connection)
        self.until[connection] = self.sweep.now + IDLE_SECONDS

    @rule(careful=st.booleans())
    def take(self, careful: bool) -> None:
        expected = self.stack.pop() if self.stack else None
        assert self.pool.take(careful) is expected
        if expected is not None:
            assert not expected.transport.closed
            self.taken.append(expected)

    @precondition(lambda self: self.stack)
    @rule(data=st.data())
    def peer_closes_and_the_loop_sees_it(self, data) -> None:
        connection = self.stack.pop(data.draw(st.integers(0, len(self.stack) - 1)))
        self.pool.connection_closed(connection)

    @precondition(lambda self: self.stack)
    @rule()
    def peer_closes_and_the_loop_has_not_seen_it(self) -> None:
        dead = self.stack.pop()
        dead.transport.peer.close()
        expected = self.stack.pop() if self.stack else None
        assert self.pool.take(careful=True) is expected
        assert dead.transport.closed
        self.pool.connection_closed(dead)
        if expected is not None:
            self.taken.append(expected)

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.sweep.now += seconds
        self.pool.close_idle(self.sweep.now)
        old = [each for each in self.stack if self.until[each] <= self.sweep.now]
        self.stack = [each for each in self.stack if each not in old]
        assert all(each.transport.closed for each in old)
        for each in old:
            self.pool.connection_closed(each)

    @rule()
    def all_idle_ones_are_closed(self) -> None:
        self.pool.close_idle()
        for each in self.stack:
            assert each.transport.closed
            self.pool.connection_closed(each)
        self.stack = []

    @invariant()
    def counts_agree(self) -> None:
        assert self.pool.idle == len(self.stack)
        assert self.pool.counters.connections_open == len(self.stack) + len(self.taken)
        assert self.pool.counters.connections_opened == len(self.all)
        assert repr(self.pool) == (
            f"<Pool 127.0.0.1:1: {len(self.stack)} idle of {len(self.stack) + len(self.taken)}>"
        )

    def teardown(self) -> None:
        for connection in self.all:
            connection.transport.free()


TestPooling = Pooling.TestCase


@pytest.fixture
def pool():
    counters = Counters().server("app", "127.0.0.1:1")
    return Pool(Reactor, None, Sweep(), Server(host="127.0.0.1", port=1), counters)


def test_more_idle_connections_than_are_wanted_are_closed(pool):
    connections = [Connection(number) for number in range(IDLE_AT_MOST + 3)]
    for connection in connections:
        pool.give_back(connection)
    assert pool.idle == IDLE_AT_MOST
    assert [each.number for each in connections if each.transport.closed] == [128, 129, 130]
    for connection in connections:
        connection.transport.free()


@pytest.mark.parametrize("careful", [True, False])
def test_bytes_that_nobody_asked_for_are_noticed_where_it_matters(pool, careful):
    connection = Connection(1)
    connection.transport.peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    pool.give_back(connection)
    assert pool.take(careful) is (None if careful else connection)
    connection.transport.free()


def test_without_a_reactor_that_counts_its_turns_they_are_always_looked_for():
    counters = Counters().server("app", "127.0.0.1:1")
    pool = Pool(None, None, Sweep(), Server(host="127.0.0.1", port=1), counters)
    connection = Connection(1)
    connection.transport.peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    pool.give_back(connection)
    assert pool.take(careful=False) is None
    assert pool.turns.turn != pool.turns.turn, "no turn is the same as another"
    connection.transport.free()


def test_a_closed_pool_keeps_nothing(pool):
    idle, busy = Connection(1), Connection(2)
    pool.give_back(idle)
    pool.close()
    pool.give_back(busy)
    assert pool.idle == 0
    assert idle.transport.closed and busy.transport.closed
    for connection in (idle, busy):
        connection.transport.free()

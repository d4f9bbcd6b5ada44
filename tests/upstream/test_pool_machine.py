"""The pool, its connections and its attempts, all real, in any order, against a list.

`test_pool` has the pool's bookkeeping alone. Here everything above TCP is what runs: who asks,
what servers do, what the clock does and when the pool is closed is drawn.
"""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daarion_gw.config.settings import Server
from daarion_gw.net import transport as net
from daarion_gw.net.sweep import Sweep
from daarion_gw.observe.counters import Counters
from daarion_gw.upstream import pool as upstream_pool
from daarion_gw.upstream.names import Names
from daarion_gw.upstream.pool import IDLE_SECONDS, Pool
from tests.support.machines import BOUNDED
from tests.support.played_tcp import PlayedConnector, PlayedReactor

# Few enough that a run of the machine gets there.
MOST = 3
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Asking:
    """Who asks for a connection, and takes its answer."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.attempt: Any = None
        self.faults: list[str] = []
        self.told: list[str] = []

    def far_connected(self, connection: Any) -> None:
        assert self.connection is None and not self.faults, "it is told twice"
        self.connection = connection

    def far_failed(self, fault: Any, detail: str) -> None:
        assert self.connection is None and not self.faults, "it is told twice"
        self.faults.append(fault.name)

    def answer_received(self, head: Any) -> None:
        self.told.append("head")

    def answer_body_received(self, data: bytes) -> None:
        self.told.append("body")

    def answer_ended(self, trailers: bytes) -> None:
        self.told.append("end")

    def answer_broken(self, detail: str) -> None:
        self.told.append("broken")

    def nothing(self, *_: Any) -> None:
        pass

    informational_received = answer_paused = far_blocked = far_drained = nothing


class Pooling(RuleBasedStateMachine):
    """idle: the model, the newest last. held: who has a connection, and carries a request."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(net, "Connector", PlayedConnector)
        self.patch.setattr(upstream_pool, "IDLE_AT_MOST", MOST)
        self.reactor = PlayedReactor()
        self.sweep = Sweep(self.reactor, self.reactor.seconds)
        self.counters = Counters().server("app", "127.0.0.1:1")
        self.pool = Pool(
            self.reactor, Names(self.reactor), self.sweep,
            Server(host="127.0.0.1", port=1), self.counters,
        )  # fmt: skip
        self.is_closed = False
        self.idle: list[Any] = []
        self.until: dict[Any, float] = {}
        self.asking: list[Asking] = []
        self.held: list[Asking] = []
        self.made = self.failed = self.given_up = 0

    def drawn(self, data: Any, of: list[Any]) -> Any:
        return of.pop(data.draw(st.integers(0, len(of) - 1)))

    def _begin(self, asking: Asking) -> None:
        self.reactor.next_turn()
        asking.connection.begin(asking, b"GET", False)
        asking.connection.write(b"GET / HTTP/1.1\r\n\r\n")
        self.reactor.next_turn()
        self.held.append(asking)

    # Asking.

    @rule(careful=st.booleans())
    def ask(self, careful: bool) -> None:
        expected = self.idle.pop() if self.idle else None
        connection = self.pool.take(careful)
        assert connection is expected, "not the one that was used last"
        asking = Asking()
        if connection is not None:
            assert connection.transport.is_open
            asking.connection = connection
            self._begin(asking)
        elif len(self.asking) < 4:
            asking.attempt = self.pool.connect(asking, 5.0)
            self.asking.append(asking)

    @precondition(lambda self: len(self.held) < MOST + 2)
    @rule()
    def a_new_one_is_made_at_once(self) -> None:
        asking = Asking()
        asking.attempt = self.pool.connect(asking, 5.0)
        self.reactor.connecting[-1].succeed()
        self.made += 1
        self._begin(asking)

    @precondition(lambda self: self.asking)
    @rule(data=st.data())
    def server_accepts(self, data: Any) -> None:
        at = data.draw(st.integers(0, len(self.asking) - 1))
        asking = self.asking.pop(at)
        self.reactor.connecting[at].succeed()
        self.made += 1
        assert asking.connection is not None
        self._begin(asking)

    @precondition(lambda self: self.asking)
    @rule(data=st.data())
    def server_refuses(self, data: Any) -> None:
        at = data.draw(st.integers(0, len(self.asking) - 1))
        asking = self.asking.pop(at)
        self.reactor.connecting[at].fail()
        self.failed += 1
        assert asking.faults == ["UPSTREAM_REFUSED"]

    @precondition(lambda self: self.asking)
    @rule(data=st.data())
    def asker_gives_up(self, data: Any) -> None:
        asking = self.drawn(data, self.asking)
        asking.attempt.cancel()
        self.given_up += 1
        assert not asking.faults and asking.connection is None

    # Answers.

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def server_answers_one(self, data: Any) -> None:
        self.server_answers(data)

    def server_answers(self, data: Any) -> None:
        asking = self.drawn(data, self.held)
        connection = asking.connection
        connection.transport.receive(ANSWER)
        assert asking.told == ["head", "body", "end"]
        connection.release()
        if not self.is_closed and len(self.idle) < MOST:
            self.idle.append(connection)
            self.until[connection] = self.sweep.now + IDLE_SECONDS

    @precondition(lambda self: len(self.held) > 1)
    @rule(data=st.data())
    def servers_answer_all(self, data: Any) -> None:
        while self.held:
            self.server_answers(data)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), more=st.sampled_from([CLOSING, ANSWER + b"x", b"nonsense\r\n\r\n"]))
    def server_answers_and_the_connection_is_spent(self, data: Any, more: bytes) -> None:
        asking = self.drawn(data, self.held)
        asking.connection.transport.receive(more)
        asking.connection.release()
        assert not asking.connection.transport.is_open

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def server_breaks(self, data: Any) -> None:
        asking = self.drawn(data, self.held)
        asking.connection.transport.lose()
        assert asking.told == ["broken"]
        asking.connection.release()

    # Idle connections.

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def server_closes_an_idle_one(self, data: Any) -> None:
        self.drawn(data, self.idle).transport.lose()

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def an_idle_one_brings_bytes(self, data: Any) -> None:
        connection = self.drawn(data, self.idle)
        connection.transport.receive(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert connection.transport.aborted
        # At once, and not only when the loop says that it is lost.
        assert self.pool.idle == len(self.idle)

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0]))
    def time_goes_by(self, seconds: float) -> None:
        late = len(self.asking)
        self.reactor.advance(seconds)
        self.sweep.tick()
        self.pool.close_idle(self.sweep.now)
        self.idle = [each for each in self.idle if self.until[each] > self.sweep.now]
        self.asking = [each for each in self.asking if not each.faults]
        self.failed += late - len(self.asking)

    @rule()
    def pool_is_closed(self) -> None:
        self.pool.close()
        self.is_closed = True
        self.idle = []

    # What always holds.

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        self.reactor.next_turn()
        assert self.pool.idle == len(self.idle) <= MOST
        # Nothing is in two hands, and nothing in none.
        hands = [*self.idle, *(asking.connection for asking in self.held)]
        assert len(set(hands)) == len(hands)
        still_open = [each for each in self.reactor.transports if not each.gone]
        assert {id(each.transport) for each in hands} == {id(each) for each in still_open}
        assert all(each.is_open for each in still_open)
        assert all(each.taker is None for each in self.idle)
        counters = self.counters
        assert counters.connections_open == len(hands)
        assert counters.connections_opened == self.made
        assert 0 <= counters.connect_failures - self.failed <= self.given_up
        assert len(self.reactor.connecting) == len(self.asking)

    def teardown(self) -> None:
        try:
            for asking in self.asking:
                asking.attempt.cancel()
            self.pool.close()
            for asking in self.held:
                asking.connection.transport.receive(ANSWER)
                asking.connection.release()
            self.reactor.next_turn()
            assert self.pool.idle == 0
            assert all(each.gone for each in self.reactor.transports), "one is left after close"
            assert self.counters.connections_open == 0
            assert not self.reactor.getDelayedCalls(), "a timer is left"
        finally:
            self.patch.undo()


Pooling.TestCase.settings = BOUNDED
TestPooling = Pooling.TestCase

"""Exchanges in any order of what clients, servers and the clock do; everything above TCP is real.

A whole gateway with TCP played in memory: clients send heads, bodies in pieces, leave, stop
reading; servers accept, refuse, answer in pieces, break off; time passes. What the clients read,
and what the gateway counts, is held against what was done. It looks at nothing that an exchange
keeps to itself.
"""

from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daarion_gw import service
from daarion_gw.config.settings import AccessLog, Gateway, Route, Server, Settings, Upstream
from daarion_gw.front.factory import HTTP1Factory
from daarion_gw.net import transport as net
from daarion_gw.net.sweep import NEVER, Sweep
from daarion_gw.wire.answer_receiver import AnswerReceiver
from daarion_gw.wire.request_receiver import Reading, RequestReceiver
from tests.support.machines import BOUNDED
from tests.support.played_tcp import PlayedConnector, PlayedReactor, PlayedTransport
from tests.wire.transcript import AnswerTranscript, RequestTranscript

PIECE = b"0123456789" * 40
SETTINGS = Settings(
    gateway=Gateway(access_log=AccessLog(format="off")),
    routes=(Route(key="/", path="/", upstream="app"),),
    upstreams={
        "app": Upstream(
            name="app",
            servers=(Server(host="127.0.0.1", port=1), Server(host="127.0.0.1", port=2)),
            eject=None,
        )
    },
)
# Longer than every time limit after the other that one exchange may meet when nobody does anything.
LONG = 400.0


class Saying(Enum):
    """How far a client is with its request."""

    NOTHING = auto()
    BODY = auto()
    ALL = auto()


class Client:
    """One client's connection, and an independent reading of what it gets."""

    def __init__(self, gateway: Any, reactor: PlayedReactor) -> None:
        self.near = HTTP1Factory(gateway.reception).buildProtocol(None)
        self.transport = PlayedTransport(reactor, self.near)
        self.near.makeConnection(self.transport)
        self.saying = Saying.NOTHING
        self.is_asking = False
        self.chunked = False
        self._seen = 0
        self._sink = AnswerTranscript()
        self._reader = AnswerReceiver(self._sink)

    def say(self, data: bytes) -> None:
        self.transport.receive(data)

    def ask(self, method: bytes, chunked: bool, has_body: bool) -> None:
        self._sink = AnswerTranscript()
        self._reader = AnswerReceiver(self._sink)
        self._reader.expect(method)
        self.is_asking = True
        self.chunked = chunked
        framing = b""
        if has_body:
            framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: 800\r\n"
        self.saying = Saying.BODY if has_body else Saying.ALL
        self.left = 2
        self.say(b"%b / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, framing))

    def say_more(self) -> None:
        self.left -= 1
        data = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if self.chunked else PIECE
        if not self.left:
            self.saying = Saying.ALL
            data += b"0\r\n\r\n" if self.chunked else b""
        self.say(data)

    def read(self) -> None:
        """Read on; of one answer nothing may follow its end."""
        new = self.transport.written[self._seen :]
        self._seen = len(self.transport.written)
        if new:
            assert self.is_asking, f"{new!r} to a client that has asked nothing"
            self._reader.receive(new)
            events = [event[0] for event in self._sink.events]
            assert "broken" not in events
            if "end" in events:
                self._check_answer(events)
                self.is_asking = False
            closes = b"Connection: close" in self.transport.written
            assert closes or self._reader.is_reusable or self.is_asking, "more than one answer"

    def _check_answer(self, events: list[str]) -> None:
        assert events.count("head") == events.count("end") == 1
        head = self._sink.heads()[0]
        if head.status == 200:
            body = b"".join(event[1] for event in self._sink.events if event[0] == "body")
            assert body == PIECE + PIECE, "half an answer looks like a whole one"

    @property
    def is_there(self) -> bool:
        return self.transport.is_open

    @property
    def can_say(self) -> bool:
        return self.is_there and not self.transport.is_paused

    @property
    def is_served(self) -> bool:
        """Whether an exchange is under way for it."""
        return self.is_asking and self.is_there


class Far:
    """A server's end of one connection."""

    def __init__(self, transport: PlayedTransport) -> None:
        self.transport = transport
        self._sink = RequestTranscript()
        self._receiver = RequestReceiver(self._sink)
        self._seen = 0
        # Pieces of the answer that are still to be sent; None: no request, or it is answered.
        self.left: int | None = None
        self.chunked = False
        self.ends_by_close = False

    def read(self) -> None:
        new = self.transport.written[self._seen :]
        self._seen = len(self.transport.written)
        if new:
            heads = len(self._sink.heads())
            self._receiver.receive(new)
            assert self._sink.fault is None, "what came is no request"
            if len(self._sink.heads()) > heads:
                assert self.left is None, "a request before the one before it was answered"
                self.left = 3

    @property
    def is_there(self) -> bool:
        return self.transport.is_open

    @property
    def can_answer(self) -> bool:
        return self.is_there and not self.transport.is_paused and self.left is not None

    @property
    def has_heard_all(self) -> bool:
        return self._receiver.state is Reading.HELD

    def say_more(self, framing: str) -> None:
        assert self.left is not None
        self.left -= 1
        if self.left == 2:
            self.chunked, self.ends_by_close = framing == "chunks", framing == "close"
            fields = {"length": b"Content-Length: 800\r\n", "close": b"",
                      "chunks": b"Transfer-Encoding: chunked\r\n"}[framing]  # fmt: skip
            self._say(b"HTTP/1.1 200 OK\r\n%b\r\n" % fields)
            return
        data = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if self.chunked else PIECE
        if self.left:
            self._say(data)
            return
        if self.chunked:
            data += b"0\r\n\r\n"
        self.left = None
        if self.has_heard_all:
            self._receiver.next_request()
        self._say(data)
        if self.ends_by_close and not self.transport.gone and not self.transport.aborted:
            self.transport.lose()

    def _say(self, data: bytes) -> None:
        self.transport.receive(data)


class Exchanging(RuleBasedStateMachine):
    """Up to three clients before two servers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(net, "Connector", PlayedConnector)
        self.reactor = PlayedReactor()
        clock = self.reactor.seconds
        self.patch.setattr(service, "Sweep", lambda reactor: Sweep(reactor, clock))
        self.gateway: Any = service.Gateway(self.reactor, SETTINGS, [], None)
        self.sweep = self.gateway.reception.sweep
        self.sweep.start()
        self.route = self.gateway.reception.root.routes[0]
        self.clients: list[Client] = []
        self.fars: list[Far] = []

    def one(self, data: Any, of: list[Any]) -> Any:
        return of[data.draw(st.integers(0, len(of) - 1))]

    def those(self, name: str) -> list[Client]:
        return [each for each in self.clients if getattr(each, name)]

    # Clients.

    @precondition(lambda self: len(self.those("is_there")) < 3)
    @rule()
    def client_comes(self) -> None:
        self.clients.append(Client(self.gateway, self.reactor))

    @property
    def silent(self) -> list[Client]:
        return [
            each for each in self.those("can_say")
            if not (each.is_asking or each.saying is Saying.BODY or each.transport.is_full)
        ]  # fmt: skip

    @precondition(lambda self: self.silent)
    @rule(
        data=st.data(), method=st.sampled_from([b"GET", b"POST", b"PUT"]),
        chunked=st.booleans(), has_body=st.booleans(),
    )  # fmt: skip
    def client_asks(self, data: Any, method: bytes, chunked: bool, has_body: bool) -> None:
        self.one(data, self.silent).ask(method, chunked, has_body and method != b"GET")

    @property
    def saying(self) -> list[Client]:
        return [each for each in self.those("can_say") if each.saying is Saying.BODY]

    @precondition(lambda self: self.saying)
    @rule(data=st.data())
    def client_sends_a_piece(self, data: Any) -> None:
        self.one(data, self.saying).say_more()

    @precondition(lambda self: self.silent)
    @rule(data=st.data(), chunked=st.booleans())
    def client_begins_a_body(self, data: Any, chunked: bool) -> None:
        self.one(data, self.silent).ask(b"POST", chunked, True)

    @precondition(lambda self: self.saying)
    @rule(data=st.data())
    def client_sends_nonsense(self, data: Any) -> None:
        client = self.one(data, self.saying)
        if client.chunked:
            client.say(b"xyz\r\n")

    @precondition(lambda self: self.those("is_there"))
    @rule(data=st.data())
    def client_leaves(self, data: Any) -> None:
        self.one(data, self.those("is_there")).transport.lose()

    @precondition(lambda self: self.those("is_there"))
    @rule(data=st.data())
    def client_stops_or_goes_on_reading(self, data: Any) -> None:
        transport = self.one(data, self.those("is_there")).transport
        transport.set_reads(not transport.reads)

    # Servers.

    @precondition(lambda self: self.reactor.connecting)
    @rule(data=st.data())
    def server_accepts(self, data: Any) -> None:
        self.fars.append(Far(self.one(data, self.reactor.connecting).succeed()))

    @precondition(lambda self: self.reactor.connecting)
    @rule(data=st.data())
    def server_refuses(self, data: Any) -> None:
        self.one(data, self.reactor.connecting).fail()

    @property
    def answering(self) -> list[Far]:
        return [each for each in self.fars if each.can_answer]

    @precondition(lambda self: self.answering)
    @rule(data=st.data(), framing=st.sampled_from(["length", "chunks", "close"]))
    def server_sends_a_piece(self, data: Any, framing: str) -> None:
        self.one(data, self.answering).say_more(framing)

    @precondition(lambda self: self.answering)
    @rule(data=st.data(), framing=st.sampled_from(["length", "chunks", "close"]))
    def server_answers_at_once(self, data: Any, framing: str) -> None:
        far = self.one(data, self.answering)
        while far.can_answer:
            far.say_more(framing)

    @precondition(lambda self: self.reactor.connecting)
    @rule()
    def servers_accept_all(self) -> None:
        while self.reactor.connecting:
            self.fars.append(Far(self.reactor.connecting[0].succeed()))

    @precondition(lambda self: self.answering)
    @rule(data=st.data())
    def server_sends_nonsense(self, data: Any) -> None:
        far = self.one(data, self.answering)
        if far.left == 3 or far.chunked:
            far.left = 0
            far.transport.receive(b"nonsense\r\n\r\n")

    @property
    def connected(self) -> list[Far]:
        return [each for each in self.fars if each.is_there]

    @precondition(lambda self: self.connected)
    @rule(data=st.data())
    def server_breaks(self, data: Any) -> None:
        far = self.one(data, self.connected)
        if not (far.ends_by_close and far.left in (0, 1, 2)):
            # There a close would be the answer's proper end.
            far.transport.lose()

    @precondition(lambda self: self.connected)
    @rule(data=st.data())
    def server_stops_or_goes_on_reading(self, data: Any) -> None:
        transport = self.one(data, self.connected).transport
        transport.set_reads(not transport.reads)

    # Time.

    @rule(seconds=st.sampled_from([1.0, 20.0, 61.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.reactor.pass_time(seconds)

    # What always holds.

    def settle(self) -> None:
        self.reactor.next_turn()
        for end in (*self.clients, *self.fars):
            end.read()

    @invariant()
    def each_request_has_one_exchange_until_its_answer_has_ended(self) -> None:
        self.settle()
        served = self.those("is_served")
        assert self.route.counters.in_flight == len(served)
        for client in self.clients:
            if client.is_asking and not client.is_there:
                # Its answer has not ended: then neither has it been closed as if it had.
                assert client.transport.aborted or client.transport.gone, "a cut is missing"

    @invariant()
    def a_connection_is_idle_or_has_one_exchange_or_is_gone(self) -> None:
        self.settle()
        idle = sum(member.pool.idle for member in self.route.group.members)
        counters = [member.pool.counters for member in self.route.group.members]
        busy = sum(each.in_flight for each in counters)
        still_open = [each for each in self.fars if not each.transport.gone]
        assert all(each.is_there for each in still_open)
        assert idle + busy == len(still_open)
        assert idle == len([each for each in still_open if each.left is None])
        assert sum(each.connections_open for each in counters) == len(still_open)

    @invariant()
    def whatever_is_waited_for_has_a_deadline(self) -> None:
        self.settle()
        connecting = len(self.reactor.connecting)
        endless = [each for each in self.those("is_there") if each.near.deadline == NEVER]
        # Between two servers there is a pause, which ends by itself.
        pausing = [each for each in endless if each.near.conversation.attempt is None]
        assert all(each.near.conversation.seeking._timer is not None for each in pausing)
        assert len(endless) == connecting + len(pausing)
        assert all(each.is_served for each in endless)
        assert all(each.timeout for each in self.reactor.connecting)

    def teardown(self) -> None:
        try:
            # Nobody does anything any more: then everything ends by itself.
            self.reactor.pass_time(LONG)
            self.settle()
            assert self.route.counters.in_flight == 0, "an exchange waits for ever"
            assert not self.reactor.connecting
            for client in self.clients:
                if not client.transport.gone:
                    client.transport.lose()
            for member in self.route.group.members:
                member.pool.close()
            self.settle()
            assert not self.sweep.watched
            assert self.gateway.counters.front.connections_open == 0
            for member in self.route.group.members:
                assert member.pool.counters.in_flight == 0
                assert member.pool.counters.connections_open == 0
            self.sweep.stop()
            assert not self.reactor.getDelayedCalls(), "a timer is left"
        finally:
            self.patch.undo()


Exchanging.TestCase.settings = BOUNDED
TestExchanging = Exchanging.TestCase

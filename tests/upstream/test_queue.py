"""Places at an upstream: never more than there are, each given back once, and fair by client."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daarion_gw.config.resilience import UpstreamLimits
from daarion_gw.upstream.queue import Entry, Places


def places(in_flight: int, waiting: int = 100, share: int = 1, wait: float = 10.0) -> Places[str]:
    limits = UpstreamLimits(in_flight=in_flight, waiting=waiting, wait=wait)
    return Places(limits, share)


def test_as_many_as_there_are_places_need_not_wait():
    some = places(2)
    assert some.enter(b"a", "1") == (Entry.PLACE, None)
    assert some.enter(b"a", "2") == (Entry.PLACE, None)
    assert some.enter(b"a", "3") == (Entry.WAITS, None)
    assert (some.in_use, some.waiting) == (2, 1)


def test_a_place_that_is_free_goes_to_who_waits():
    some = places(1)
    some.enter(b"a", "1")
    some.enter(b"a", "2")
    assert some.leave() == "2"
    assert (some.in_use, some.waiting) == (1, 0)
    assert some.leave() is None
    assert some.in_use == 0


def test_clients_take_turns_and_each_is_served_in_order():
    some = places(1)
    some.enter(b"z", "0")
    for who in ("a1", "a2", "a3", "b1", "b2", "c1"):
        some.enter(who[:1].encode(), who)
    assert [some.leave() for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_when_no_more_may_wait_the_newcomer_is_turned_away():
    some = places(1, waiting=2)
    for who in ("a0", "a1", "a2"):
        some.enter(b"a", who)
    assert some.enter(b"a", "a3") == (Entry.TURNED_AWAY, None)


def test_unless_another_client_has_more_of_those_that_wait():
    some = places(1, waiting=2)
    for who in ("a0", "a1", "a2"):
        some.enter(b"a", who)
    assert some.enter(b"b", "b1") == (Entry.WAITS, "a2")
    assert some.enter(b"b", "b2") == (Entry.TURNED_AWAY, None), "as many as the other"
    assert [some.leave(), some.leave()] == ["a1", "b1"]


def test_who_waits_no_more_is_forgotten():
    some = places(1)
    for who in ("a0", "a1", "a2"):
        some.enter(b"a", who)
    some.forget(b"a", "a1")
    assert some.leave() == "a2"
    assert some.leave() is None


def test_each_of_several_processes_has_its_share_rounded_up():
    some = places(3, waiting=3, share=2)
    entries = [some.enter(b"a", str(number))[0] for number in range(5)]
    assert entries == [Entry.PLACE] * 2 + [Entry.WAITS] * 2 + [Entry.TURNED_AWAY]


def test_who_may_wait_for_no_time_does_not_wait():
    some = places(1, wait=0.0)
    some.enter(b"a", "1")
    assert some.enter(b"a", "2") == (Entry.TURNED_AWAY, None)


SIZE, ROOM = 2, 4
CLIENTS = st.sampled_from([b"a", b"b", b"c"])


class Machine(RuleBasedStateMachine):
    """Beside a model: one list of (client, waiter), looked through for each question."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Places[int] = Places(UpstreamLimits(in_flight=SIZE, waiting=ROOM))
        self.inside = 0
        self.line: list[tuple[bytes, int]] = []
        # Clients in the order in which they get the next places.
        self.turns: list[bytes] = []
        self.count = 0

    def _of(self, client: bytes) -> list[int]:
        return [waiter for each, waiter in self.line if each == client]

    def _drop(self, client: bytes, waiter: int) -> None:
        self.line.remove((client, waiter))
        if not self._of(client):
            self.turns.remove(client)

    @rule(client=CLIENTS)
    def enter(self, client: bytes) -> None:
        self.count += 1
        entry, displaced = self.places.enter(client, self.count)
        if self.inside < SIZE:
            assert (entry, displaced) == (Entry.PLACE, None)
            self.inside += 1
            return
        most = max((len(self._of(each)) for each in self.turns), default=0)
        if len(self.line) < ROOM:
            assert (entry, displaced) == (Entry.WAITS, None)
        elif most > len(self._of(client)):
            assert entry is Entry.WAITS
            greedy = next(each for each, waiter in self.line if waiter == displaced)
            assert len(self._of(greedy)) == most
            assert displaced == self._of(greedy)[-1]
            self._drop(greedy, displaced)
        else:
            assert (entry, displaced) == (Entry.TURNED_AWAY, None)
            return
        self.line.append((client, self.count))
        if client not in self.turns:
            self.turns.append(client)

    @precondition(lambda self: self.inside)
    @rule()
    def leave(self) -> None:
        waiter = self.places.leave()
        if not self.line:
            assert waiter is None
            self.inside -= 1
            return
        client = self.turns.pop(0)
        self.turns.append(client)
        assert waiter == self._of(client)[0]
        self._drop(client, waiter)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        client, waiter = data.draw(st.sampled_from(self.line))
        self.places.forget(client, waiter)
        self._drop(client, waiter)

    @invariant()
    def agrees(self) -> None:
        assert self.places.in_use == self.inside <= SIZE
        assert self.places.waiting == len(self.line) <= ROOM
        assert not self.line or self.inside == SIZE, "nobody waits before a free place"


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

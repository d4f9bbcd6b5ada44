"""The breaker of an upstream: step by step, and against a small model."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daarion_gw.config import resilience
from daarion_gw.errors import Fault
from daarion_gw.upstream.breaker import Breaker, State
from tests.upstream.members import World

SETTINGS = resilience.Breaker(ratio=0.5, requests=4, window="10s", open_for="5s")


def closed() -> Breaker:
    return Breaker(SETTINGS, 0.0)


def opened(at: float = 1.0) -> Breaker:
    breaker = closed()
    for _ in range(4):
        said = breaker.ended(at, at, False)
    assert said is not None
    return breaker


def test_it_opens_when_most_has_failed():
    breaker = closed()
    said = [breaker.ended(1.0, 1.0, good) for good in (True, False, True, False)]
    assert said == [None] * 3 + [
        "the breaker is open, nothing is sent for 5 s: 2 of 4 exchanges failed within 10 s"
    ]
    assert breaker.state is State.OPEN and breaker.since == 1.0


def test_few_exchanges_or_those_of_long_ago_say_nothing():
    breaker = closed()
    assert [breaker.ended(now, now, False) for now in (0.0, 1.0, 2.0, 13.0, 14.0, 15.0)] == [
        None
    ] * 6


def test_what_clients_did_says_nothing():
    breaker = closed()
    assert {breaker.ended(1.0, 1.0, None) for _ in range(100)} == {None}
    assert {breaker.ended(1.0, 1.0, False) for _ in range(3)} == {None}


def test_open_it_admits_nothing_for_its_time():
    breaker = opened(1.0)
    assert not any(breaker.admits(now) for now in (1.0, 3.0, 5.9))
    assert breaker.admits(6.0)
    assert breaker.state is State.HALF_OPEN


def test_half_open_it_admits_one_at_a_time():
    breaker = opened(1.0)
    assert breaker.admits(6.0)
    assert not breaker.admits(6.0) and not breaker.admits(10.9)


def test_one_that_goes_well_closes_it():
    breaker = opened(1.0)
    breaker.admits(6.0)
    said = breaker.ended(6.0, 7.0, True)
    assert said == "the breaker is closed: the exchange that was let through went well"
    assert all(breaker.admits(7.0) for _ in range(10))
    assert {breaker.ended(8.0, 8.0, False) for _ in range(3)} == {None}, "it begins anew"


def test_one_that_fails_opens_it_again_without_a_word():
    breaker = opened(1.0)
    breaker.admits(6.0)
    assert breaker.ended(6.0, 7.0, False) is None
    assert breaker.state is State.OPEN
    assert not breaker.admits(11.9) and breaker.admits(12.0)


def test_one_whose_client_leaves_makes_room_for_the_next():
    breaker = opened(1.0)
    breaker.admits(6.0)
    assert breaker.ended(6.0, 6.5, None) is None
    assert breaker.admits(6.5) and not breaker.admits(6.5)


def test_one_that_does_not_end_does_not_keep_all_others_out():
    """An answer may be a stream of events, that goes on for hours."""
    breaker = opened(1.0)
    breaker.admits(6.0)
    assert not breaker.admits(10.9)
    assert breaker.admits(11.0) and not breaker.admits(11.0)
    assert breaker.ended(11.0, 11.1, True) is not None


@pytest.mark.parametrize("good", [True, False])
def test_what_was_under_way_when_it_opened_says_nothing_new(good):
    breaker = opened(1.0)
    assert breaker.ended(0.5, 2.0, good) is None and breaker.state is State.OPEN
    breaker.admits(6.0)
    assert breaker.ended(0.5, 6.5, good) is None and breaker.state is State.HALF_OPEN
    assert not breaker.admits(6.6), "it was not the one that was let through"


# of an upstream


def fail(world: World, times: int) -> None:
    for _ in range(times):
        world.group.ended(world.clock.now, world.clock.now, False)


def test_an_upstream_counts_and_tells_it():
    world = World((1,), breaker=SETTINGS)
    fail(world, 4)
    assert world.group.counters.breaker_open == 1
    shown = world.group.describe()["breaker"]
    assert (shown["state"], shown["reason"]) == ("open", "4 of 4 exchanges failed within 10 s")
    world.clock.now += 5
    assert world.group.breaker.admits(world.clock.now)
    assert world.group.describe()["breaker"]["state"] == "half-open"
    world.group.ended(world.clock.now, world.clock.now, True)
    assert world.group.counters.breaker_open == 0


def test_it_outlives_a_reload_that_does_not_change_it():
    before, after = World((1,), breaker=SETTINGS), World((1, 1), breaker=SETTINGS)
    fail(before, 4)
    after.follow(before)
    assert after.group.breaker is before.group.breaker
    assert after.group.counters.breaker_open == 1


@pytest.mark.parametrize("changed", [None, resilience.Breaker(requests=9)])
def test_one_that_was_changed_begins_anew(changed):
    before, after = World((1,), breaker=SETTINGS), World((1,), breaker=changed)
    fail(before, 4)
    after.follow(before)
    assert after.group.breaker is None or after.group.breaker.admits(0.0)
    assert after.group.counters.breaker_open == 0


def test_nothing_of_it_changes_by_a_reload_that_fails():
    before, after = World((1,), breaker=SETTINGS), World((1,))
    fail(before, 4)
    after.group.settle(before.group.counters, 1, before.group)
    assert before.group.counters.breaker_open == 1


def test_what_ends_after_it_was_turned_off_says_nothing_of_now():
    before, after = World((1,), breaker=SETTINGS), World((1,))
    after.follow(before)
    fail(before, 4)
    assert after.group.counters.breaker_open == 0


def test_what_ends_after_a_reload_counts_where_it_goes_on():
    before, after = World((1,), breaker=SETTINGS), World((1, 1), breaker=SETTINGS)
    after.follow(before)
    fail(before, 4)
    after.group.tick()
    assert after.group.counters.breaker_open == 1


def test_an_upstream_that_is_gone_has_none_open():
    world = World((1,), breaker=SETTINGS)
    fail(world, 4)
    world.group.retire()
    assert world.group.counters.breaker_open == 0


def test_without_a_breaker_there_is_none():
    world = World((1, 1))
    assert world.group.breaker is None
    assert "breaker" not in world.group.describe()
    assert Fault.BREAKER_OPEN.status == 503


# a model


class Breaking(RuleBasedStateMachine):
    """Exchanges begin and end in any order; the model keeps a list of all that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.breaker = Breaker(SETTINGS, self.now)
        self.under_way: list[float] = []
        # When it opened; when it was closed again; who was let through, and until when it counts.
        self.opened_at: float | None = None
        self.ignored_before = 0.0
        self.trial_ends: float | None = None
        self.ends: list[tuple[float, bool]] = []

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.5, 5.0, 11.0]))
    def waits(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begins(self) -> None:
        admitted = self.breaker.admits(self.now)
        if self.opened_at is None:
            expected = True
        elif self.now < self.opened_at + 5.0:
            expected = False
        else:
            expected = self.trial_ends is None or self.now >= self.trial_ends
            if expected:
                self.trial_ends = self.now + 5.0
        assert admitted == expected
        if admitted:
            self.under_way.append(self.now)

    @rule(good=st.sampled_from([True, False, False, None]), data=st.data())
    def ends_one(self, good: bool | None, data: st.DataObject) -> None:
        if not self.under_way:
            return
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        began = self.under_way.pop(place)
        said = self.breaker.ended(began, self.now, good)
        if began <= self.ignored_before:
            assert said is None
        elif self.opened_at is None:
            self._counts(good, said)
        elif good is None:
            self.trial_ends = None
        elif good:
            assert said is not None and "is closed" in said
            self.opened_at = self.trial_ends = None
        else:
            assert said is None
            self._opens()

    def _counts(self, good: bool | None, said: str | None) -> None:
        if good is not None:
            self.ends.append((self.now, good))
        young = [each for at, each in self.ends if int(at) > int(self.now) - 10]
        if good is False and len(young) >= 4 and young.count(False) * 2 >= len(young):
            assert said is not None and "is open" in said
            self._opens()
        else:
            assert said is None

    def _opens(self) -> None:
        self.opened_at = self.ignored_before = self.now
        self.trial_ends = None
        self.ends.clear()

    @invariant()
    def the_state_is_the_models(self) -> None:
        assert (self.breaker.state is State.CLOSED) == (self.opened_at is None)


TestBreaking = Breaking.TestCase
TestBreaking.settings = hypothesis_settings(max_examples=150, stateful_step_count=50, deadline=None)

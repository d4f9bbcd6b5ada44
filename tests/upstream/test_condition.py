"""Whether a server may be asked: probes, failures in traffic, and the last one that is left."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daarion_gw.config.resilience import Eject, HealthCheck
from daarion_gw.errors import Fault
from daarion_gw.upstream.condition import Condition, State
from tests.upstream.members import QUICK, World

CHECK = HealthCheck(path="/health", rise=2, fall=3)
REFUSED = Fault.UPSTREAM_REFUSED


def alone(check: HealthCheck | None = CHECK, eject: Eject | None = QUICK) -> Condition:
    return Condition(check, eject, 0.0)


def ejected(condition: Condition, now: float) -> str:
    """Fail until there is a reason to eject it, and do so."""
    for _ in range(QUICK.failures):
        reason = condition.failed("REFUSED", now)
    assert reason is not None
    return condition.eject(reason, now)


# probes


def test_so_many_probes_in_a_row_must_fail():
    condition = alone()
    said = [condition.probed(wrong, 1.0) for wrong in ("a", "b", None, "c", "d", "refused", "e")]
    assert said == [None] * 5 + ["is down: 3 probes failed, the last: refused", None]
    assert condition.state is State.DOWN and not condition.is_ready
    assert (condition.reason, condition.since) == ("3 probes failed, the last: refused", 1.0)


def test_and_so_many_must_pass():
    condition = alone()
    for _ in range(3):
        condition.probed("refused", 1.0)
    said = [condition.probed(wrong, 2.0) for wrong in (None, "a", None, None, None)]
    assert said == [None, None, None, "is up: 2 probes passed", None]
    assert condition.state is State.UP and condition.is_ready


def test_without_checks_it_is_up_again():
    condition = alone()
    for _ in range(3):
        condition.probed("refused", 1.0)
    said = condition.settle(None, QUICK, 2.0)
    assert said == "is asked again: the configuration was changed"
    assert condition.is_ready


def test_a_reload_that_changes_nothing_changes_nothing():
    condition = alone()
    for _ in range(3):
        condition.probed("refused", 1.0)
    assert condition.settle(CHECK, QUICK, 2.0) is None
    assert condition.state is State.DOWN and condition.since == 1.0
    assert condition.settle(HealthCheck(path="/other"), QUICK, 2.0) is None
    assert condition.state is State.DOWN


# in traffic


def test_failures_in_a_row():
    condition = alone()
    assert condition.failed("REFUSED", 1.0) is None
    assert condition.failed("REFUSED", 1.0) is None
    assert condition.failed("BROKE", 1.0) == "3 failures in a row, the last: BROKE"


def test_an_answer_ends_the_row_an_error_too():
    condition = alone(eject=Eject(failures=3, ratio="off"))
    for status in (200, 404, 500):
        assert condition.failed("REFUSED", 1.0) is None
        assert condition.failed("REFUSED", 1.0) is None
        assert condition.answered(status, 1.0) is None


def test_the_share_of_failures_and_errors():
    condition = alone(eject=Eject(failures="off", ratio="50%", requests=4))
    said = [condition.answered(status, 1.0) for status in (200, 503, 404, 500)]
    assert said == [None] * 3 + ["2 of 4 exchanges failed within 10 s, the last: status 500"]


def test_few_exchanges_say_nothing():
    condition = alone(eject=Eject(failures="off", requests=4))
    assert [condition.answered(500, 1.0) for _ in range(3)] == [None] * 3


def test_what_is_long_ago_says_nothing():
    condition = alone(eject=Eject(failures="off", requests=4))
    assert [condition.answered(500, now) for now in (0.0, 1.0, 12.0, 23.0)] == [None] * 4


@pytest.mark.parametrize("eject", [None, Eject(failures=0, ratio=0.0)])
def test_off_is_off(eject):
    condition = alone(eject=eject)
    assert {condition.failed("REFUSED", 1.0) for _ in range(100)} == {None}


def test_it_is_out_for_its_time_and_then_asked_again():
    condition = alone()
    said = ejected(condition, 1.0)
    assert said == "is left out for 10 s: 3 failures in a row, the last: REFUSED"
    assert condition.state is State.EJECTED and not condition.is_ready
    assert condition.tick(10.9) is None and not condition.is_ready
    assert condition.tick(11.0) == "is asked again: its time out is over"
    assert condition.is_ready
    assert condition.tick(12.0) is None


def test_each_time_it_is_out_for_longer_up_to_the_longest():
    condition, now, times = alone(), 0.0, []
    for _ in range(5):
        said = ejected(condition, now)
        times.append(said.split(" for ")[1].split(" s: ")[0])
        now = condition._back_at
        condition.tick(now)
    assert times == ["10", "20", "40", "40", "40"]


@pytest.mark.parametrize(
    ("calm", "then"), [(0, "40"), (19, "40"), (20, "20"), (29, "20"), (30, "10")]
)
def test_good_behaviour_makes_the_next_time_shorter_again(calm, then):
    """As long again as the last time out, for each step."""
    condition, now = alone(eject=Eject(failures=3, time="10s", longest="5m")), 0.0
    for _ in range(2):
        ejected(condition, now)
        now = condition._back_at
        condition.tick(now)
    assert f"is left out for {then} s" in ejected(condition, now + calm)


def test_what_ends_while_it_is_out_is_no_news():
    condition = alone()
    ejected(condition, 1.0)
    assert {condition.failed("BROKE", 2.0) for _ in range(20)} == {None}
    condition.tick(11.0)
    assert condition._window.seen == 0


def test_who_comes_up_by_probes_is_not_still_left_out():
    condition = alone()
    ejected(condition, 1.0)
    for _ in range(3):
        condition.probed("refused", 2.0)
    assert condition.state is State.DOWN
    condition.probed(None, 3.0)
    condition.probed(None, 3.0)
    assert condition.is_ready


def test_a_time_out_that_is_over_makes_nobody_up_that_is_down():
    condition = alone()
    ejected(condition, 1.0)
    for _ in range(3):
        condition.probed("refused", 2.0)
    assert condition.tick(50.0) is None
    assert condition.state is State.DOWN and not condition.is_ready


# with others


def fail(world: World, number: int, times: int = 3) -> None:
    for _ in range(times):
        world.group.failed(world.members[number], REFUSED)


def test_an_ejected_one_is_not_asked():
    world = World(eject=QUICK)
    fail(world, 1)
    assert world.states == ["up", "ejected", "up"]
    assert {world.pick() for _ in range(6)} == {0, 2}
    assert world.members[1].pool.counters.ejections == 1
    assert world.members[1].pool.counters.out == 1


def test_the_last_one_is_never_ejected():
    world = World(eject=QUICK)
    for number in (0, 1, 2):
        fail(world, number, 20)
    assert world.states == ["ejected", "ejected", "up"]
    assert {world.pick() for _ in range(3)} == {2}


def test_nor_where_the_others_are_down_or_drained():
    world = World(eject=QUICK, health_check=CHECK, drain=(0,))
    world.probe(1, passed=False, times=3)
    fail(world, 2, 20)
    assert world.states == ["draining", "down", "up"]


def test_when_the_last_one_fails_those_that_were_left_out_are_tried():
    world = World(eject=QUICK)
    fail(world, 0)
    fail(world, 1)
    assert world.pick() == 2
    assert {world.pick(2), world.pick(2)} == {0, 1}
    assert world.pick(0, 1, 2) is None


def test_one_that_was_left_out_is_better_than_one_that_is_down():
    world = World((1, 1), eject=QUICK, health_check=CHECK)
    fail(world, 0)
    world.probe(1, passed=False, times=3)
    assert world.states == ["ejected", "down"]
    assert world.pick() == 0
    assert world.pick(0) is None


def test_when_all_are_down_nobody_is_asked():
    world = World((1, 1), health_check=CHECK)
    for number in (0, 1):
        world.probe(number, passed=False, times=3)
    assert world.pick() is None


def test_also_when_there_is_only_one():
    world = World((1,), health_check=CHECK)
    assert world.pick() == 0
    world.probe(0, passed=False, times=3)
    assert world.pick() is None
    world.probe(0, passed=True, times=2)
    assert world.pick() == 0


def test_only_who_has_something_to_gain_wants_to_hear():
    assert not World((1,)).group.watches
    assert not World((1, 1), eject=None).group.watches
    assert World((1, 1)).group.watches


def test_the_same_server_twice_counts_twice_and_is_one():
    world = World((1, 1, 1))
    server = world.settings.servers[0]
    twice = world.settings.model_copy(update={"servers": (server, *world.settings.servers[:2])})
    members = [world.members[0], world.members[0], world.members[1]]
    group = type(world.group)(twice, members)
    assert len(group.members) == 2
    from tests.upstream.members import Asking

    picked = [members.index(group.pick(Asking(), ())) for _ in range(6)]
    assert sorted(picked) == [0, 0, 0, 0, 2, 2]


# a model


class Watching(RuleBasedStateMachine):
    """Three servers that fail, answer, go down and come up, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(eject=QUICK, health_check=CHECK)
        # What the model knows: wrong and right probes in a row, and who is down.
        self.rows = [0, 0, 0]
        self.probes = [0, 0, 0]
        self.down = [False, False, False]

    @rule(number=st.integers(0, 2))
    def fails(self, number: int) -> None:
        before = self.world.states
        self.world.group.failed(self.world.members[number], REFUSED)
        self._only_this_one_changed(before, number)

    @rule(number=st.integers(0, 2), status=st.sampled_from([200, 500]))
    def answers(self, number: int, status: int) -> None:
        before = self.world.states
        self.world.group.answered(self.world.members[number], status)
        self._only_this_one_changed(before, number)
        if status == 200:
            assert self.world.states == before

    def _only_this_one_changed(self, before: list[str], number: int) -> None:
        after = self.world.states
        assert [a for i, a in enumerate(after) if i != number] == [
            b for i, b in enumerate(before) if i != number
        ]
        if before[number] != after[number]:
            assert (before[number], after[number]) == ("up", "ejected")
            assert before.count("up") > 1

    @rule(number=st.integers(0, 2), passed=st.booleans())
    def is_probed(self, number: int, passed: bool) -> None:
        row = self.probes[number]
        self.probes[number] = max(row, 0) + 1 if passed else min(row, 0) - 1
        if self.probes[number] == -CHECK.fall:
            self.down[number] = True
        if self.down[number] and self.probes[number] >= CHECK.rise:
            self.down[number] = False
        self.world.probe(number, passed)

    @rule(seconds=st.sampled_from([0.5, 5.0, 41.0]))
    def waits(self, seconds: float) -> None:
        self.world.clock.now += seconds
        for member in self.world.members:
            if member.condition.is_ejected:
                member.changed(member.condition.tick(self.world.clock.now))
        if seconds > QUICK.longest:
            assert "ejected" not in self.world.states

    @invariant()
    def down_is_down(self) -> None:
        assert [state == "down" for state in self.world.states] == self.down

    @invariant()
    def the_counters_say_the_same(self) -> None:
        for member in self.world.members:
            assert member.pool.counters.out == (not member.condition.is_ready)

    @precondition(lambda self: not all(self.down))
    @invariant()
    def somebody_is_asked(self) -> None:
        assert self.world.pick() is not None

    @invariant()
    def only_who_may_be_is_asked(self) -> None:
        states = self.world.states
        picked = self.world.pick()
        if picked is None:
            assert set(states) == {"down"}
        elif "up" in states:
            assert states[picked] == "up"
        else:
            assert states[picked] == "ejected"


TestWatching = Watching.TestCase
TestWatching.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)

"""The sweep with a clock of the test's own: what is called when, and what is not."""

from itertools import pairwise

from twisted.internet.task import Clock

from daarion_gw.net.sweep import INTERVAL, NEVER, Sweep


class Late:
    """Something with a deadline that notes when it was told."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.told: list[float] = []

    def deadline_passed(self, now: float) -> None:
        self.told.append(now)
        self.deadline = NEVER


class Failing(Late):
    def deadline_passed(self, now: float) -> None:
        super().deadline_passed(now)
        raise RuntimeError("on purpose")


def sweeping() -> tuple[Clock, Sweep]:
    clock = Clock()
    sweep = Sweep(clock, clock.seconds)
    sweep.start()
    return clock, sweep


def advance(clock: Clock, seconds: float) -> None:
    """Time goes by in steps shorter than the sweep's."""
    for _ in range(round(seconds * 20)):
        clock.advance(0.05)


def test_a_deadline_is_never_met_early_and_at_most_half_a_second_late():
    for start in range(20):
        clock, sweep = sweeping()
        advance(clock, start * 0.05)
        late = Late(sweep.now + 1.0)
        set_at = clock.seconds()
        sweep.watched.add(late)
        advance(clock, 3)
        [told] = late.told
        assert 1.0 <= told - set_at <= 1.0 + 2 * INTERVAL + 1e-9


def test_what_has_no_deadline_is_left_alone():
    clock, sweep = sweeping()
    late = Late(NEVER)
    sweep.watched.add(late)
    advance(clock, 5)
    assert late.told == []


def test_what_is_not_watched_any_more_is_not_told():
    clock, sweep = sweeping()
    late = Late(sweep.now + 1)
    sweep.watched.add(late)
    advance(clock, 0.5)
    sweep.watched.discard(late)
    advance(clock, 2)
    assert late.told == []


def test_one_that_fails_stops_neither_the_clock_nor_the_others():
    clock, sweep = sweeping()
    failing, other = Failing(sweep.now), Late(sweep.now + 1)
    sweep.watched |= {failing, other}
    advance(clock, 2)
    assert len(failing.told) == len(other.told) == 1


def test_the_watched_may_change_while_they_are_told():
    clock, sweep = sweeping()

    class Leaving(Late):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            sweep.watched.discard(self)
            sweep.watched.add(Late(NEVER))

    leaving = [Leaving(sweep.now) for _ in range(10)]
    sweep.watched.update(leaving)
    advance(clock, 1)
    assert [len(each.told) for each in leaving] == [1] * 10


def test_one_that_another_gave_more_time_is_not_late():
    clock, sweep = sweeping()

    class Giving(Late):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            for each in pair:
                each.deadline = sweep.now + 1

    pair = [Giving(sweep.now) for _ in range(2)]
    sweep.watched.update(pair)
    advance(clock, 1)
    assert sorted(len(each.told) for each in pair) == [0, 1]


def test_nor_is_one_that_another_has_ended():
    clock, sweep = sweeping()

    class Ending(Late):
        def deadline_passed(self, now: float) -> None:
            super().deadline_passed(now)
            sweep.watched.clear()

    pair = [Ending(sweep.now) for _ in range(2)]
    sweep.watched.update(pair)
    advance(clock, 1)
    assert sorted(len(each.told) for each in pair) == [0, 1]


def test_every_second_is_once_per_second():
    clock, sweep = sweeping()
    calls: list[float] = []
    sweep.every_second(lambda: calls.append(clock.seconds()))
    advance(clock, 10)
    assert 7 <= len(calls) <= 10
    assert all(0.99 < second - first < 1.5 for first, second in pairwise(calls))


def test_a_stopped_sweep_tells_nobody():
    clock, sweep = sweeping()
    late = Late(sweep.now + 1)
    sweep.watched.add(late)
    sweep.stop()
    advance(clock, 3)
    assert late.told == []
    sweep.stop()


def test_now_is_never_behind_the_clock():
    clock, sweep = sweeping()
    for _ in range(100):
        clock.advance(0.05)
        assert clock.seconds() <= sweep.now + 1e-9


def lag_of(*lengths: float) -> float:
    """What a loop is late whose turns take so long (seconds), one after the other."""
    clock, sweep = sweeping()
    advance(clock, 1)
    sweep.take_lag()
    for length in lengths:
        clock.advance(length)
    return sweep.take_lag()


def test_a_loop_that_keeps_up_is_not_late():
    assert lag_of(*[0.05] * 100) < 0.051
    assert lag_of(*[0.2] * 50) < 0.201


def test_a_loop_that_does_not_keep_up_is_late():
    for length in (0.5, 0.6, 1.0, 2.7):
        assert length - INTERVAL <= lag_of(*[length] * 4) <= length
    # Ticks are due at .25, .75, 1.25, 2.0 and come at .6, 1.2, 1.8, 2.4.
    assert 0.449 < lag_of(*[0.6] * 4) < 0.451


def test_one_long_turn_is_over_when_it_is_noticed():
    assert lag_of(5.0, *[0.05] * 20) < 0.051
    assert lag_of(*[0.05] * 20, 5.0) < 0.051
    assert lag_of(5.0, 5.0) > 4.7


def test_lag_is_told_once():
    clock, sweep = sweeping()
    for _ in range(4):
        clock.advance(1)
    assert sweep.take_lag() > 0.7
    assert sweep.take_lag() == 0


def test_what_was_our_own_doing_is_excused():
    clock, sweep = sweeping()
    advance(clock, 1)
    sweep.take_lag()
    for _ in range(4):
        # Time passes inside of one turn, at the end of which there is the excuse.
        clock.rightNow += 3.0
        sweep.excuse()
        clock.advance(0.01)
    assert sweep.take_lag() < 0.011


def test_the_time_before_the_loop_runs_does_not_count():
    clock, sweep = sweeping()
    clock.advance(7)
    clock.advance(0.3)
    assert sweep.take_lag() < 0.31

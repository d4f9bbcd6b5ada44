"""When a certificate is asked for: two thirds of its time, the authority's advice, and back-off."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.tls.acme.keys import Facts
from daarion_gw.tls.acme.plan import EARLIER, LONGEST, SHARE, Plan, Window, failed, renewed, taken

DAY = 86400.0
CA = "https://ca.example/directory"
# Of 90 days.
FACTS = Facts(since=0.0, until=90 * DAY, ari="a.b", chance=0.0)
CHANCES = st.floats(0, 1)


def test_without_advice_it_is_asked_for_when_two_thirds_are_over():
    assert renewed(FACTS, CA, Window(), now=0.0) == Plan(60 * DAY, CA, None, 90 * DAY)


@given(CHANCES)
def test_or_somewhat_earlier_and_not_all_at_once(chance):
    at = renewed(replace(FACTS, chance=chance), CA, Window(), now=0.0).at
    assert (SHARE - EARLIER) * 90 * DAY - 1 <= at <= 60 * DAY


@given(CHANCES, st.floats(0, 50 * DAY), st.floats(1, 30 * DAY))
def test_with_advice_it_is_within_the_window(chance, start, length):
    window = Window(start, start + length, again=3600.0)
    plan = renewed(replace(FACTS, chance=chance), CA, window, now=100.0)
    assert start <= plan.at <= start + length
    assert plan.look_at == 3700.0


def test_a_window_that_is_past_means_now():
    plan = renewed(FACTS, CA, Window(10 * DAY, 11 * DAY, again=3600.0), now=50 * DAY)
    assert plan.at < 50 * DAY
    assert plan.due == plan.at


@pytest.mark.parametrize(
    "window", [Window(20 * DAY, 20 * DAY, 60.0), Window(20 * DAY, 10 * DAY, 60.0)]
)
def test_a_window_without_any_time_in_it_is_no_advice(window):
    assert renewed(FACTS, CA, window, now=0.0).at == 60 * DAY


@pytest.mark.parametrize(("again", "looks"), [(0.0, 60.0), (7200.0, 7200.0), (9e9, DAY)])
def test_advice_is_asked_for_again_within_a_minute_and_a_day(again, looks):
    plan = renewed(FACTS, CA, Window(again=again), now=0.0)
    assert (plan.look_at, plan.due) == (looks, looks)


def waits(chance: float, first: float = 60.0, wish: float = 0.0, times: int = 8) -> list[float]:
    plan, found = Plan(0.0, CA, until=90 * DAY), []
    for _ in range(times):
        plan = failed(plan, "no", first, wish, now=0.0, chance=chance)
        found.append(plan.at)
    assert (plan.failures, plan.error, plan.until) == (times, "no", 90 * DAY)
    return found


def test_after_each_failure_it_waits_longer_up_to_six_hours():
    assert waits(0.5) == pytest.approx([60, 300, 1500, 7500, 21600, 21600, 21600, 21600])


@given(CHANCES)
def test_but_never_the_same_for_all(chance):
    for wait, usual in zip(waits(chance), waits(0.5), strict=True):
        assert 0.9 * usual <= wait <= 1.1 * usual + 1


def test_no_earlier_than_the_authority_says():
    assert waits(0.5, wish=3600.0, times=4) == pytest.approx([3600, 3600, 3600, 7500])


def test_a_longer_first_wait_than_six_hours_is_kept():
    assert waits(0.5, first=2 * LONGEST, times=2) == pytest.approx([2 * LONGEST, 2 * LONGEST])


def test_thousands_of_failures_are_no_sum_too_large():
    assert waits(0.5, times=2000)[-1] == LONGEST


@given(
    st.builds(
        Plan, CHANCES, st.text(), st.none() | CHANCES, st.none() | CHANCES, st.integers(0, 99),
        st.text(),
    )
)  # fmt: skip
def test_a_plan_is_written_down_and_read_again(plan):
    assert taken(json.loads(json.dumps(plan.kept()))) == plan


@pytest.mark.parametrize(
    "kept", [None, [], "x", {}, {"at": 1}, {"at": "1", "directory": CA}, {"at": 1, "x": 2}]
)
def test_what_is_not_understood_is_no_plan(kept):
    assert taken(kept) is None

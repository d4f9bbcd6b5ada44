"""How much is too much: the levels alone, and the signals that they go by."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.errors import Fault
from daarion_gw.front.machine import memory_to_be_had, resident
from daarion_gw.front.overload import LAG_STEPS, MEMORY_STEPS, Level, Limits, Overload
from daarion_gw.front.refusals import send_refusal
from daarion_gw.wire.request import RequestFields, RequestHead

LAG = 0.5
MEMORY = 1 << 30
BOTH = Limits(LAG, MEMORY)


def levels(*signals: tuple[float, float], limits: Limits = BOTH) -> list[Level]:
    """The level after each second. signals: lag and memory, as parts of their limits."""
    overload = Overload(limits)
    shown = []
    for lag, memory in signals:
        overload.feed(lag * LAG, int(memory * MEMORY))
        shown.append(overload.level)
    return shown


@pytest.mark.parametrize(
    ("lag", "memory", "level"),
    [
        (0.0, 0.0, 0),
        (0.99, 0.79, 0),
        (1.0, 0.0, 1),
        (1.99, 0.0, 1),
        (2.0, 0.0, 2),
        (3.99, 0.0, 2),
        (4.0, 0.0, 3),
        (100.0, 0.0, 3),
        (0.0, 0.81, 1),
        (0.0, 0.91, 2),
        (0.0, 1.0, 3),
        (1.0, 0.91, 2),
        (4.0, 0.81, 3),
    ],
)
def test_it_goes_up_at_once_by_the_worse_signal(lag, memory, level):
    assert levels((lag, memory)) == [level]


def test_it_comes_down_a_level_for_each_calm_second():
    assert levels((9, 0), (0, 0), (0, 0), (0, 0), (0, 0)) == [3, 2, 1, 0, 0]


def test_a_signal_that_only_just_fell_is_not_calm():
    assert levels((2.1, 0), (1.9, 0), (1.7, 0), (1.5, 0)) == [2, 2, 2, 1]
    assert levels((0, 0.91), (0, 0.89), (0, 0.86), (0, 0.79)) == [2, 2, 1, 1]


def test_a_signal_that_is_off_is_not_looked_at():
    assert levels((9, 9), limits=Limits(None, None)) == [0]
    assert levels((9, 0), (0, 9), limits=Limits(None, MEMORY)) == [0, 3]
    assert levels((0, 9), (9, 0), limits=Limits(LAG, None)) == [0, 3]


def test_a_signal_that_is_taken_away_holds_nothing_up():
    overload = Overload(Limits(LAG, MEMORY))
    overload.feed(0, 2 * MEMORY)
    overload.limits = Limits(None, None)
    for _ in range(3):
        overload.feed(0, 2 * MEMORY)
    assert overload.level is Level.NORMAL


def test_a_change_says_why():
    overload = Overload(Limits(LAG, MEMORY))
    change = overload.feed(1.3, 0)
    assert (change.before, change.after) == (Level.NORMAL, Level.REFUSING)
    assert change.reason == "the loop is 1300 ms late, 500 are too many (overload.lag)"
    assert overload.feed(1.3, 0) is None
    change = overload.feed(0.6, MEMORY)
    assert change.reason == "1024 MiB of memory, of 1024 (overload.memory)"


SIGNALS = st.lists(st.tuples(st.floats(0, 6), st.floats(0, 1.2)), max_size=30)


@given(SIGNALS)
def test_wherever_it_is_it_is_back_after_three_calm_seconds(signals):
    assert levels(*signals, (0, 0), (0, 0), (0, 0))[-1] is Level.NORMAL


@given(SIGNALS)
def test_each_second_is_as_the_rule_has_it(signals):
    """An independent reading of the rule: bounds on what may follow what."""
    before = 0
    for (lag, memory), after in zip(signals, levels(*signals), strict=True):
        memory = int(memory * MEMORY) / MEMORY
        least = max(
            sum(lag * LAG / LAG >= step for step in LAG_STEPS),
            sum(memory >= step for step in MEMORY_STEPS),
        )
        assert after >= least, "never less than the signals ask for"
        if least > before:
            assert after == least, "up at once, and no further"
        else:
            assert after in (before, before - 1), "down by one, or not at all"
        if after < before:
            assert lag < LAG_STEPS[before - 1] and memory < MEMORY_STEPS[before - 1]
        before = after


@given(SIGNALS)
def test_every_change_is_told_and_nothing_else(signals):
    overload = Overload(Limits(LAG, MEMORY))
    for lag, memory in signals:
        before = overload.level
        change = overload.feed(lag * LAG, int(memory * MEMORY))
        if overload.level is before:
            assert change is None
        else:
            assert (change.before, change.after) == (before, overload.level)


# the machine


def a_machine(folder, cgroup: str, **files: str):
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        file = folder / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return memory_to_be_had(folder)


def test_a_cgroup_s_limit_counts_and_that_of_those_around_it(tmp_path):
    limits = {"a__b__memory_max": "900000\n", "a__memory_max": "800000\n"}
    assert a_machine(tmp_path, "0::/a/b\n", **limits) == 800_000


def test_in_a_container_its_own_limit_is_at_the_top(tmp_path):
    assert a_machine(tmp_path, "0::/docker/abc\n", memory_max="700000\n") == 700_000


def test_of_version_1_too(tmp_path):
    limit = tmp_path / "sys/fs/cgroup/memory/a/memory.limit_in_bytes"
    limit.parent.mkdir(parents=True)
    limit.write_text("600000\n")
    assert a_machine(tmp_path, "5:cpu,cpuacct:/a\n4:memory:/a\n") == 600_000


def test_without_a_limit_it_is_the_machine_s(tmp_path):
    whole = memory_to_be_had(tmp_path / "nothing")
    assert a_machine(tmp_path, "0::/a\n", a__memory_max="max\n") == whole
    assert whole > resident() > 10_000_000


# the answer


class Noted:
    """A client's connection that keeps the head of its answer."""

    def send_head(self, status, _reason, block, _framing, _length):
        self.status, self.block = status, block

    def send_body(self, _data):
        pass


@pytest.mark.parametrize("fault", [each for each in Fault if each.status == 503])
def test_every_503_says_when_to_come_back(fault):
    near = Noted()
    send_refusal(
        near, RequestHead(b"GET", b"/", 1, None, RequestFields(b"")), fault, b"", b"", None
    )
    assert near.status == 503
    assert re.search(rb"\r\nRetry-After: [1-9]\r\n", near.block)

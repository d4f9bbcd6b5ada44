"""Who gets the next exchange, policy by policy, against what each of them promises."""

import random
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.resilience import Balance
from daarion_gw.upstream.balance import TwoChoices
from tests.upstream.members import Asking, World

weights = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple)


def least_busy(*in_flight: int, weights: tuple[int, ...] | None = None) -> World:
    world = World(weights or (1,) * len(in_flight), balance=Balance(policy="least_busy"))
    world.busy(*in_flight)
    return world


def hashed(source: str = "client", name: str = "", weights: tuple[int, ...] = (1, 1, 1)) -> World:
    return World(weights, balance=Balance(policy="hash", source=source, name=name))


def address(number: int) -> bytes:
    return b"192.0.%d.%d" % divmod(number, 256)


# in turn


def test_in_turn():
    world = World()
    assert [world.pick() for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_heavier_ones_come_more_often_and_not_in_a_row():
    world = World((5, 1, 1))
    assert [world.pick() for _ in range(14)] == [0, 0, 0, 1, 0, 0, 2] * 2


@given(weights, st.integers(1, 3))
def test_in_turn_everybody_gets_exactly_its_share(weights, rounds):
    world = World(weights)
    got = Counter(world.pick() for _ in range(rounds * sum(weights)))
    assert [got[number] for number in range(len(weights))] == [rounds * each for each in weights]


@given(weights, st.data())
def test_who_is_away_for_a_while_leaves_the_others_their_shares(weights, data):
    world = World(weights)
    away = data.draw(st.integers(0, len(weights) - 1))
    for _ in range(data.draw(st.integers(0, 5))):
        world.pick()
    world.members[away].condition.is_ready = False
    left = sum(weights) - weights[away]
    got = Counter(world.pick() for _ in range(20 * left))
    assert got[away] == 0
    for number, weight in enumerate(weights):
        if number != away:
            assert abs(got[number] - 20 * weight) <= 2 * max(weights)


def test_who_comes_back_does_not_make_up_for_what_it_missed():
    world = World()
    world.members[1].condition.is_ready = False
    assert {world.pick() for _ in range(60)} == {0, 2}
    world.members[1].condition.is_ready = True
    got = Counter(world.pick() for _ in range(30))
    assert got[1] <= 11


def test_a_choice_costs_the_same_however_many_there_are():
    """In lines of Python's that are gone through: time would be luck."""

    def lines(servers: int) -> int:
        world = World((1,) * servers)
        asking, seen = Asking(), []

        def trace(_frame, event, _what):
            seen.append(event)
            return trace

        world.group.pick(asking, ())
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            world.group.pick(asking, ())
        finally:
            sys.settrace(before)
        return len(seen)

    assert lines(200) == lines(2)


def test_what_a_dead_one_does_not_take_is_spread_over_the_others():
    """All in all, whoever asks first and whoever asks again."""
    world = World((1, 1, 1))
    got = Counter()
    for _ in range(60):
        first = world.pick()
        got[first if first else world.pick(0)] += 1
    assert set(got) == {1, 2} and abs(got[1] - got[2]) <= 1


def test_each_is_tried_once_and_then_there_is_none():
    world = World()
    assert {world.pick(0, 1)} == {2}
    assert {world.pick(0), world.pick(0)} == {1, 2}
    assert world.pick(0, 1, 2) is None


# by how busy they are


def test_the_least_busy():
    assert {least_busy(3, 1, 2).pick() for _ in range(5)} == {1}


def test_of_equals_each_gets_its_turn():
    world = least_busy(0, 0, 0)
    assert Counter(world.pick() for _ in range(9)) == {0: 3, 1: 3, 2: 3}


@given(weights, st.data())
def test_it_is_the_one_that_would_be_least_busy_for_its_weight(weights, data):
    in_flight = [data.draw(st.integers(0, 20)) for _ in weights]
    world = least_busy(*in_flight, weights=weights)
    loads = [(busy + 1) / weight for busy, weight in zip(in_flight, weights, strict=True)]
    assert loads[world.pick()] == min(loads)


@given(weights)
def test_filled_one_by_one_they_hold_what_they_weigh(weights):
    world = least_busy(*(0 for _ in weights), weights=weights)
    for _ in range(4 * sum(weights)):
        world.members[world.pick()].pool.counters.in_flight += 1
    assert [each.pool.counters.in_flight for each in world.members] == [
        4 * each for each in weights
    ]


@given(st.integers(0, 1000))
def test_the_less_busy_of_two(seed):
    world = World((1, 1, 1, 1))
    world.busy(9, 1, 5, 3)
    policy = TwoChoices(dict.fromkeys(world.members, 1), random.Random(seed))
    one, other = random.Random(seed).sample(world.members, 2)
    chosen = policy.choose(world.members, Asking())
    assert chosen is min(one, other, key=lambda each: each.pool.counters.in_flight)


def test_with_two_choices_nobody_but_the_busiest_is_left_out():
    world = World((1, 1, 1), balance=Balance(policy="two_choices"))
    world.busy(9, 5, 1)
    assert set(Counter(world.pick() for _ in range(200))) == {1, 2}


def test_the_first_that_works():
    world = World(balance=Balance(policy="first"))
    assert [world.pick() for _ in range(3)] == [0, 0, 0]
    assert world.pick(0) == 1
    world.members[0].condition.is_ready = False
    assert world.pick() == 1


# the same for the same


def test_the_same_server_for_the_same_client():
    one, other = hashed(), hashed()
    for number in range(50):
        asking = Asking(address(number))
        assert one.pick(request=asking) == one.pick(request=asking) == other.pick(request=asking)


def test_it_does_not_depend_on_the_process():
    """What several workers, and the gateway after a restart, must agree on."""
    world = hashed()
    assert [world.pick(request=Asking(address(number))) for number in range(12)] == [
        2, 2, 1, 0, 2, 0, 2, 1, 2, 1, 1, 0,
    ]  # fmt: skip


@given(st.integers(0, 2))
def test_when_a_server_goes_only_its_clients_move(gone):
    world = hashed()
    before = [world.pick(request=Asking(address(number))) for number in range(100)]
    world.members[gone].condition.is_ready = False
    after = [world.pick(request=Asking(address(number))) for number in range(100)]
    for then, now in zip(before, after, strict=True):
        assert now != gone
        assert now == then or then == gone
    assert len(set(after)) == 2, "they go to all of the others"


def test_a_heavier_server_has_more_clients():
    world = hashed(weights=(1, 3))
    got = Counter(world.pick(request=Asking(address(number))) for number in range(4000))
    assert got[1] / got[0] == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(
    ("source", "name", "line"),
    [
        ("header", "x-user", b"X-User: %b"),
        ("cookie", "session", b"Cookie: a=b; session=%b; sessions=c"),
    ],
)
def test_by_what_the_request_says(source, name, line):
    world = hashed(source, name)
    users = [b"user-%d" % number for number in range(40)]
    found = [world.pick(request=Asking(address(0), line % user)) for user in users]
    assert set(found) == {0, 1, 2}
    from_elsewhere = [world.pick(request=Asking(address(7), line % user)) for user in users]
    assert from_elsewhere == found


@pytest.mark.parametrize("source", ["header", "cookie"])
def test_without_it_by_the_clients_address(source):
    world, by_client = hashed(source, "x-user"), hashed()
    asking = [Asking(address(number)) for number in range(30)]
    found = [world.pick(request=each) for each in asking]
    assert found == [by_client.pick(request=each) for each in asking]
    assert set(found) == {0, 1, 2}


def test_the_host_is_a_field_too():
    assert {hashed("header", "host").pick(request=Asking(address(each))) for each in range(20)} == {
        hashed("header", "host").pick()
    }

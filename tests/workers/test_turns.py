"""Whose turn it is to accept follows from how many connections each worker has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.workers.turns import SharedFront, Table


def table_of(*counts: int | None) -> Table:
    table = Table.create(len(counts))
    for index, count in enumerate(counts):
        if count is not None:
            table.put(index, count)
    return table


def rooms(*counts: int | None) -> list[int]:
    table = table_of(*counts)
    return [table.room(index) for index, count in enumerate(counts) if count is not None]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0), [1, 1]),
        ((1, 0), [0, 2]),
        ((3, 3, 3), [1, 1, 1]),
        ((15, 14), [0, 2]),
        # From 16 on a worker may be ahead by one part in sixteen.
        ((16, 15), [1, 2]),
        ((17, 15), [0, 3]),
        ((320, 300), [1, 39]),
        # Nobody waits for one that does not accept.
        ((5, None), [100]),
        ((1000, 0), [0, 100]),
    ],
)
def test_who_has_most_leaves_it_to_the_others(counts, expected):
    assert rooms(*counts) == expected


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_there_is_always_somebody_whose_turn_it_is(counts):
    assert rooms(*counts)[counts.index(min(counts))] > 0


@given(
    st.integers(2, 6).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size - 1), max_size=400))
    )
)
def test_whoever_comes_first_they_stay_level(case):
    """Whichever worker looks first, each time: none gets ahead by more than it may."""
    size, looks = case
    counts = [0] * size
    table = table_of(*counts)
    for index in looks:
        if table.room(index):
            counts[index] += 1
            table.put(index, counts[index])
        most = max(counts)
        assert most - min(counts) <= 1 + (most >> 4)


def test_the_open_connections_of_a_worker_are_seen_by_all():
    table = Table.create(2)
    others = Table(table.file, 2)
    front = SharedFront(table, 1)
    front.connections_open += 1
    front.connections_open += 1
    front.connections_open -= 1
    others.put(0, 1)
    assert front.connections_open == 1
    assert others.room(0) == 1
    front.leave()
    front.connections_open -= 1
    assert (front.connections_open, others.room(0)) == (0, 100)


def test_one_that_accepts_none_for_now_is_not_waited_for_until_it_is_back():
    table = table_of(0, 0)
    front = SharedFront(table, 0)
    front.connections_open = 3
    table.put(1, 9)
    front.leave()
    assert table.room(1) > 0
    front.connections_open = 4
    assert table.room(1) > 0, "what it still has is not told meanwhile"
    front.rejoin()
    assert (table.room(0), table.room(1)) == (6, 0)

"""Durations, sizes and switches as people write them."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config import units
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.units import (
    duration,
    duration_text,
    optional_duration,
    optional_size,
    size,
    size_text,
    switch,
)

SECONDS = {"ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5.0),
        ("2m", 120.0),
        ("24h", 86400.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("5 s", 5.0),
        (" 5s ", 5.0),
        ("60", 60.0),
        (60, 60.0),
        (0.5, 0.5),
        ("off", 0.0),
        ("OFF", 0.0),
        (False, 0.0),
        (0, 0.0),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *("", "s", "5 parsecs", "5S", "-5s", "1e3", "1_000", "5s5s", "٥s", "5ms ms", True, None),
        *([5], -1, math.nan, math.inf, "9" * 5000, "99999999d"),
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(UnfitError) as refusal:
        duration(written)
    assert "250ms" in refusal.value.expected


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", ""]))
def test_every_whole_number_with_a_unit_is_a_duration(number: int, unit: str) -> None:
    exact = number * SECONDS[unit]
    if exact > 10 * 365 * 86400:
        with pytest.raises(UnfitError):
            duration(f"{number}{unit}")
    else:
        assert duration(f"{number}{unit}") == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("64K", 65536),
        ("100M", 104857600),
        ("1G", 1073741824),
        ("1T", 1099511627776),
        ("100m", 104857600),
        ("64KB", 65536),
        ("64KiB", 65536),
        ("64 KiB", 65536),
        ("1.5M", 1572864),
        ("4096", 4096),
        ("10B", 10),
        (4096, 4096),
        ("off", 0),
        (0, 0),
    ],
)
def test_a_size_is_bytes_in_binary_multiples(written: object, count: int) -> None:
    assert size(written) == count


@pytest.mark.parametrize(
    "written",
    [
        *("", "K", "100MM", "-1", "1,5M", "0.3K", "1e3", "5s", "9" * 5000, "99999999999T"),
        *(-1, 1.5, True, None, {}),
    ],
)
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(UnfitError) as refusal:
        size(written)
    assert "100M" in refusal.value.expected


@given(st.integers(0, 2**20), st.sampled_from(sorted(BYTES)))
def test_every_whole_number_with_a_unit_is_a_size(number: int, unit: str) -> None:
    assert size(f"{number}{unit}") == number * BYTES[unit]


@given(st.text(max_size=12))
def test_any_text_is_a_value_or_is_refused_and_nothing_else(text: str) -> None:
    for read in (duration, size, switch):
        try:
            read(text)
        except UnfitError as refusal:
            # What was found may be a secret: the refusal does not repeat it.
            assert refusal.reason is None or text not in refusal.reason or len(text) < 3


@given(st.integers(0, 2**40))
def test_a_size_in_its_shortest_form_reads_back(count: int) -> None:
    assert size(size_text(count)) == count


@given(st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_in_its_shortest_form_reads_back(seconds: float) -> None:
    assert duration(duration_text(seconds)) == pytest.approx(seconds, rel=1e-12)


def test_the_shortest_form_is_the_one_that_people_write() -> None:
    assert [duration_text(value) for value in (86400, 5400, 120, 60, 45, 0.25, 0)] == [
        "1d",
        "90m",
        "2m",
        "1m",
        "45s",
        "250ms",
        "off",
    ]
    assert [size_text(value) for value in (104857600, 65536, 1000, 0)] == [
        "100M",
        "64K",
        "1000",
        "off",
    ]


def test_off_is_none_where_none_means_off() -> None:
    assert [optional_duration(value) for value in ("off", False, 0, None, "5s")] == [
        *[None] * 4,
        5.0,
    ]
    assert [optional_size(value) for value in ("off", False, 0, None, "1K")] == [*[None] * 4, 1024]


def test_switches_are_true_and_false_and_on_and_off() -> None:
    assert [switch(value) for value in (True, "true", "on", "On")] == [True] * 4
    assert [switch(value) for value in (False, "false", "off", "OFF")] == [False] * 4
    for value in ("yes", "no", "1", 1, 0, None, ""):
        with pytest.raises(UnfitError):
            switch(value)


@pytest.mark.parametrize(
    ("written", "share"),
    [("20%", 0.2), ("12.5 %", 0.125), (0.2, 0.2), ("0.2", 0.2), (1, 1), (0, 0), ("off", 0)],
)
def test_a_share(written: object, share: float) -> None:
    assert units.share(written) == share


@pytest.mark.parametrize("written", ["101%", -0.1, 1.1, True, "half", "2", None, "%", []])
def test_no_share(written: object) -> None:
    with pytest.raises(UnfitError):
        units.share(written)


@pytest.mark.parametrize(("written", "count"), [(3, 3), ("12", 12), (0, 0), ("off", 0), (False, 0)])
def test_a_count(written: object, count: int) -> None:
    assert units.count(written) == count
    assert units.optional_count(written) == (count or None)


@pytest.mark.parametrize("written", [-1, 1.5, True, "three", "-1", None, 10**10, "9" * 30, "٣"])
def test_no_count(written: object) -> None:
    with pytest.raises(UnfitError):
        units.count(written)

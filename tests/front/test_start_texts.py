"""Two languages that say the same, and the choice between them."""

import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.front import start_probe
from daarion_gw.front.start_texts import ENGLISH, UKRAINIAN, Texts, preferred_language
from daarion_gw.upstream.agent import TLS_FAILED

DETAILS = [
    "200 in 3 ms",
    "1 of 3 servers",
    "could not be asked",
    "does not speak HTTP",
    TLS_FAILED,
    *(words for _kinds, words in start_probe._REASONS),
]


def test_nothing_is_left_in_english():
    for field in fields(Texts):
        assert getattr(ENGLISH, field.name) != getattr(UKRAINIAN, field.name)
    assert UKRAINIAN.count.count("{n}") == UKRAINIAN.count.count("{all}") == 1


@pytest.mark.parametrize("english", DETAILS)
def test_every_detail_is_translated(english):
    assert ENGLISH.detail(english) == english
    translated = UKRAINIAN.detail(english)
    assert re.search("[а-яіїєґ]", translated)
    assert re.findall(r"\d+", translated) == re.findall(r"\d+", english)


@given(st.text(max_size=60))
def test_unknown_details_stay_as_they_are(words):
    assert ENGLISH.detail(words) == words


@given(st.text(alphabet="uken-;q=01. ,*\t", max_size=80))
def test_any_header_gets_one_of_the_two(header):
    assert preferred_language(header) in ("en", "uk")


@given(st.permutations(["uk;q=0.7", "en;q=0.6", "de", "fr;q=0.9"]))
def test_the_order_means_nothing(elements):
    assert preferred_language(", ".join(elements)) == "uk"

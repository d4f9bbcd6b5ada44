"""Error answers: golden pages, everything escaped, and the choice between JSON and HTML."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.front.error_page import LONGEST_ACCEPT, preferences, render, wants_html

CASES = Path(__file__).parent.parent / "cases" / "errors"
REQUEST = "01JD8Q5Z6W"
REFUSED = "upstream microdao-api at 127.0.0.1:8000 refused the connection"
HINT = "Is it running? The route is /api/."

GOLDEN = {
    "502-trusted.html": (502, "Bad Gateway", REQUEST, REFUSED, HINT, True),
    "502-trusted.json": (502, "Bad Gateway", REQUEST, REFUSED, HINT, False),
    "502-stranger.html": (502, "Bad Gateway", REQUEST, None, None, True),
    "502-stranger.json": (502, "Bad Gateway", REQUEST, None, None, False),
    "404-markup.html": (404, "Not Found", "<b>", 'no route for /"><script>&', "", True),
    "404-markup.json": (404, "Not Found", "<b>", 'no route for /"><script>&', "", False),
    "400-no-id.html": (400, "Bad Request", "", None, None, True),
    "400-no-id.json": (400, "Bad Request", "", None, None, False),
}


class Words(HTMLParser):
    """The elements of a page and what a reader reads."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.words = ""
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    content_type, body = render(*GOLDEN[name])
    golden = CASES / name
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_bytes(body)
    assert content_type.startswith(b"text/html" if name.endswith("html") else b"application/pro")
    assert body.decode() == golden.read_text("utf-8")


texts = st.text(max_size=60)
maybe = st.none() | texts


@given(st.integers(400, 599), texts, texts, maybe, maybe)
def test_json_gives_back_what_was_put_in(status, title, request_id, detail, hint):
    content_type, body = render(status, title, request_id, detail, hint, False)
    given_members = {
        "title": title,
        "detail": detail,
        "hint": hint,
        "request_id": request_id,
    }
    expected = {name: text for name, text in given_members.items() if text}
    assert content_type == b"application/problem+json"
    assert json.loads(body) == {"type": "about:blank", "status": status, **expected}


@given(st.integers(400, 599), texts, texts, maybe, maybe)
def test_no_text_becomes_an_element(status, title, request_id, detail, hint):
    harmless = [x and "x" for x in (title, request_id, detail, hint)]
    page = Words(render(status, title, request_id, detail, hint, True)[1])
    plain = Words(render(status, *harmless, True)[1])
    assert page.elements == plain.elements


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_the_reader_reads_what_happened(detail):
    assert detail in Words(render(502, "Bad Gateway", REQUEST, detail, None, True)[1]).words


def test_the_page_asks_for_nothing_else():
    page = render(502, "Bad Gateway", REQUEST, REFUSED, HINT, True)[1]
    assert b"//" not in page
    assert b"<script" not in page
    assert b"<img" not in page
    assert len(page) < 2500


def test_only_our_own_faults_invite_to_try_again():
    again = b"Try again"
    assert again in render(503, "Service Unavailable", "", None, None, True)[1]
    assert again not in render(404, "Not Found", "", None, None, True)[1]


CHROMIUM = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        (b"", False),
        (b"*/*", False),
        (b"text/html", True),
        (b"TEXT/HTML", True),
        (CHROMIUM, True),
        (b"application/json", False),
        (b"application/problem+json, text/html;q=0.9", False),
        (b"text/html, application/json", False),
        (b"text/html, application/json;q=0.9", True),
        (b"text/html;q=0.5, */*;q=0.8", False),
        (b"text/html;q=0, */*", False),
        (b"text/*, application/json;q=0.5", True),
        (b"text/*;q=0.4, application/*;q=0.5", False),
        (b"text/html;charset=utf-8;q=0.9, */*;q=0.1", True),
        (b"text/html ; Q=1.000 , */* ; q=0.001", True),
        (b'text/html;x="a,b;q=0", */*;q=0.5', True),
        (b"text/html;q=2, */*;q=0.1", False),
        (b"text/html;q=, */*;q=0.1", False),
        (b"text/html;q=0.1234, */*;q=0.1", False),
        (b"image/png", False),
        (b'text/html, "', True),
    ],
)
def test_who_gets_html(accept, expected):
    assert wants_html(accept) is expected


def test_an_overlong_accept_counts_as_missing():
    filler = b", image/x" * 200
    assert wants_html(b"text/html" + filler[: LONGEST_ACCEPT - 9]) is True
    assert wants_html(b"text/html" + filler[: LONGEST_ACCEPT - 8]) is False


@given(st.binary(max_size=2000))
def test_any_bytes_get_an_answer(accept):
    html, problem = preferences(accept)
    assert 0 <= html <= 1000
    assert 0 <= problem <= 1000


names = st.sampled_from(
    [
        "text/html",
        "text/*",
        "*/*",
        "application/json",
        "application/problem+json",
        "application/*",
        "image/png",
    ]
)
ranges = st.dictionaries(names, st.integers(0, 1000), max_size=6)
spaces = st.sampled_from(["", " ", "\t "])


def reference(weights, media_type):
    """RFC 9110 12.5.1, as it is written: the most specific matching range has the say."""
    matching = [name for name in weights if _covers(name, media_type)]
    return weights[max(matching, key=lambda name: -name.count("*"))] if matching else 0


def _covers(name, media_type):
    pairs = zip(name.split("/"), media_type.split("/"), strict=True)
    return all(pattern in ("*", part) for pattern, part in pairs)


@given(ranges, st.randoms(), spaces)
def test_preferences_follow_the_rfc_in_any_order(weights, random, space):
    elements = [f"{name}{space};{space}q={weight / 1000:.3f}" for name, weight in weights.items()]
    random.shuffle(elements)
    accept = f"{space},{space}".join(elements).encode()
    json_types = ("application/json", "application/problem+json")
    expected = (
        reference(weights, "text/html"),
        max(reference(weights, media_type) for media_type in json_types),
    )
    assert preferences(accept) == expected

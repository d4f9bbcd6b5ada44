"""What is remembered of a connection's last message, and when it must not be used."""

import pytest

from daarion_gw.wire import answer as answers
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.passage import Passage, answer_block, forwarding
from daarion_gw.wire.request import Known
from tests.wire.passing import API, STRANGER, WHOLE, get, parse, sent


def test_known_fields_are_read_once():
    known = Known()
    fields = [b"Host: a", b"Accept: */*", b"X-Forwarded-For: 1.2.3.4"]
    first = parse(b"GET /1 HTTP/1.1", *fields, known=known)
    second = parse(b"POST /2 HTTP/1.1", *fields, known=known)
    other = parse(b"GET /1 HTTP/1.1", *fields, b"A: 1", known=known)
    assert first.fields is second.fields
    assert (second.method, second.target) == (b"POST", b"/2")
    assert other.fields is not first.fields


def test_known_forwarding_belongs_to_its_passage():
    known = Known()
    one = parse(b"GET /api/1 HTTP/1.1", b"Host: a", b"A: 1", known=known)
    assert forwarding(one, STRANGER, API) is forwarding(one, STRANGER, API)
    two = parse(b"GET /api/2 HTTP/1.1", b"Host: a", b"A: 1", known=known)
    assert forwarding(two, STRANGER, API) is one.fields.forwarding
    assert b"X-Forwarded-Prefix: /api" not in sent(two, passage=WHOLE)
    assert b"X-Forwarded-Prefix: /api" in sent(two, passage=API)
    # Equal is not the same: a reload makes new passages.
    again = Passage(b"/api/", b"", b"127.0.0.1:8000", b"ab12")
    assert forwarding(two, STRANGER, again).passage is again


# Pairs of request lines with which the same fields mean different things.
LINE_PAIRS = [
    (b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"a"),
    (b"GET / HTTP/1.0", b"GET / HTTP/1.1", b"a"),
    (b"OPTIONS / HTTP/1.1", b"GET / HTTP/1.1", b"a"),
    (b"GET / HTTP/1.1", b"OPTIONS / HTTP/1.1", b"a"),
    (b"GET http://a/ HTTP/1.1", b"GET / HTTP/1.1", b"a"),
    (b"GET http://b/ HTTP/1.0", b"GET http://a/ HTTP/1.0", None),
    (b"GET http://b/ HTTP/1.0", b"GET / HTTP/1.0", None),
    (b"GET / HTTP/1.0", b"GET http://b/ HTTP/1.0", None),
]


@pytest.mark.parametrize(("first", "second", "host"), LINE_PAIRS)
@pytest.mark.parametrize(
    "field", [b"A: 1", b"Expect: 100-continue", b"Max-Forwards: 5", b"Connection: close"]
)
def test_known_forwarding_is_never_stale(
    first: bytes, second: bytes, host: bytes | None, field: bytes
):
    fields = [field] if host is None else [b"Host: " + host, field]
    known = Known()
    sent(parse(first, *fields, known=known))
    remembered = sent(parse(second, *fields, known=known))
    assert remembered == sent(parse(second, *fields))


def test_known_answer_blocks_belong_to_their_passage():
    raw = b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n"
    answer = answers.parse_head(raw, b"GET", DEFAULT)
    plain = Passage(b"", b"", b"a:1", b"ab12", secured=False)
    secured = answer_block(answer, WHOLE, get())
    assert b"X-Frame-Options" in secured
    assert answer_block(answer, WHOLE, get()) is secured
    assert answer_block(answer, plain, get()) == b"A: 1\r\n"
    assert answer_block(answer, WHOLE, get()) == secured


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        (b"Location: http://a/x\r\nContent-Length: 5\r\n", b"GET"),
        (b"Transfer-Encoding: chunked\r\n", b"HEAD"),
        (b"Content-Length: 0\r\n", b"GET"),
    ],
)
def test_known_answer_blocks_are_never_stale(fields: bytes, method: bytes):
    answer = answers.parse_head(b"HTTP/1.1 200 OK\r\n" + fields, method, DEFAULT)
    asked = [get(), parse(b"GET / HTTP/1.1", b"Host: b"), parse(b"GET / HTTP/1.0")]
    for request in [*asked, *reversed(asked)]:
        fresh = answers.parse_head(b"HTTP/1.1 200 OK\r\n" + fields, method, DEFAULT)
        assert answer_block(answer, API, request) == answer_block(fresh, API, request)

"""What a client gets of an answer, line by line."""

import pytest

from daarion_gw.wire import answer as answers
from daarion_gw.wire.fields import pairs
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.passage import (
    Passage,
    answer_block,
    made_strict,
    security_lines,
    strict_line,
    trailers_for,
)
from tests.wire.passing import API, WHOLE, get, parse
from tests.wire.sample import head


def answer(*fields: bytes, status: bytes = b"200 OK", method: bytes = b"GET"):
    return answers.parse_head(head(b"HTTP/1.1 " + status, *fields)[:-2], method, DEFAULT)


def block(*fields: bytes, passage: Passage = WHOLE, **others) -> list[bytes]:
    return answer_block(answer(*fields, **others), passage, get()).split(b"\r\n")[:-1]


ALL_THREE = [
    b"X-Content-Type-Options: nosniff",
    b"X-Frame-Options: DENY",
    b"Referrer-Policy: strict-origin-when-cross-origin",
]


def test_security_fields_are_added():
    assert block(b"A: 1", b"Content-Length: 0") == [b"A: 1", *ALL_THREE]


def test_security_fields_are_never_there_twice():
    assert block(b"x-frame-options: SAMEORIGIN") == [
        b"x-frame-options: SAMEORIGIN", ALL_THREE[0], ALL_THREE[2]
    ]  # fmt: skip
    theirs = [b"REFERRER-POLICY: no-referrer", b"X-content-Type-Options: nosniff",
              b"X-Frame-Options: DENY"]  # fmt: skip
    assert block(*theirs) == theirs


def test_security_fields_are_not_added_where_the_route_says_so():
    assert block(b"A: 1", passage=Passage(b"", b"", b"a:1", b"ab12", secured=False)) == [b"A: 1"]


def test_security_lines_for_every_combination():
    names = [line.partition(b":")[0] for line in ALL_THREE]
    for has in range(8):
        found = [name for name, _ in pairs(security_lines(has))]
        assert found == [name for at, name in enumerate(names) if not has & 1 << at]


@pytest.mark.parametrize(
    ("max_age", "subdomains", "preload", "value"),
    [
        (15552000.0, False, False, b"max-age=15552000"),
        (0, False, False, b"max-age=0"),
        (1.5, True, False, b"max-age=1; includeSubDomains"),
        (31536000, True, True, b"max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_strict_line(max_age, subdomains, preload, value):
    line = strict_line(max_age, subdomains, preload)
    assert line == b"Strict-Transport-Security: " + value + b"\r\n"


def test_strict_transport_is_the_gateways_to_say():
    line = strict_line(60, False, False)
    found = answer(b"A: 1", b"strict-TRANSPORT-security: max-age=1", b"B: 2", b"STRICT-transport-"
                   b"security: max-age=2", b"X-Strict-Transport-Security: 3")  # fmt: skip
    lines = made_strict(answer_block(found, WHOLE, get()), found.has, line).split(b"\r\n")
    assert lines[:3] == [b"A: 1", b"B: 2", b"X-Strict-Transport-Security: 3"]
    assert lines[3:-1] == [*ALL_THREE, line[:-2]]
    # As it came, where nobody asks for ours.
    assert b"strict-TRANSPORT-security: max-age=1" in answer_block(found, WHOLE, get())


def test_strict_transport_is_not_for_connection_to_take_away():
    found = answer(b"Connection: strict-transport-security", b"Strict-Transport-Security: a=1")
    assert b"Strict-Transport-Security: a=1" in answer_block(found, WHOLE, get())


def test_relocate_only_where_a_prefix_was_cut_off():
    fields = [b"Location: /x", b"Set-Cookie: a=b; Path=/"]
    assert block(*fields)[:2] == fields
    assert block(*fields, passage=API)[:2] == [
        b"Location: /api/x",
        b"Set-Cookie: a=b; Path=/api/",
    ]
    based = Passage(b"/api/", b"/v2", b"a:1", b"ab12")
    assert block(b"Location: /v2/x", passage=based)[:1] == [b"Location: /api/x"]
    assert block(b"Location: http://a/x", passage=API)[:1] == [b"Location: http://a/api/x"]


def test_set_cookie_is_never_joined():
    cookies = [b"Set-Cookie: a=1; Path=/", b"B: 2", b"Set-Cookie: c=3"]
    assert block(*cookies)[:3] == cookies


def test_no_body_tells_its_coding_to_head_in_11_only():
    coding = b"Transfer-Encoding: chunked"
    to_head = answer(coding, method=b"HEAD")
    assert coding + b"\r\n" in answer_block(to_head, WHOLE, get())
    old = parse(b"HEAD / HTTP/1.0")
    assert coding not in answer_block(to_head, WHOLE, old)
    assert coding not in answer_block(answer(coding), WHOLE, get())
    assert coding not in answer_block(answer(coding, status=b"204 No Content"), WHOLE, get())


TRAILERS = b"Grpc-Status: 0\r\nExpires: x\r\n"


def test_trailers_pass_when_the_receiver_said_so():
    assert trailers_for(get(b"TE: trailers"), TRAILERS) == TRAILERS
    assert trailers_for(get(b"TE: gzip"), TRAILERS) == b""
    assert trailers_for(get(), TRAILERS) == b""


@pytest.mark.parametrize(
    "name",
    [b"Content-Length", b"TRANSFER-ENCODING", b"Host", b"Authorization", b"Set-Cookie", b"Cookie",
     b"WWW-Authenticate", b"Proxy-Authorization", b"Trailer", b"Connection", b"Upgrade", b"TE",
     b"Content-Encoding", b"content-type", b"Content-Range", b"Cache-Control", b"Max-Forwards",
     b"Location", b"X-Request-Id", b"Keep-Alive", b"Via", b"Expect", b"Proxy-Connection",
     b"Authentication-Info", b"Proxy-Authentication-Info"],
)  # fmt: skip
def test_trailers_never_frame_route_or_authenticate(name: bytes):
    assert trailers_for(get(b"TE: trailers"), TRAILERS + name + b": 1\r\n") == TRAILERS

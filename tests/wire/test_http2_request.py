"""A request's field list over HTTP/2: what is a head, and what is none (RFC 9113 8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.errors import Fault
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.http2_request import MalformedError, StreamHead, check_trailers, stream_head
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.request import Known

GET = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"gw.example"),
       (b":path", b"/a?b")]  # fmt: skip


def head(*more: tuple[bytes, bytes], ends: bool = True, **pseudo: bytes | None) -> StreamHead:
    """The head of a GET with these fields, and other pseudo-fields where they are given."""
    fields = [(name, pseudo.get(name[1:].decode(), value)) for name, value in GET]
    list_ = [(name, value) for name, value in fields if value is not None]
    return stream_head([*list_, *more], ends, DEFAULT, Known())


def test_a_plain_one():
    got = head((b"accept", b"*/*"), (b"x-empty", b""))
    assert (got.method, got.target, got.host, got.version) == (
        b"GET", b"/a?b", b"gw.example", b"HTTP/2.0")  # fmt: skip
    assert got.fields.kept == b"accept: */*\r\nx-empty: \r\n"
    assert not got.has_body and got.minor == 1


def test_what_only_the_gateway_reads_is_taken_out():
    got = head((b"x-forwarded-for", b"1.2.3.4"), (b"te", b"trailers"), (b"x_y", b"z"))
    assert got.fields.kept == b""
    assert got.fields.te_trailers
    assert got.fields.identity == [(b"x-forwarded-for", b"x-forwarded-for: 1.2.3.4\r\n")]
    assert got.fields.underscored == b"x_y: z\r\n"


def test_crumbs_of_cookies_are_one_field():
    got = head((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3"))
    assert got.value(b"cookie") == b"a=1; b=2; c=3"


def test_a_body_without_a_length_is_chunked_and_one_with_a_length_is_not():
    assert head(ends=False).chunked
    with_length = head((b"content-length", b"3"), ends=False)
    assert (with_length.chunked, with_length.fields.content_length) == (False, 3)
    assert not head((b"content-length", b"0")).has_body


def test_fields_that_are_known_are_not_read_again():
    known = Known()
    first = stream_head([*GET, (b"a", b"b")], True, DEFAULT, known)
    second = stream_head([*GET[:3], (b":path", b"/other"), (b"a", b"b")], True, DEFAULT, known)
    assert first.fields is second.fields and second.target == b"/other"
    with_body = stream_head([*GET, (b"a", b"b")], False, DEFAULT, known)
    assert with_body.fields is not first.fields and with_body.chunked


@pytest.mark.parametrize("host", [b"gw.example", b"GW.Example"])
def test_host_may_say_what_authority_says(host):
    assert head((b"host", host)).host == b"gw.example"


def test_host_may_stand_for_authority():
    assert head((b"host", b"other.example"), authority=None).host == b"other.example"


def test_options_of_the_server_itself():
    assert head(method=b"OPTIONS", path=b"*").target == b"*"


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_schemes(scheme):
    assert head(scheme=scheme).target == b"/a?b"


MALFORMED = {
    "no method": {"method": None},
    "an empty method": {"method": b""},
    "no scheme": {"scheme": None},
    "another scheme": {"scheme": b"ftp"},
    "no path": {"path": None},
    "an empty path": {"path": b""},
    "a path without its slash": {"path": b"a"},
    "a URL for a path": {"path": b"https://gw.example/a"},
    "an asterisk for GET": {"path": b"*"},
    "a fragment": {"path": b"/a#b"},
    "a blank in the path": {"path": b"/a b"},
    "a line end in the path": {"path": b"/ HTTP/1.1\r\nx: y\r\nz: /"},
    "a blank in the method": {"method": b"GET /x"},
    "a line end in the method": {"method": b"GET / HTTP/1.1\r\nx: y\r\nPOST"},
    "an empty authority": {"authority": b""},
    "a user in the authority": {"authority": b"me@gw.example"},
    "a line end in the authority": {"authority": b"a\r\nx: y"},
    "a blank around the authority": {"authority": b"\tgw.example"},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_pseudo_fields_that_are_wrong(what):
    with pytest.raises(MalformedError):
        head(**MALFORMED[what])


WRONG_FIELDS = {
    "a capital": [(b"Accept", b"x")],
    "a name that is no token": [(b"a b", b"x")],
    "an empty name": [(b"", b"x")],
    "a colon in a name": [(b"a:b", b"x")],
    "a colon and a blank in a name": [(b"transfer-encoding: x", b"y")],
    "a line end in a name": [(b"a: b\r\nc", b"x")],
    "a line end in a value": [(b"a", b"b\r\ntransfer-encoding: chunked")],
    "a bare LF in a value": [(b"a", b"b\nc: d")],
    "a bare CR in a value": [(b"a", b"b\rc")],
    "NUL in a value": [(b"a", b"b\0c")],
    "DEL in a value": [(b"a", b"b\x7fc")],
    "a blank before a value": [(b"a", b" b")],
    "a blank behind a value": [(b"a", b"b\t")],
    "a blank for a value": [(b"a", b" ")],
    "a line end in a crumb": [(b"cookie", b"a\r\nb: c")],
    "connection": [(b"connection", b"keep-alive")],
    "keep-alive": [(b"keep-alive", b"5")],
    "proxy-connection": [(b"proxy-connection", b"close")],
    "transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "upgrade": [(b"upgrade", b"websocket")],
    "another te": [(b"te", b"gzip")],
    "a pseudo-field of answers": [(b":status", b"200")],
    "an unknown pseudo-field": [(b":x", b"y")],
    "the WebSocket's pseudo-field": [(b":protocol", b"websocket")],
    "a repeated pseudo-field": [(b":path", b"/")],
    "another Host": [(b"host", b"other.example")],
    "a length without a body": [(b"content-length", b"5")],
}


@pytest.mark.parametrize("what", WRONG_FIELDS)
def test_fields_that_are_wrong(what):
    with pytest.raises(MalformedError):
        head(*WRONG_FIELDS[what])


@pytest.mark.parametrize("before", [(b"a", b"b"), (b"host", b"gw.example"), (b"cookie", b"a=b")])
def test_pseudo_fields_come_first(before):
    with pytest.raises(MalformedError):
        stream_head([*GET[:3], before, GET[3]], True, DEFAULT, Known())


@pytest.mark.parametrize(
    ("fault", "more", "pseudo"),
    [
        (Fault.METHOD_NOT_ALLOWED, [], {"method": b"CONNECT", "scheme": None, "path": None}),
        (Fault.METHOD_NOT_ALLOWED, [], {"method": b"TRACE"}),
        (Fault.TARGET_TOO_LONG, [], {"path": b"/" + b"a" * 17_000}),
        (Fault.FIELDS_TOO_LARGE, [(b"a", b"b")] * 201, {}),
        (Fault.MALFORMED, [(b"content-length", b"1"), (b"content-length", b"1")], {}),
        (Fault.MALFORMED, [(b"content-length", b"+1")], {}),
        (Fault.MALFORMED, [(b"host", b"a"), (b"host", b"a")], {"authority": None}),
        (Fault.MALFORMED, [], {"authority": None}),
    ],
)
def test_what_http_1_refuses_is_refused_here_too(fault, more, pseudo):
    with pytest.raises(WireError) as caught:
        head(*more, **pseudo)
    assert caught.value.fault is fault
    assert b"\n" not in caught.value.line


NAMES = st.sampled_from([b"a", b"b-c", b"te", b"cookie", b"host", b"content-length", b"x_y", b"A",
                         b"connection", b"", b"a:b", b":path", b":method", b"a\r\nb"])  # fmt: skip
VALUES = st.one_of(st.sampled_from([b"", b"1", b"trailers", b"gw.example", b" x", b"a\r\nb: c"]),
                   st.binary(max_size=10))  # fmt: skip


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.booleans())
def test_every_line_of_a_head_is_a_field_of_the_list(more, ends):
    try:
        got = stream_head([*GET, *more], ends, DEFAULT, Known())
    except WireError:
        return
    fields = got.fields
    lines = (fields.kept + fields.underscored).split(b"\r\n")[:-1]
    crumbs = [value for name, value in more if name == b"cookie"]
    wanted = [b"%b: %b" % field for field in more if field[0] in (b"a", b"b-c", b"x_y")]
    if crumbs:
        wanted.append(b"cookie: " + b"; ".join(crumbs))
    assert sorted(lines) == sorted(wanted)


def test_trailers():
    check_trailers([(b"x-sum", b"1"), (b"x_y", b"")])
    for wrong in ([(b":path", b"/")], [(b"X", b"y")], [(b"upgrade", b"x")], [(b"x", b"a\nb")]):
        with pytest.raises(MalformedError):
            check_trailers(wrong)

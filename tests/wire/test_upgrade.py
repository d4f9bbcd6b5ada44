"""Which requests open a WebSocket, and which go on as plain HTTP."""

import base64

import pytest

from daarion_gw.errors import Fault
from daarion_gw.wire import answer as answers
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.upgrade import (
    accept_of,
    agreed_extensions,
    handshake_answer,
    handshake_request,
    not_offered,
    origin_allowed,
    subprotocols,
    wants_websocket,
    what_is_wrong,
)
from tests.wire.passing import get, parse, sent
from tests.wire.sample import head

UPGRADE = b"Upgrade: websocket"
CONNECTION = b"Connection: Upgrade"
VERSION = b"Sec-WebSocket-Version: 13"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def fault_of(*fields: bytes) -> Fault | None:
    try:
        assert wants_websocket(get(*fields))
    except WireError as error:
        return error.fault
    return None


@pytest.mark.parametrize(
    "fields",
    [
        (UPGRADE, CONNECTION, VERSION, KEY),
        (b"upgrade: WebSocket", b"connection: keep-alive, UPGRADE", VERSION, KEY),
        (b"Upgrade: h2c, websocket", CONNECTION, VERSION, KEY),
        (b"Upgrade: h2c", UPGRADE, b"Connection: keep-alive", CONNECTION, VERSION, KEY),
        (UPGRADE, CONNECTION, VERSION, KEY, b"Content-Length: 0"),
    ],
)
def test_recognised(fields):
    assert wants_websocket(get(*fields))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"POST / HTTP/1.1", (UPGRADE, CONNECTION, VERSION, KEY)),
        (b"GET / HTTP/1.0", (UPGRADE, CONNECTION, VERSION, KEY)),
        (b"get / HTTP/1.1", (UPGRADE, CONNECTION, VERSION, KEY)),
        (b"GET / HTTP/1.1", (UPGRADE, CONNECTION, VERSION, KEY, b"Content-Length: 1")),
        (b"GET / HTTP/1.1", (UPGRADE, CONNECTION, VERSION, KEY, b"Transfer-Encoding: chunked")),
        (b"GET / HTTP/1.1", (CONNECTION, VERSION, KEY)),
        (b"GET / HTTP/1.1", (UPGRADE, VERSION, KEY)),
        (b"GET / HTTP/1.1", (UPGRADE, b"Connection: keep-alive", VERSION, KEY)),
        (b"GET / HTTP/1.1", (UPGRADE, b"Connection: no-upgrade", VERSION, KEY)),
        (b"GET / HTTP/1.1", (b"Upgrade: websocketx", CONNECTION, VERSION, KEY)),
        (b"GET / HTTP/1.1", (b"Upgrade: websocket/13", CONNECTION, VERSION, KEY)),
        (b"GET / HTTP/1.1", (b"Upgrade: h2c", CONNECTION)),
    ],
)
def test_recognised_only_with_all_that_belongs_to_it(line, fields):
    request = parse(line, b"Host: a", *fields)
    assert not wants_websocket(request)
    # Then it goes on as plain HTTP: no upgrade is asked for in its name.
    assert not any(each.startswith((b"Upgrade", b"Connection")) for each in sent(request))


@pytest.mark.parametrize("token", [b"h2c", b"TLS/1.0", b"h2c, foo", b""])
def test_other_upgrade_is_dropped(token):
    request = get(b"Upgrade: " + token, b"Connection: Upgrade, HTTP2-Settings",
                  b"HTTP2-Settings: AAMAAABkAAQAAP__")  # fmt: skip
    assert not wants_websocket(request)
    assert not any(b"pgrade" in line or b"HTTP2" in line for line in sent(request))


@pytest.mark.parametrize(
    "version", [(), (b"Sec-WebSocket-Version: 8",), (b"Sec-WebSocket-Version: 13, 8",),
                (b"Sec-WebSocket-Version: 013",), (VERSION, VERSION), (b"Sec-WebSocket-Version:",)]
)  # fmt: skip
def test_websocket_version_is_13(version):
    assert fault_of(UPGRADE, CONNECTION, *version, KEY) is Fault.UPGRADE_REQUIRED


@pytest.mark.parametrize(
    "key", [(), (KEY, KEY), *((b"Sec-WebSocket-Key: " + value,) for value in (
        b"", b"abc", base64.b64encode(b"x" * 15), base64.b64encode(b"x" * 17),
        b"dGhlIHNhbXBsZSBub25jZQ=*", b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZQ===",
        b"dGhlIHNhbXBs ZSBub25jZQ==", b"=" * 24, b"\xff" * 24))]
)  # fmt: skip
def test_recognised_with_a_key_of_16_bytes_only(key):
    assert fault_of(UPGRADE, CONNECTION, VERSION, *key) is Fault.MALFORMED


TOKENS = [b"chat", b"v1.example.com", b"a!#$%&'*+-.^_`|~9", b"graphql-ws,  graphql-transport-ws",
          b"Chat, chat", b",a,\t, b ,"]  # fmt: skip
NO_TOKENS = [b"a b", b"a/b", b"a;b", b"a=b", b'"a"', b"a(b)", b"a@b", b"[a]", b"\xe9", b"a\tb"]
EXTENSIONS = [b"x", b"permessage-deflate; client_max_window_bits", b"a;b=1;c, d; e = f ,a",
              b'a; b="8"', b'a; b="\\8\\a"', b"", b",", b",a;b,"]  # fmt: skip
NO_EXTENSIONS = [b"a b", b"a;", b";a", b"a;=1", b"a;b=", b"a;b=1=2", b'a;b="', b'a;b=""', b"a/b",
                 b'a;b="c d"', b'a;b="c,d"', b'a;b="\\"', b'"a"', b"a=1", b"\xe9", b"a;;b",
                 b"a;b=\xff"]  # fmt: skip


@pytest.mark.parametrize("offered", TOKENS)
def test_offers_of_subprotocols(offered):
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY,
                    b"Sec-WebSocket-Protocol: " + offered) is None  # fmt: skip


@pytest.mark.parametrize("offered", [*NO_TOKENS, b"", b",", b" , ", b"a, b/c", b"a, a", b"a,b,,a"])
def test_offers_of_subprotocols_are_different_tokens(offered):
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY,
                    b"Sec-WebSocket-Protocol: " + offered) is Fault.MALFORMED  # fmt: skip


def test_offers_of_subprotocols_are_different_over_all_fields():
    offers = [b"Sec-WebSocket-Protocol: a", b"Sec-WebSocket-Protocol: b"]
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY, *offers) is None
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY, *offers, offers[0]) is Fault.MALFORMED


@pytest.mark.parametrize("offered", EXTENSIONS)
def test_offers_of_extensions(offered):
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY,
                    b"Sec-WebSocket-Extensions: " + offered) is None  # fmt: skip


@pytest.mark.parametrize("offered", NO_EXTENSIONS)
def test_offers_of_extensions_that_nobody_can_read(offered):
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY, b"Sec-WebSocket-Extensions: a",
                    b"Sec-WebSocket-Extensions: " + offered) is Fault.MALFORMED  # fmt: skip


def test_offers_of_many_extensions_take_no_longer_for_being_wrong():
    """The pattern must not try all the ways to read what it cannot read."""
    long = b"a;b=1 , " * 6000 + b"\x22"
    assert fault_of(UPGRADE, CONNECTION, VERSION, KEY,
                    b"Sec-WebSocket-Extensions: " + long) is Fault.MALFORMED  # fmt: skip


def test_accept_is_the_one_of_the_rfc():
    # RFC 6455 1.3.
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def switched(*fields: bytes):
    raw = head(b"HTTP/1.1 101 Switching Protocols", UPGRADE, CONNECTION, *fields)
    return answers.parse_head(raw[:-2], b"GET", DEFAULT)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ((), []),
        ((b"Sec-WebSocket-Extensions: permessage-deflate",), [b"permessage-deflate"]),
        (
            (b"sec-websocket-extensions: Permessage-Deflate; client_max_window_bits=10 , x-a;b",),
            [b"permessage-deflate", b"x-a"],
        ),
        ((b"Sec-WebSocket-Extensions: a", b"Sec-WebSocket-Extensions: b"), [b"a", b"b"]),
        ((b"Sec-WebSocket-Extensions:",), []),
    ],
)
def test_agreed_extensions(fields, names):
    assert agreed_extensions(switched(*fields)) == names


def test_extensions_are_agreed_only_where_they_were_offered():
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-a\r\n"
    assert not_offered([b"permessage-deflate", b"x-a"], offer) == ""
    assert not_offered([b"x-a", b"x-b"], offer) == "x-b"
    assert not_offered([b"x-b"], b"") == "x-b"
    assert not_offered([], b"") == ""


@pytest.mark.parametrize("value", [token for token in TOKENS if b"," not in token])
def test_wrong_in_a_101_is_not_one_subprotocol(value):
    assert what_is_wrong(switched(b"Sec-WebSocket-Protocol: " + value)) == ""


@pytest.mark.parametrize("value", [*NO_TOKENS, b"", b"a, b", b"a,"])
def test_wrong_in_a_101_is_a_subprotocol_that_is_none(value):
    assert "Protocol" in what_is_wrong(switched(b"Sec-WebSocket-Protocol: " + value))


def test_wrong_in_a_101_are_two_subprotocols():
    field = b"Sec-WebSocket-Protocol: a"
    assert "Protocol" in what_is_wrong(switched(field, field))


def test_wrong_in_a_101_are_extensions_that_nobody_can_read():
    for value in EXTENSIONS:
        assert what_is_wrong(switched(b"Sec-WebSocket-Extensions: " + value)) == ""
    for value in NO_EXTENSIONS:
        assert "Extensions" in what_is_wrong(switched(b"Sec-WebSocket-Extensions: " + value))


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ((), []),
        ((b"Sec-WebSocket-Protocol: Chat, superchat",), ["Chat", "superchat"]),
        ((b"Sec-WebSocket-Protocol: a", b"sec-websocket-protocol: b,, c ,"), ["a", "b", "c"]),
    ],
)
def test_subprotocols_keep_their_case(fields, names):
    assert subprotocols(get(*fields).fields.kept) == names


def test_handshakes_are_reduced_to_what_is_judged():
    offered = b"Sec-WebSocket-Protocol: a,b"
    request = get(UPGRADE, CONNECTION, VERSION, KEY, offered,
                  b"Sec-WebSocket-Extensions: x-a", b"Cookie: a=b")  # fmt: skip
    reduced = handshake_request(request)
    assert wants_websocket(parse(*reduced[:-4].split(b"\r\n")))
    assert b"Sec-WebSocket-Protocol: a, b\r\n" in reduced
    assert not {b"Cookie", b"x-a"} & set(reduced.replace(b":", b" ").split())
    answer = switched(b"Sec-WebSocket-Accept: xyz", b"Sec-WebSocket-Protocol: a", b"Server: s",
                      b"Sec-WebSocket-Extensions: x-a")  # fmt: skip
    assert handshake_answer(answer) == (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: xyz\r\nSec-WebSocket-Protocol: a\r\n\r\n"
    )


def test_handshakes_are_judged_in_ascii():
    """Whoever takes \x85 for the end of a line, or UTF-8 for granted, meets neither."""
    raw = head(b"HTTP/1.1 101 X", b"Upgrade: websocket\xe9", b"Connection: upgrade, \x85",
               b"Sec-WebSocket-Accept: a\x85Connection: x\xff")  # fmt: skip
    answer = answers.parse_head(raw[:-2], b"GET", DEFAULT)
    assert handshake_answer(answer) == (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade, ?\r\nUpgrade: websocket?\r\n"
        b"Sec-WebSocket-Accept: a?Connection: x?\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("origins", "sent_origins", "allowed"),
    [
        (None, [b"https://evil.example"], True),
        (("*",), [b"https://evil.example"], True),
        (("https://a.example",), [b"https://a.example"], True),
        (("https://A.example",), [b"HTTPS://a.EXAMPLE"], True),
        (("https://a.example",), [b"https://b.example"], False),
        (("https://a.example",), [b"http://a.example"], False),
        (("https://a.example",), [b"https://a.example:8443"], False),
        (("https://a.example",), [b"https://a.example.evil"], False),
        (("https://a.example",), [b"null"], False),
        (("https://a.example",), [], True),
        (("https://a.example",), [b"https://a.example", b"https://a.example"], False),
        (("same",), [b"http://a"], True),
        (("same",), [b"https://A"], True),
        (("same",), [b"http://a:8080"], False),
        (("same",), [b"http://a:80"], True),
        (("same",), [b"https://a:443"], True),
        (("same",), [b"https://a:80"], False),
        (("same",), [b"http://a:443"], False),
        (("same",), [b"null"], False),
        (("same",), [b"a"], False),
        (("same",), [b"same"], False),
        (("same",), [b"http://b"], False),
        (("same", "https://b"), [b"https://b"], True),
        ((), [b"http://a"], False),
    ],
)
def test_origin_allowed(origins, sent_origins, allowed):
    request = get(*(b"Origin: " + origin for origin in sent_origins))
    assert origin_allowed(request, origins) is allowed


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        (b"gw.example:8080", b"http://gw.example:8080", True),
        (b"gw.example:8080", b"http://gw.example", False),
        (b"gw.example:443", b"https://gw.example", True),
        (b"GW.example:80", b"http://gw.EXAMPLE", True),
        (b"gw.example:80", b"https://gw.example", False),
        (b"[::1]:8080", b"http://[::1]:8080", True),
    ],
)
def test_origin_allowed_where_it_is_the_same_as_the_host(host, origin, allowed):
    request = parse(b"GET / HTTP/1.1", b"Host: " + host, b"Origin: " + origin)
    assert origin_allowed(request, ("same",)) is allowed


@pytest.mark.parametrize("name", [b"Origin", b"origin", b"Sec-WebSocket-Key", b"sec-websocket-new",
                                  b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions",
                                  b"Sec-WebSocket-Version"])  # fmt: skip
def test_what_a_handshake_is_judged_by_connection_names_in_vain(name):
    line = name + b": x"
    request = get(b"Connection: " + name + b", X-Other", line, b"X-Other: y")
    assert line in sent(request)
    assert b"X-Other: y" not in sent(request)

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
        (("same", "https://b"), [b"https://b"], True),
        ((), [b"http://a"], False),
    ],
)
def test_origin_allowed(origins, sent_origins, allowed):
    request = get(*(b"Origin: " + origin for origin in sent_origins))
    assert origin_allowed(request, origins) is allowed

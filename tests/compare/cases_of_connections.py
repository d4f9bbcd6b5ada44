"""Versions, pipelining, what is malformed, and connections that become WebSockets."""

from collections.abc import Iterator

from tests.compare.case import Case, answer, ask, chunks
from tests.compare.recorder import Script


def protocol() -> Iterator[Case]:
    """Versions, connections, pipelining."""
    old = b"HTTP/1.0"
    yield ask("1.0/plain", version=old)
    yield ask("1.0/without-host", version=old, host=None)
    yield ask("1.0/keep-alive", b"/api/x", b"Connection: keep-alive", version=old)
    yield ask("1.0/HEAD", version=old, method=b"HEAD")
    yield ask("1.0/POST", b"/api/x", b"Content-Length: 2", version=old, method=b"POST", body=b"hi")
    chunked = answer(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", body=chunks(b"hello"))
    yield ask("1.0/chunked-answer", version=old, script=chunked)
    yield ask("1.0/interim", version=old, script=Script(interim=b"HTTP/1.1 100 Continue\r\n\r\n"))
    yield ask("protocol/1.2", version=b"HTTP/1.2")
    yield ask("protocol/2.0", version=b"HTTP/2.0")
    yield ask("protocol/1.1-lower-case", version=b"http/1.1")
    get = b"GET /api/%d HTTP/1.1\r\nHost: app.example.test\r\n\r\n"
    post = b"POST /api/2 HTTP/1.1\r\nHost: app.example.test\r\nContent-Length: 2\r\n\r\nhi"
    yield Case("pipeline/two", get % 1 + get % 2, methods=(b"GET",) * 2)
    yield Case("pipeline/ten", b"".join(get % n for n in range(10)), methods=(b"GET",) * 10)
    yield Case("pipeline/with-a-body", get % 1 + post + get % 3, methods=(b"GET", b"POST", b"GET"))
    chunked_post = post.replace(
        b"Content-Length: 2\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n"
    ) + chunks(b"hi")
    yield Case("pipeline/after-chunks", chunked_post + get % 2, methods=(b"POST", b"GET"))
    yield Case("pipeline/empty-line-between", get % 1 + b"\r\n" + get % 2, methods=(b"GET",) * 2)
    yield Case("protocol/empty-line-first", b"\r\n" + get % 1)


_MALFORMED: dict[str, tuple[bytes, ...]] = {
    "length-and-chunked": (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "two-lengths": (b"Content-Length: 0", b"Content-Length: 5"),
    "same-length-twice": (b"Content-Length: 0", b"Content-Length: 0"),
    "length-list": (b"Content-Length: 0, 0",),
    "length-plus": (b"Content-Length: +0",),
    "length-word": (b"Content-Length: zero",),
    "length-negative": (b"Content-Length: -1",),
    "length-huge": (b"Content-Length: 99999999999999999999",),
    "transfer-identity": (b"Transfer-Encoding: identity",),
    "transfer-gzip": (b"Transfer-Encoding: gzip",),
    "transfer-twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "blank-before-colon": (b"X-A : 1",),
    "no-colon": (b"X-A",),
    "empty-name": (b": 1",),
    "blank-in-name": (b"X A: 1",),
    "folded": (b"X-A: 1", b" 2"),
    "nul-in-value": (b"X-A: a\x00b",),
    "control-in-value": (b"X-A: a\x01b",),
    "bare-cr-in-value": (b"X-A: a\rb",),
    "second-host": (b"Host: other.example.test",),
}


def malformed() -> Iterator[Case]:
    """What is refused."""
    for name, lines in _MALFORMED.items():
        yield ask(f"malformed/{name}", b"/api/x", *lines, method=b"POST")
    yield ask("malformed/no-host", host=None)
    yield ask("malformed/empty-host", host=b"")
    yield ask("malformed/host-with-path", host=b"a/b")
    yield ask("malformed/absolute-form-other-host", b"http://other.example.test/api/x")
    yield ask("malformed/blank-in-target", b"/api/a b")
    yield ask("malformed/control-in-target", b"/api/a\x01b")
    yield ask("malformed/relative-target", b"api/x")
    yield ask("malformed/fields-too-long", b"/api/x", b"X-Long: " + b"v" * 70_000)
    bad = b"Transfer-Encoding: chunked"
    for name, body in {
        "sign": b"+2\r\nhi\r\n0\r\n\r\n",
        "0x": b"0x2\r\nhi\r\n0\r\n\r\n",
        "word": b"zz\r\nhi\r\n0\r\n\r\n",
        "overrun": b"2\r\nhix\r\n0\r\n\r\n",
        "bare-line-feed": b"2\nhi\r\n0\r\n\r\n",
    }.items():
        yield ask(f"malformed/chunk-{name}", b"/api/x", bad, method=b"POST", body=body)
    host = b"Host: app.example.test"
    yield Case("malformed/bare-line-feeds", b"GET /api/x HTTP/1.1\n" + host + b"\n\n")
    yield Case("malformed/no-version", b"GET /api/x\r\n" + host + b"\r\n\r\n")
    yield Case("malformed/tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    connect = b"CONNECT app.example.test:443 HTTP/1.1\r\n" + host + b"\r\n\r\n"
    yield Case("malformed/CONNECT", connect, methods=(b"CONNECT",))


_UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
)
# "Hello", masked from the client and unmasked from the server (RFC 6455 section 5.7).
_FROM_CLIENT = bytes.fromhex("818537fa213d7f9f4d5158")
_FROM_SERVER = bytes.fromhex("810548656c6c6f")


def websockets() -> Iterator[Case]:
    """Handshakes, agreed and refused, and one message each way."""
    for name, extra, answered in (
        ("agreed", (), ()),
        ("subprotocol", (b"Sec-WebSocket-Protocol: a, b",), (b"Sec-WebSocket-Protocol: b",)),
        ("origin", (b"Origin: http://app.example.test", b"Cookie: a=1"), (b"Set-Cookie: b=2",)),
    ):
        raw = b"\r\n".join([*_SWITCH, *answered, b"", b""])
        script = Script(raw, tunnel=len(_FROM_CLIENT), frames=_FROM_SERVER, close=True)
        case = ask(f"websocket/{name}", b"/ws/room?a=1", *_UPGRADE, *extra, script=script)
        yield Case(case.name, case.raw, script, frames=_FROM_CLIENT)
    refusal = answer(b"HTTP/1.1 403 Forbidden", b"Content-Length: 2", body=b"no")
    yield ask("websocket/refused", b"/ws/", *_UPGRADE, script=refusal)
    yield ask("websocket/not-asked", b"/ws/x")

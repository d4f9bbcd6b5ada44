"""Floods over HTTP/2, from several connections at once: each is cut off, and costs no memory.

What is a flood the wire decides (tests/wire/test_http2_receiver.py); here it is the whole gateway
that must not swell, and that must serve others meanwhile.
"""

import pytest

from daarion_gw.wire import http2_frames as h2
from daarion_gw.wire.http2_frames import ErrorCode
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.fixtures import LOGGED
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import HTTP2Client, Raw, request_fields

CONFIG = f"""
gateway: {{{LOGGED}}}
routes:
  /api/: {{to: "${{ORIGIN}}"}}
"""

MEGABYTE = 1 << 20
AT_ONCE = 4
MAY_GROW_BY = 6 * MEGABYTE
END_HEADERS = h2.END_HEADERS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        listen=[ANYWHERE, f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def connect(gateway, certificate):
    def make():
        context = client_context(certificate[0])
        context.set_alpn_protocols(["h2"])
        return gateway.connect_tls(1, context, NAME)

    return make


@pytest.fixture
def client(connect):
    """One that means no harm."""
    return HTTP2Client(connect())


def request(*more: tuple[str, str], method: str = "GET", path: str = "/healthz") -> bytes:
    """A head's block that leaves the table as it is."""
    return b"".join(
        b"\0" + _string(name) + _string(value)
        for name, value in (*request_fields(method, path), *more)
    )


def _string(text: str) -> bytes:
    size = len(text)
    if size < 0x7F:
        return bytes([size]) + text.encode()
    size -= 0x7F
    coded = bytearray([0x7F])
    while size > 0x7F:
        coded.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*coded, size]) + text.encode()


def split_head(number: int, block: bytes) -> bytes:
    """A block as HEADERS and CONTINUATION, as large as frames may be."""
    pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    kinds = [h2.HEADERS, *[h2.CONTINUATION] * (len(pieces) - 1)]
    last = len(pieces) - 1
    return b"".join(
        h2.frame(kind, END_HEADERS * (place == last) | (kind == h2.HEADERS), number, piece)
        for place, (kind, piece) in enumerate(zip(kinds, pieces, strict=True))
    )


def endless_head(piece: bytes, times: int) -> bytes:
    """CVE-2024-27316 and its like: a header block that goes on and on."""
    begin = h2.frame(h2.HEADERS, h2.END_STREAM, 1, request())
    return begin + h2.frame(h2.CONTINUATION, 0, 1, piece) * times


def many_heads(block: bytes, times: int = 600) -> bytes:
    return b"".join(split_head(2 * place + 1, block) for place in range(times))


def rapid_reset(times: int = 600) -> bytes:
    """CVE-2023-44487."""
    block = request(path="/api/x")
    return b"".join(
        h2.frame(h2.HEADERS, END_HEADERS | h2.END_STREAM, 2 * place + 1, block)
        + h2.reset(2 * place + 1, ErrorCode.CANCEL)
        for place in range(times)
    )


def body_of_nothing(frame: bytes, times: int = 1_500) -> bytes:
    """CVE-2019-9518."""
    head = h2.frame(h2.HEADERS, END_HEADERS, 1, request(method="POST", path="/api/x"))
    return head + frame * times


SETTINGS = b"".join(number.to_bytes(2, "big") + bytes(4) for number in range(0x100, 0x100 + 1000))

FLOODS = {
    "rapid reset": rapid_reset(),
    "large continuations": endless_head(b"\0\1a" + b"\x7f\x80\x7f" + b"b" * 16378, 100),
    "continuations of one byte": endless_head(b"\x82", 1_500),
    "continuations of nothing": endless_head(b"", 1_500),
    "names of no length": many_heads(request() + bytes(3) * 20, 3_000),
    "DATA of nothing": body_of_nothing(h2.frame(h2.DATA, 0, 1)),
    "DATA of padding": body_of_nothing(h2.frame(h2.DATA, h2.PADDED, 1, b"\x20" + bytes(32))),
    "PING": h2.frame(h2.PING, 0, 0, bytes(8)) * 1_500,
    "SETTINGS": h2.frame(h2.SETTINGS, 0, 0) * 1_500,
    "large SETTINGS": h2.frame(h2.SETTINGS, 0, 0, SETTINGS) * 50,
    "PRIORITY": h2.frame(h2.PRIORITY, 0, 1, bytes(4) + b"\1") * 1_500,
    "WINDOW_UPDATE": h2.window_update(0, 1) * 1_500,
    "frames that nobody knows": h2.frame(0xEE, 0, 0, bytes(64)) * 1_500,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_is_cut_off_and_costs_nothing(gateway, connect, client, origin, flood):
    assert client.get("/healthz").status == 200
    before = gateway.memory
    raws = [Raw(connect()) for _ in range(AT_ONCE)]
    for raw in raws:
        raw.stream.send(flood)
    assert client.get("/healthz").status == 200, "others are served"
    for raw in raws:
        assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM
    assert gateway.memory - before < MAY_GROW_BY
    origin.forget()


def test_a_table_larger_than_agreed(connect):
    raw = Raw(connect())
    update = b"\x3f\xe1\xff\x3f"  # a megabyte
    raw.send(h2.HEADERS, END_HEADERS | h2.END_STREAM, 1, update + request())
    assert raw.ended_with() == ErrorCode.COMPRESSION_ERROR


def test_a_small_block_that_means_a_large_list(gateway, connect, client):
    """One field of almost all of the table, and fifty thousand times the byte that repeats it."""
    bomb = request() + b"\x40" + _string("x-a") + _string("y" * 4000) + b"\xbe" * 50_000
    before = gateway.memory
    raws = [Raw(connect()) for _ in range(AT_ONCE)]
    for raw in raws:
        raw.stream.send(many_heads(bomb, 5))
    for raw in raws:
        for place in range(5):
            raw.until(h2.HEADERS, 2 * place + 1)
            assert (b":status", b"431") in raw.last_fields
        assert raw.is_alive()
    assert gateway.memory - before < MAY_GROW_BY
    assert client.get("/healthz").status == 200


def test_many_small_fields(connect):
    raw = Raw(connect())
    raw.stream.send(split_head(1, request(*[("a", "b")] * 3_000)))
    raw.until(h2.HEADERS, 1)
    assert (b":status", b"431") in raw.last_fields
    assert raw.is_alive()


def test_clients_that_open_streams_and_no_window(gateway, connect, client, origin):
    """Each holds its server back, at most by what one stream may keep."""
    before = gateway.memory
    raws = [Raw(connect()) for _ in range(4)]
    for raw in raws:
        raw.send(h2.SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
        for place in range(20):
            raw.headers(2 * place + 1, *request_fields("GET", "/api/x"))
    fars = [origin.accept() for _ in range(80)]
    for far in fars:
        far.head()
        far.send_some(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 4 * MEGABYTE, 0.02
        )
    assert gateway.memory - before < 80 * 256 * 1024
    assert client.get("/healthz").status == 200
    for raw in raws:
        raw.stream.close()
    for far in fars:
        far.rest()

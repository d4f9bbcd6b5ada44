"""HTTP/2 clients that mean no good, that are slow, and that are to go: one gateway survives all."""

import threading
import time

import pytest

from daarion_gw.wire import http2_frames as h2
from daarion_gw.wire.http2_frames import ErrorCode
from daarion_gw.wire.http2_streams import STREAMS_AT_MOST
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.fixtures import LOGGED
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import PREFACE, HTTP2Client, Raw, request_fields
from tests.support.message import answer
from tests.support.waiting import Stopwatch, until
from tests.wire.http2_played import block as block_of

CONFIG = f"""
gateway:
  {LOGGED}
  head_timeout: 500ms
  keep_alive: 1s
  drain_timeout: 5s
routes:
  /api/: {{to: "${{ORIGIN}}", timeouts: {{send: 500ms}}}}
"""

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def started(tmp_path_factory, far_side, certificate):
    """Makes gateways; they are stopped at the end."""
    gateways = []
    cert, key = certificate

    def start() -> GatewayProcess:
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("gateway"),
            CONFIG,
            listen=[
                ANYWHERE,
                f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
            ],
            ORIGIN=far_side["ORIGIN"].url,
        )
        gateways.append(gateway)
        return gateway

    yield start
    for gateway in gateways:
        gateway.kill()


@pytest.fixture(scope="module")
def running(started):
    gateway = started()
    yield gateway
    gateway.stop()


def stream_to(gateway, certificate):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    return gateway.connect_tls(1, context, NAME)


@pytest.fixture
def client(gateway, certificate):
    return HTTP2Client(stream_to(gateway, certificate))


@pytest.fixture
def raw(gateway, certificate):
    return Raw(stream_to(gateway, certificate))


# what the connection ends with is said, and others go on


def test_a_broken_rule_is_named_and_the_connection_closed(gateway, raw, client):
    raw.send(h2.PING, 0, 1, b"12345678")
    assert raw.ended_with() == ErrorCode.PROTOCOL_ERROR
    assert client.get("/healthz").body == b"OK"
    assert raw.stream.gone_within(4)
    gateway.says("ended with PROTOCOL_ERROR: PING on a stream")


def test_what_was_under_way_ends_with_the_connection(raw, origin):
    raw.headers(1, *request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    raw.send(h2.DATA, 0, 0, b"x")
    with Stopwatch() as watch:
        assert far.rest() == b""
    assert watch.seconds < 0.5
    assert raw.ended_with() == ErrorCode.PROTOCOL_ERROR


def test_http_1_where_http_2_was_agreed_on(gateway, certificate):
    stream = stream_to(gateway, certificate)
    stream.send(b"GET /healthz HTTP/1.1\r\nHost: gw.example\r\n\r\n")
    assert b"HTTP/1.1" not in stream.rest()


def test_a_malformed_request_is_answered_reset_and_logged(gateway, raw):
    raw.headers(1, *request_fields("GET", "/odd", ("connection", "close")))
    raw.until(h2.HEADERS, 1)
    assert (b":status", b"400") in raw.last_fields
    reset = raw.until(h2.RST_STREAM, 1)
    assert reset.code == ErrorCode.PROTOCOL_ERROR
    assert raw.is_alive()
    assert gateway.entry(status=400)["fault"] == "MALFORMED"


def test_a_body_that_is_not_as_long_as_it_said(raw, origin):
    raw.headers(1, *request_fields("POST", "/api/x", ("content-length", "5")), flags=4)
    far = origin.accept()
    head = far.head()
    raw.send(h2.DATA, 1, 1, b"abc")
    assert raw.until(h2.RST_STREAM, 1).code == ErrorCode.PROTOCOL_ERROR
    assert head.value(b"content-length") == b"5" and far.rest() in (b"", b"abc")
    assert raw.is_alive()


# attacks


def test_rapid_reset(gateway, raw, client, origin):
    """CVE-2023-44487: the purse is empty long before anybody else notices."""
    for place in range(600):
        raw.headers(2 * place + 1, *request_fields("GET", "/api/x"))
        raw.send(h2.RST_STREAM, 0, 2 * place + 1, b"\0\0\0\x08")
    assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM
    gateway.says("too many streams that were reset")
    assert client.get("/healthz").body == b"OK"
    origin.forget()


def test_made_you_reset(raw, client, origin):
    """CVE-2025-8671: whoever makes us reset pays the same."""
    for place in range(600):
        raw.headers(2 * place + 1, *request_fields("GET", "/api/x"))
        raw.send(h2.WINDOW_UPDATE, 0, 2 * place + 1, b"\0\0\0\0")
    assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM
    assert client.get("/healthz").body == b"OK"
    origin.forget()


def test_a_head_that_goes_on_and_on(raw):
    raw.headers(1, flags=1)
    for _ in range(5):
        raw.send(h2.CONTINUATION, 0, 1, b"\x82" * 16_384)
    assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(h2.PING, b"12345678"), (h2.SETTINGS, b""), (h2.WINDOW_UPDATE, b"\0\0\0\1")],
)
def test_floods(raw, kind, payload):
    raw.stream.send(h2.frame(kind, 0, 0, payload) * 1_200)
    assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM


def test_answers_that_nobody_reads_do_not_pile_up(gateway, raw):
    """Requests for the gateway's own pages: their answers end the streams and count for none."""
    # No body, so that no window holds them back.
    block = block_of(request_fields("HEAD", "/nowhere"))
    before = gateway.memory
    requests = b"".join(
        h2.frame(h2.HEADERS, 5, number, block) for number in range(1, 2 * 500_000, 2)
    )
    sent = raw.stream.send_some(requests, within=1.0)
    assert sent < len(requests)
    assert gateway.memory - before < 16 * MEGABYTE


def test_windows_of_one_byte(raw, origin):
    """CVE-2019-9511: each byte costs a frame, and that is paid for."""
    raw.send(h2.SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
    raw.headers(1, *request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"x" * 100_000))
    raw.stream.send(h2.window_update(1, 1) * 1_200)
    assert raw.ended_with() == ErrorCode.ENHANCE_YOUR_CALM


def test_more_streams_than_may_be(raw, origin):
    for place in range(STREAMS_AT_MOST + 1):
        raw.headers(2 * place + 1, *request_fields("GET", "/api/x"))
    last = 2 * STREAMS_AT_MOST + 1
    assert raw.until(h2.RST_STREAM).stream == last
    far = origin.accept()
    far.request()
    far.send(answer(204))
    raw.until(h2.HEADERS)
    raw.headers(last + 2)
    raw.until(h2.HEADERS, last + 2)
    origin.forget()


def test_many_slow_readers_are_no_great_burden(gateway, raw, origin):
    raw.send(h2.SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
    before = gateway.memory
    for place in range(50):
        raw.headers(2 * place + 1, *request_fields("GET", "/api/x"))
        far = origin.accept()
        far.head()
        far.send_some(answer(200, b"x" * 4 * MEGABYTE), within=0.02)
    assert gateway.memory - before < 50 * 256 * 1024
    # And each of them is given up in its time.
    for _ in range(50):
        assert raw.until(h2.RST_STREAM).code == ErrorCode.INTERNAL_ERROR
    assert raw.is_alive()


# slowness


def test_a_preface_that_does_not_come(gateway, certificate):
    stream = stream_to(gateway, certificate)
    with Stopwatch() as watch:
        stream.rest()
    assert watch.seconds < 4


def test_a_preface_that_drips(gateway, certificate):
    stream = stream_to(gateway, certificate)
    stream.send(PREFACE[:10])
    until(lambda: not stream.more(), what="the end")


@pytest.mark.parametrize("flags", [1, 5])
def test_a_head_that_does_not_end_in_time(raw, flags):
    if flags == 1:
        raw.headers(1, flags=1)
    else:
        raw.stream.send(h2.frame_head(100, h2.HEADERS, 5, 1) + b"\x82")
    with Stopwatch() as watch:
        assert raw.ended_with() == ErrorCode.PROTOCOL_ERROR
    assert 0.3 < watch.seconds < 3


def test_a_client_that_always_has_half_a_head_sent_is_busy_and_not_slow(raw):
    block = block_of(request_fields("HEAD", "/healthz"))
    end = time.monotonic() + 1.5
    number, rest = 1, b""
    while time.monotonic() < end:
        whole = h2.frame(h2.HEADERS, 5, number, block)
        following = h2.frame(h2.HEADERS, 5, number + 2, block)
        raw.stream.send((rest or whole) + following[:12])
        rest = following[12:]
        raw.until(h2.HEADERS, number)
        number += 2
    raw.stream.send(rest)
    raw.until(h2.HEADERS, number)
    assert raw.is_alive()


def test_an_idle_connection_is_ended_and_pings_do_not_keep_it(raw):
    raw.headers(1)
    with Stopwatch() as watch:
        for _ in range(4):
            assert raw.is_alive()
            raw.stream.says_nothing(0.15)
        assert raw.ended_with() == ErrorCode.NO_ERROR
    assert 0.9 < watch.seconds < 3
    assert raw.stream.gone_within(4) and raw.stream.ending == "closed"


def test_a_connection_with_a_stream_is_not_idle(client, origin):
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    assert client.goaway is None
    with pytest.raises(AssertionError):
        client.more(within=1.8)
        client.more(within=1.8)
        client.more(within=1.8)
    far.send(answer(200, b"late"))
    assert client.answer(number).body == b"late"


def test_a_client_that_reads_nothing_at_all_is_given_up(client, origin):
    client.h2.update_settings({4: 2**31 - 1})
    client.h2.increment_flow_control_window(2**30)
    client.flush()
    client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    sender = threading.Thread(target=far.send, args=(answer(200, b"x" * 50 * MEGABYTE),))
    sender.start()
    sender.join(10)
    assert not sender.is_alive(), "the upstream was let go"


# leaving


def test_a_client_that_says_goodbye_gets_what_is_under_way(client, origin):
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    client.stream.send(h2.goaway(0, 0))
    far.send(answer(200, b"the last"))
    assert client.answer(number).body == b"the last"
    with Stopwatch() as watch:
        assert client.stream.gone_within(4) and client.stream.ending == "closed"
    assert watch.seconds < 0.5, "it was not idleness that ended it"


def test_a_gateway_that_stops_lets_streams_finish(started, certificate, far_side):
    gateway, origin = started(), far_side["ORIGIN"]
    idle = HTTP2Client(stream_to(gateway, certificate))
    assert idle.get("/healthz").body == b"OK"
    raw = Raw(stream_to(gateway, certificate))
    raw.headers(1, *request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    gateway.terminate()
    # First it only asks for no more: what is on its way is taken (RFC 9113 6.8).
    idle.hear_until(lambda: idle.goaway is not None)
    assert (idle.goaway, idle.goaway_last) == (ErrorCode.NO_ERROR, 2**31 - 1)
    idle.hear_until(lambda: idle.goaway_last == 1)
    assert raw.until(h2.GOAWAY).payload == b"\x7f\xff\xff\xff" + bytes(4)
    goodbye = raw.until(h2.GOAWAY)
    assert goodbye.payload == b"\0\0\0\1" + bytes(4)
    # What is asked now is nobody's: it may be asked elsewhere.
    raw.headers(3)
    far.send(answer(200, b"the last"))
    data = raw.until(h2.DATA)
    assert (data.stream, data.payload, data.flags) == (1, b"the last", h2.END_STREAM)
    assert raw.stream.rest() == b"" and raw.stream.ending == "closed"
    assert gateway.exit_code() == 0
    assert "Traceback" not in gateway.output

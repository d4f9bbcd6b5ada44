"""The same over TLS: an ``ssl:`` listener of Twisted's, with one certificate."""

import ssl
import threading

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import HTTP2Client
from tests.support.message import answer, get, old, post, request
from tests.support.waiting import Stopwatch
from tests.support.websocket import BINARY, TEXT, close, frame, open_websocket, read_frame

CONFIG = """
gateway:
  access_log: off
  head_timeout: 500ms
routes:
  /api/: {to: "${ORIGIN}"}
  /small/: {to: "${ORIGIN}", max_body: 1K, websocket: {max_message_size: 1000}}
"""

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        listen=[ANYWHERE, f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def client(gateway, certificate):
    return gateway.connect_tls(1, client_context(certificate[0]), NAME)


def test_the_upstream_is_told_about_it(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    seen = far.request()
    assert seen.value(b"x-forwarded-proto") == b"https"
    far.send(answer(302, b"", "Location: https://gw.example/login"))
    assert client.answer().value(b"location") == b"https://gw.example/api/login"


def test_one_request_after_the_other(client, origin):
    client.send(get("/healthz") + get("/api/1") + get("/healthz"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"one"))
    assert [client.answer().body for _ in range(3)] == [b"OK", b"one", b"OK"]


def test_large_bodies_in_both_directions(client, origin):
    size = 20 * MEGABYTE
    sender = threading.Thread(target=client.send, args=(post("/api/x", b"u" * size),))
    sender.start()
    far = origin.accept()
    assert far.request().body == b"u" * size
    sender.join()
    sender = threading.Thread(target=far.send, args=(answer(200, b"d" * size),))
    sender.start()
    assert client.answer().body == b"d" * size
    sender.join()
    assert client.ask(get("/healthz")).body == b"OK"


def test_a_client_that_does_not_read_holds_the_server_back(gateway, client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
    client.head()
    before = gateway.memory
    sent = 0
    while (taken := far.send_some(b"x" * MEGABYTE, within=0.3)) == MEGABYTE:
        sent += taken
        assert sent < 200 * MEGABYTE
    assert gateway.memory - before < 8 * MEGABYTE
    client.skip(sent)
    assert far.send_some(b"x", within=5) == 1


def test_a_client_that_goes_away_takes_the_upstream_with_it(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    client.close()
    with Stopwatch() as watch:
        assert far.rest() == b""
    assert watch.seconds < 0.1


def test_a_client_that_still_sends_sees_why_it_was_refused(client):
    client.send(post("/small/x", b"x" * 200_000))
    assert client.answer().status == 413
    assert client.gone_within(4)


@pytest.mark.parametrize("ask", [get("/api/x"), old("GET", "/api/x", "Host: x")])
def test_an_answer_cut_short_is_no_end(client, origin, ask):
    client.send(ask)
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.read_until(b"hello")
    far.close()
    assert client.rest() in (b"", b"\r\n")
    assert client.ending == "reset", "TLS did not say goodbye"


def test_an_early_answer(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 1000") + b"x" * 10)
    far = origin.accept()
    far.head()
    far.send(answer(401, b"no"))
    assert client.answer().body == b"no"
    client.send(b"x" * 990)
    assert client.ask(get("/healthz")).body == b"OK"


def test_the_end_is_said_before_the_connection_closes(client):
    """Without TLS's own close a client could not tell the end from an attack."""
    client.send(get("/healthz", "Connection: close"))
    assert client.answer().body == b"OK"
    assert client.rest() == b"" and client.ending == "closed"


def test_a_head_that_does_not_end_in_time(client):
    client.send(b"GET /healthz HTTP/1.1\r\n")
    assert client.answer().status == 408


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/1", "http/1.1", "h2"], "h2"),
        (["spdy/1", "http/1.1"], "http/1.1"),
        ([], None),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_alpn_agrees_on(gateway, certificate, offered, agreed, version):
    context = client_context(certificate[0])
    context.minimum_version = context.maximum_version = version
    if offered:
        context.set_alpn_protocols(offered)
    client = gateway.connect_tls(1, context, NAME)
    assert client.socket.selected_alpn_protocol() == agreed
    if agreed == "h2":
        assert HTTP2Client(client).get("/healthz").body == b"OK"
    else:
        assert client.ask(get("/healthz")).body == b"OK"


def test_where_there_is_nothing_to_agree_on_twisteds_handshake_ends_with_an_alert(
    gateway, certificate
):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["spdy/1"])
    with pytest.raises(ssl.SSLError, match="ALERT"):
        gateway.connect_tls(1, context, NAME)


def test_who_speaks_http_2_without_having_agreed_on_it_is_told(client):
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    assert client.answer().status == 505
    assert client.gone_within(4)


def test_plain_http_on_the_tls_port_is_closed(gateway):
    client = gateway.connect(1)
    client.send(get("/healthz"))
    assert b"OK" not in client.rest()
    assert gateway.connect(0).ask(get("/healthz")).body == b"OK"


def test_a_handshake_that_never_comes_is_not_waited_for(gateway):
    client = gateway.connect(1)
    with Stopwatch() as watch:
        client.rest()
    assert watch.seconds < 3


def test_a_websocket(client, origin):
    far, seen, _ = open_websocket(client, origin, "/api/ws")
    assert seen.value(b"x-forwarded-proto") == b"https"
    client.send(frame(TEXT, b"up"))
    assert read_frame(far).payload == b"up"
    far.send(frame(TEXT, b"down" * 100_000, masked=False))
    assert read_frame(client).payload == b"down" * 100_000
    far.close()
    assert read_frame(client).code == 1011
    client.send(close(1011))
    assert client.rest() == b""


def test_a_websocket_whose_client_dies(client, origin):
    far, _, _ = open_websocket(client, origin, "/api/ws")
    client.close()
    assert read_frame(far).code == 1001


def test_a_websocket_violation(client, origin):
    far, _, _ = open_websocket(client, origin, "/api/ws")
    client.send(frame(3, b"x"))
    assert read_frame(client).code == 1002
    assert read_frame(far).code == 1002


def test_a_websocket_violation_of_a_client_that_goes_on_sending(client, origin):
    far, _, _ = open_websocket(client, origin, "/small/ws")
    piece = b"x" * 65536
    client.send(frame(BINARY, piece * 64)[:100])
    assert read_frame(far).code == 1009
    for _ in range(64):
        client.send(piece)
    assert client.ending is None, "it could send all"
    assert read_frame(client).code == 1009
    assert client.gone_within(8)

"""Behind a balancer that speaks the PROXY protocol: who the client is, and who may say so."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from tests.support.balancer import BALANCER, LINE, OTHER, REAL, Behind, command, line
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.http2 import HTTP2Client, request_fields
from tests.support.message import answer, get, request
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import TEXT, frame, open_websocket, read_frame
from tests.wire.test_proxy_header import BLOCK as TCP4
from tests.wire.test_proxy_header import CLIENT6, HERE6, binary, with_checksum

CONFIG = """
gateway:
  proxy_protocol: [127.0.0.2, unix]
  head_timeout: 500ms
  access_log: {format: json, file: access.log}
routes:
  /api/: "${ORIGIN}"
"""
TCP6 = CLIENT6.address.packed + HERE6.address.packed + TCP4[-4:]
LARGE = os.urandom(1 << 20) * 8
PLAIN, OURS, TWISTEDS = 0, 1, 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    folder = tmp_path_factory.mktemp("gateway")
    listen = [f"{kind}:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
              for kind in ("daarion-tls", "ssl")]  # fmt: skip
    started = command(*listen, f"unix:{folder / 'gw.sock'}")
    gateway = Behind(folder, CONFIG, command=started, ORIGIN=far_side["ORIGIN"].url)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def started(tmp_path, far_side):
    """Start a gateway with another configuration."""
    running = []

    def start(config: str, *listen: str, workers: int = 1) -> Behind:
        words = [*command(*listen), "--workers", str(workers)]
        gateway = Behind(tmp_path, config, command=words, ORIGIN=far_side["ORIGIN"].url)
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        try:
            gateway.stop()
        finally:
            gateway.kill()


def seen_by(origin, client, *lines: str):
    """What the server sees of a request, which it answers."""
    client.send(get("/api/x", *lines))
    far = origin.accept()
    seen = far.request()
    far.send(answer(200))
    assert client.answer().status == 200
    far.close()
    return seen


def is_cut(client) -> bool:
    return client.rest() == b"" and client.ending in ("closed", "reset")


# whom it names


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (LINE, "203.0.113.9"),
        (b"PROXY TCP6 2001:DB8:0::9 2001:db8::1 1 443\r\n", "2001:db8::9"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 443\r\n", "203.0.113.9"),
        (binary(), "203.0.113.9"),
        (with_checksum(TCP4), "203.0.113.9"),
        (binary(TCP6, family=0x21), "2001:db8::9"),
        # Its own, for a probe say, and what is no TCP: then it is the client itself.
        (b"PROXY UNKNOWN\r\n", BALANCER),
        (binary(b"", 0x20, 0x00), BALANCER),
        (binary(bytes(216), family=0x31), BALANCER),
    ],
)
def test_the_client_is_whom_the_header_names(gateway, origin, header, address):
    target = f"/nothing/{header[12:].hex()}"
    client = gateway.introduced(header)
    seen = seen_by(origin, client)
    assert seen.value(b"x-forwarded-for") == seen.value(b"x-real-ip") == address.encode()
    assert seen.value(b"x-forwarded-proto") == b"http"
    got = client.ask(get(target))
    # The balancer is trusted as such (it is on the loopback), its clients are not.
    assert ("detail" in json.loads(got.body)) is (address == BALANCER)
    assert gateway.entry(target=target)["client"] == address


def test_what_the_client_says_about_itself_is_not_believed(gateway, origin):
    seen = seen_by(origin, gateway.introduced(), "X-Forwarded-For: 198.51.100.7")
    assert seen.all(b"x-forwarded-for") == [REAL.encode()]


def test_it_comes_byte_by_byte_and_the_request_too(gateway, origin):
    client = gateway.introduced(b"")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in LINE + get("/api/slowly"):
        client.send(bytes([byte]))
    assert origin.accept().request().value(b"x-real-ip") == REAL.encode()


def test_it_comes_together_with_the_request(gateway, origin):
    gateway.introduced(binary() + get("/api/at-once"))
    assert origin.accept().request().value(b"x-real-ip") == REAL.encode()


def test_many_requests_on_one_connection(gateway, origin):
    client = gateway.introduced()
    for _ in range(3):
        assert seen_by(origin, client).value(b"x-real-ip") == REAL.encode()


def test_a_websocket(gateway, origin):
    client = gateway.introduced()
    far, seen, _ = open_websocket(client, origin, "/api/ws")
    assert seen.value(b"x-real-ip") == REAL.encode()
    client.send(frame(TEXT, b"hello"))
    assert read_frame(far).payload == b"hello"
    far.send(frame(TEXT, b"and back", masked=False))
    assert read_frame(client).payload == b"and back"


def pipes(gateway) -> int:
    folder = Path(f"/proc/{gateway.process.pid}/fd")
    return sum(1 for each in folder.iterdir() if str(each.readlink()).startswith("pipe:"))


def test_large_bodies_pass_inside_the_kernel(gateway, origin):
    before = pipes(gateway)
    client = gateway.introduced()
    client.send(get("/api/large"))
    far = origin.accept()
    far.request()
    # The first byte alone: once the client has it, nothing waits before the rest.
    whole = answer(200, LARGE)
    far.send(whole[: 1 - len(LARGE)])
    client.head()
    assert client.read(1) == LARGE[:1]
    sender = threading.Thread(target=far.send, args=(LARGE[1:],))
    sender.start()
    assert client.read(len(LARGE) - 1) == LARGE[1:]
    sender.join()
    assert pipes(gateway) == before + 2, "it passed through one"
    client.send(request("POST", "/api/large", f"Content-Length: {len(LARGE)}"))
    sender = threading.Thread(target=client.send, args=(LARGE,))
    sender.start()
    assert far.request().body == LARGE
    sender.join()


# before TLS


@pytest.mark.parametrize("index", [OURS, TWISTEDS])
@pytest.mark.parametrize("header", [LINE, binary()], ids=["v1", "v2"])
def test_before_tls(gateway, origin, certificate, header, index):
    context = client_context(certificate[0])
    client = gateway.introduced_tls(header, index, context, NAME)
    seen = seen_by(origin, client)
    assert seen.value(b"x-real-ip") == REAL.encode()
    assert seen.value(b"x-forwarded-proto") == b"https"


@pytest.mark.parametrize("index", [OURS, TWISTEDS])
def test_before_http_2(gateway, origin, certificate, index):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    client = HTTP2Client(gateway.introduced_tls(LINE, index, context, NAME))
    stream = client.begin(request_fields("GET", "/api/two"), ends=True)
    far = origin.accept()
    assert far.request().value(b"x-forwarded-for") == REAL.encode()
    far.send(answer(200, b"both"))
    assert client.answer(stream).body == b"both"


# who may say so


@pytest.mark.parametrize("header", [LINE, binary()], ids=["v1", "v2"])
def test_from_elsewhere_it_is_a_bad_request(gateway, origin, header):
    client = gateway.connect_from(OTHER, header + get("/api/x"))
    assert client.answer().status == 400
    assert client.rest() == b""
    assert origin.is_untouched
    assert gateway.entry(status=400)["client"] == OTHER


def test_who_is_not_trusted_to_say_it_need_not(gateway, origin):
    assert seen_by(origin, gateway.connect_from(OTHER)).value(b"x-real-ip") == OTHER.encode()


@pytest.mark.parametrize(
    "sent", [get("/api/x"), b"PROXY TCP4 1.2.3.4\r\n" + get("/api/x"), binary(family=0x51)]
)
def test_a_balancer_without_a_header_is_refused(gateway, origin, sent):
    refused = gateway.status()["connections"]["refused"].get("400", 0)
    assert is_cut(gateway.introduced(sent))
    assert origin.is_untouched
    assert gateway.status()["connections"]["refused"]["400"] == refused + 1
    gateway.says(f"a connection from {BALANCER} was refused: ")
    gateway.says("gateway.proxy_protocol wants a PROXY header from there")


def test_tls_without_a_header_is_refused(gateway, certificate):
    with pytest.raises(OSError):
        gateway.introduced_tls(b"", OURS, client_context(certificate[0]), NAME)


def test_one_that_does_not_come_in_time(gateway):
    client = gateway.introduced(LINE[:-1])
    with Stopwatch() as watch:
        assert is_cut(client)
    assert 0.4 < watch.seconds < 3
    # It had half a second for the header; the head gets its own.
    client = gateway.introduced()
    assert client.ask(get("/healthz")).status == 200


def test_one_that_leaves_before_it_has_said_it(gateway):
    before = gateway.status()["connections"]
    gateway.introduced(b"").close()
    gateway.introduced(LINE[:9]).close()
    after = until(lambda: gateway.open == before["open"] and gateway.status()["connections"])
    assert after["accepted"] == before["accepted"] + 2
    assert after["refused"] == before["refused"]


def test_each_connection_is_counted_once(gateway):
    before = gateway.status()["connections"]
    client = gateway.introduced()
    assert client.ask(get("/healthz")).status == 200
    during = gateway.status()["connections"]
    assert during["accepted"] == before["accepted"] + 1
    assert during["open"] == before["open"] + 1
    client.close()
    until(lambda: gateway.open == before["open"])


def test_a_unix_socket(gateway, origin):
    path = gateway.folder / "gw.sock"
    client = gateway.connect_unix(path)
    client.send(LINE)
    assert seen_by(origin, client).value(b"x-real-ip") == REAL.encode()
    client = gateway.connect_unix(path)
    client.send(get("/api/x"))
    assert is_cut(client)


# limits

LIMITED = """
gateway: {proxy_protocol: 127.0.0.2, access_log: off, limits: {LIMITS}}
routes: {}
"""


def test_the_limit_per_client_is_the_real_clients(started):
    gateway = started(LIMITED.replace("LIMITS", "per_client: 2"))
    first, _ = (gateway.introduced(line("203.0.113.9")) for _ in range(2))
    assert first.ask(get("/healthz")).status == 200
    until(lambda: gateway.open == 2)
    assert gateway.introduced(line("203.0.113.9")).answer().status == 503
    # The balancer itself may have as many as like.
    others = [gateway.introduced(line(f"203.0.113.{last}")) for last in (10, 11, 12)]
    assert [other.ask(get("/healthz")).status for other in others] == [200, 200, 200]
    first.close()
    until(lambda: gateway.open == 4)
    assert gateway.introduced(line("203.0.113.9")).ask(get("/healthz")).status == 200


def test_who_has_not_introduced_anybody_yet_counts_in_all(started):
    gateway = started(LIMITED.replace("LIMITS", "connections: 2"))
    first = gateway.introduced(b"")
    gateway.introduced(b"")
    until(lambda: gateway.open == 2)
    assert gateway.introduced(b"").answer().status == 503, "it need not say whose it would be"
    # There is room for those who have come before it was full.
    first.send(LINE)
    assert first.ask(get("/healthz")).status == 200


# life

PORTS = """
gateway: {proxy_protocol: SAID, access_log: off}
routes: {}
"""


def test_only_the_listeners_that_are_said(started):
    port = free_port()
    said = f"{{trusted: [127.0.0.2, unix], ports: [{port}, 9]}}"
    listen = (f"tcp:{port}:interface=127.0.0.1", "unix:gw.sock")
    gateway = started(PORTS.replace("SAID", said), *listen)
    assert gateway.introduced(b"", index=0).ask(get("/healthz")).status == 200
    assert gateway.introduced(LINE, index=1).ask(get("/healthz")).status == 200
    assert is_cut(gateway.introduced(get("/healthz"), index=1))
    # A UNIX socket has no port to be chosen by.
    client = gateway.connect_unix(gateway.folder / "gw.sock")
    client.send(get("/healthz"))
    assert is_cut(client)
    gateway.says("gateway.proxy_protocol.ports: nobody listens on 9")


def test_several_workers(started):
    gateway = started(PORTS.replace("SAID", "127.0.0.2"), workers=2)
    clients = [gateway.introduced(LINE) for _ in range(4)]
    assert [client.ask(get("/healthz")).status for client in clients] == [200] * 4
    assert is_cut(gateway.introduced(get("/healthz")))
    until(lambda: gateway.open == 4)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_reload_turns_it_on_and_off(started):
    gateway = started(PORTS.replace("SAID", "off"))
    plain = gateway.introduced(b"")
    assert plain.ask(get("/healthz")).status == 200
    gateway.file.write_text(PORTS.replace("SAID", "127.0.0.2"))
    gateway.reload()
    assert gateway.introduced(LINE).ask(get("/healthz")).status == 200
    assert is_cut(gateway.introduced(get("/healthz")))
    assert plain.ask(get("/healthz")).status == 200, "who was there stays"
    gateway.file.write_text(PORTS.replace("SAID", "127.0.0.3"))
    gateway.reload()
    assert gateway.introduced(b"").ask(get("/healthz")).status == 200
    gateway.file.write_text(PORTS.replace("SAID", "off"))
    gateway.reload()
    assert gateway.introduced(LINE + get("/healthz")).answer().status == 400


def test_one_that_waits_does_not_hold_up_the_end(started):
    gateway = started(PORTS.replace("SAID", "127.0.0.2"))
    client = gateway.introduced(b"")
    until(lambda: gateway.open == 1)
    with Stopwatch() as watch:
        gateway.terminate()
        assert gateway.exit_code() == 0
    assert is_cut(client)
    assert watch.seconds < 15, "it was given as much as an exchange"

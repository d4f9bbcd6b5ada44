"""Behind an outer nginx, which has the certificate and speaks HTTP/1.1 or 1.0 to the gateway.

The test is client and server; what stands between is nginx with deploy/nginx/outer.conf, and the
gateway.
"""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from daarion_gw.wire.request import IDENTITY_NAMES
from tests.real.nginx_before import nginx_before
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import GatewayProcess
from tests.support.http2 import HTTP2Client, request_fields
from tests.support.message import LAST_CHUNK, answer, chunk, get, request
from tests.support.origin import Origin
from tests.support.stream import Client
from tests.support.websocket import TEXT, frame, open_websocket, read_frame

# The outer nginx comes from 127.0.0.1; the client is somebody else.
CLIENT = "127.0.0.7"
CONFIG = """
gateway:
  trusted_proxies: 127.0.0.1
  access_log: {format: json, file: access.log}
routes:
  /api/: "${ORIGIN}"
  /ws/: "${ORIGIN}"
  /stuck/: stuck
upstreams:
  stuck: {servers: ["${ORIGIN}", "${ORIGIN}"], sticky: on}
"""
LARGE = bytes(range(256)) * (8 << 12)


@dataclass
class Front:
    plain: int
    tls: int
    context: ssl.SSLContext
    gateway: GatewayProcess
    version: str

    @property
    def host(self) -> str:
        return f"{NAME}:{self.tls}"

    def connect(self, *alpn: str) -> Client:
        sock = socket.create_connection(("127.0.0.1", self.tls), 10, source_address=(CLIENT, 0))
        self.context.set_alpn_protocols(list(alpn) or ["http/1.1"])
        return Client(self.context.wrap_socket(sock, server_hostname=NAME))

    def ask(self, client: Client, target: str, *lines: str) -> None:
        client.send(self.asking(get(target, *lines)))

    def asking(self, written: bytes) -> bytes:
        return written.replace(b"Host: gw.example\r\n", f"Host: {self.host}\r\n".encode())


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    origin = Origin()
    yield origin
    origin.close()


@pytest.fixture(scope="module", params=["1.1", "1.0"])
def front(request, tmp_path_factory, origin) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("outer")
    certificate = make_certificate(folder)
    gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), CONFIG, ORIGIN=origin.url)
    try:
        with nginx_before(gateway.ports[0], request.param, folder, certificate) as (plain, tls):
            context = client_context(certificate[0])
            yield Front(plain, tls, context, gateway, request.param)
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def client(gateway_only, front, origin) -> Iterator[Client]:
    client = front.connect()
    yield client
    client.close()
    origin.forget()


def test_client_scheme_host_and_port_arrive(front, client, origin):
    spoofed = ("X-Forwarded-For: 198.51.100.1", "X-Real-IP: 198.51.100.2",
               "X-Forwarded-Proto: ftp", "X-Forwarded-Host: evil.example")  # fmt: skip
    front.ask(client, "/api/who", *spoofed)
    far = origin.accept()
    seen = far.request()
    assert seen.target == b"/who"
    assert seen.line.endswith(b" HTTP/1.1"), "whatever nginx speaks"
    assert seen.value(b"host") == front.host.encode()
    assert seen.value(b"x-forwarded-host") == front.host.encode()
    assert seen.value(b"x-forwarded-port") == str(front.tls).encode()
    assert seen.value(b"x-forwarded-proto") == b"https"
    assert seen.value(b"x-real-ip") == CLIENT.encode()
    assert seen.value(b"x-forwarded-for") == f"{CLIENT}, 127.0.0.1".encode()
    assert seen.value(b"x-forwarded-prefix") == b"/api"
    far.send(answer(200, b"you"))
    assert client.answer().body == b"you"
    entry = front.gateway.entry(target="/api/who")
    assert (entry["client"], entry["version"]) == (CLIENT, f"HTTP/{front.version}")


IDENTITY = [
    *(name.decode() for name in IDENTITY_NAMES),
    *("x-client-cert-verified", "x-client-cert-subject", "x-client-cert-fingerprint"),
    *("x-forwarded-prefix", "x-forwarded-user", "x-forwarded-email", "x-forwarded-ssl"),
    "x-request-id",
]


def test_nothing_that_a_visitor_says_of_itself_is_believed_of_nginx(front, client, origin):
    front.ask(client, "/api/who", *(f"{name}: made-up-by-it" for name in IDENTITY))
    far = origin.accept()
    believed = [name for name, value in far.request().fields if b"made-up" in value]
    assert believed == []
    far.send(answer(200))
    assert client.answer().status == 200


def test_the_details_of_errors_are_not_for_it(front, client):
    front.ask(client, "/nowhere")
    got = client.answer()
    assert got.status == 404
    assert "detail" not in json.loads(got.body)


def test_a_missing_slash_leads_to_https(front, client):
    front.ask(client, "/api?a=b")
    got = client.answer()
    # Relative to what the client had asked for: scheme, host and port stay as they were.
    assert (got.status, got.value(b"location")) == (301, b"/api/?a=b")


def test_an_upstreams_redirects_and_cookies(front, client, origin):
    front.ask(client, "/api/login")
    far = origin.accept()
    seen = far.request()
    # As any framework makes it of what it is told.
    scheme, host = (seen.value(name).decode() for name in (b"x-forwarded-proto", b"host"))
    cookies = ("Set-Cookie: s=1; Path=/; Secure; HttpOnly", "Set-Cookie: t=2; Path=/t; Secure")
    far.send(answer(302, b"", f"Location: {scheme}://{host}/home?x=1", *cookies))
    got = client.answer()
    assert got.value(b"location") == f"https://{front.host}/api/home?x=1".encode()
    assert got.all(b"set-cookie") == [b"s=1; Path=/api/; Secure; HttpOnly",
                                      b"t=2; Path=/api/t; Secure"]  # fmt: skip
    front.ask(client, "/api/again")
    # The gateway's own connections are kept, whatever nginx does with those before it.
    far.request()
    far.send(answer(303, b"", "Location: /elsewhere"))
    assert client.answer().value(b"location") == b"/api/elsewhere"


def test_the_gateways_own_cookie_is_secure(front, client, origin):
    front.ask(client, "/stuck/")
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert client.answer().value(b"set-cookie").endswith(b"; Secure")


def test_plain_http_goes_to_https(front, gateway_only):
    sock = socket.create_connection(("127.0.0.1", front.plain), 10)
    client = Client(sock)
    got = client.ask(get("/api/x?y=1"))
    assert (got.status, got.value(b"location")) == (301, b"https://gw.example/api/x?y=1")
    client.close()


def test_bodies_of_both_kinds_in_both_directions(front, client, origin):
    length = request("POST", "/api/up", f"Content-Length: {len(LARGE)}")
    pieces = request("POST", "/api/up", "Transfer-Encoding: chunked")
    chunks = b"".join(chunk(LARGE[at : at + 65536]) for at in range(0, len(LARGE), 65536))
    for head, body in ((length, LARGE), (pieces, chunks + LAST_CHUNK)):
        other = front.connect()
        sender = threading.Thread(target=other.send, args=(front.asking(head) + body,))
        sender.start()
        far = origin.accept()
        assert far.request().body == LARGE
        sender.join()
        streamed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        sender = threading.Thread(target=far.send, args=(streamed + chunks + LAST_CHUNK,))
        sender.start()
        assert other.answer().body == LARGE
        sender.join()
        other.close()
        origin.forget()


def test_an_answer_that_breaks_off_is_seen_to(front, client, origin):
    front.ask(client, "/api/broken")
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"half"))
    assert client.head().status == 200
    assert client.read_until(b"half")
    far.reset()
    # nginx frames it with chunks: the last one must not come, whoever spoke which version.
    assert LAST_CHUNK not in client.rest()


def test_a_websocket(front, client, origin):
    client.socket.settimeout(10)
    far, seen, _ = open_websocket(client, origin, "/ws/chat")
    assert seen.value(b"x-real-ip") == CLIENT.encode()
    assert seen.value(b"x-forwarded-proto") == b"https"
    client.send(frame(TEXT, b"hello"))
    assert read_frame(far).payload == b"hello"
    far.send(frame(TEXT, b"and back", masked=False))
    assert read_frame(client).payload == b"and back"


def test_http_2_to_nginx(front, gateway_only, origin):
    connection = front.connect("h2")
    client = HTTP2Client(connection)
    fields = [(":authority", front.host) if name == ":authority" else (name, value)
              for name, value in request_fields("GET", "/api/two")]  # fmt: skip
    stream = client.begin(fields, ends=True)
    far = origin.accept()
    seen = far.request()
    assert seen.value(b"host") == front.host.encode()
    assert seen.value(b"x-forwarded-proto") == b"https"
    assert seen.value(b"x-real-ip") == CLIENT.encode()
    far.send(answer(200, b"both"))
    assert client.answer(stream).body == b"both"
    connection.close()
    origin.forget()

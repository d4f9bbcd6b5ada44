"""Strict-Transport-Security: on every answer over TLS where it is asked for, and nowhere else."""

import socket

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import HTTP2Client
from tests.support.message import answer, get, request
from tests.support.stream import Client
from tests.support.websocket import upgrade

PROXY = "127.0.0.2"
FIELD = b"strict-transport-security"
ASKED = b"max-age=15552000; includeSubDomains"
CONFIG = f"""
gateway: {{trusted_proxies: [{PROXY}], access_log: off}}
tls: {{hsts: {{include_subdomains: on}}}}
routes:
  /api/: {{to: "${{ORIGIN}}"}}
  /bare/: {{to: "${{ORIGIN}}", security_headers: false}}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        [ANYWHERE, f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
         f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"],
        ORIGIN=far_side["ORIGIN"].url,
    )  # fmt: skip
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture(params=[1, 2], ids=["daarion-tls", "ssl"])
def secure(request, gateway, certificate):
    return gateway.connect_tls(request.param, client_context(certificate[0]), NAME)


@pytest.fixture
def proxy(gateway):
    """A connection of the proxy that is trusted."""
    sock = socket.create_connection(("127.0.0.1", gateway.ports[0]), source_address=(PROXY, 0))
    with sock:
        yield Client(sock)


def answered(client, origin, data, *lines, status=200):
    """What a client gets of an answer with these lines."""
    client.send(data)
    far = origin.accept()
    far.request()
    far.send(answer(status, b"", "Connection: close", *lines))
    return client.answer(data.split()[0].decode())


# over TLS


@pytest.mark.parametrize("target", ["/api/x", "/bare/x"])
@pytest.mark.parametrize("status", [200, 304, 500])
def test_it_is_on_answers_of_upstreams(secure, origin, target, status):
    assert answered(secure, origin, get(target), status=status).value(FIELD) == ASKED


def test_each_time(secure, origin):
    secure.send(get("/api/x") * 3)
    far = origin.accept()
    for _ in range(3):
        far.request()
        far.send(answer(200))
        assert secure.answer().value(FIELD) == ASKED


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/healthz"), 200),
        (get("/"), 200),
        (get("/api"), 301),
        (get("/nowhere"), 404),
        (request("OPTIONS", "*"), 204),
        (get("/api/%2e%2e/x"), 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ],
    ids=["health", "start page", "slash", "not found", "options", "ambiguous", "malformed"],
)
def test_it_is_on_what_the_gateway_says_itself(secure, data, status):
    got = secure.ask(data)
    assert (got.status, got.value(FIELD)) == (status, ASKED)


@pytest.mark.parametrize(
    "own", ["max-age=0", "max-age=31536000; includeSubDomains; preload", "nonsense"]
)
def test_a_host_has_one_policy_whatever_its_services_say(secure, origin, own):
    lines = ["A: 1", f"STRICT-Transport-Security: {own}", "B: 2",
             "strict-transport-security: max-age=1"]  # fmt: skip
    got = answered(secure, origin, get("/api/x"), *lines)
    assert got.value(FIELD) == ASKED
    assert (got.value(b"a"), got.value(b"b")) == (b"1", b"2")


def test_it_is_on_a_refused_websocket(secure, origin):
    assert answered(secure, origin, upgrade("/api/x"), status=403).value(FIELD) == ASKED


def test_it_is_on_answers_over_http_2(gateway, certificate):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    client = HTTP2Client(gateway.connect_tls(1, context, NAME))
    assert client.get("/healthz").value(FIELD) == ASKED
    assert client.get("/nowhere").value(FIELD) == ASKED


# without TLS


@pytest.mark.parametrize("target", ["/healthz", "/", "/api", "/nowhere"])
def test_without_tls_it_is_not_said(client, target):
    assert client.ask(get(target, "X-Forwarded-Proto: https")).value(FIELD) is None


def test_an_upstreams_own_is_not_touched_there(client, origin):
    assert answered(client, origin, get("/api/x")).value(FIELD) is None
    own = "Strict-Transport-Security: max-age=1"
    assert answered(client, origin, get("/api/x"), own).value(FIELD) == b"max-age=1"


# behind a proxy


def test_behind_a_proxy_it_is_for_whom_came_there_over_tls(proxy, origin):
    assert proxy.ask(get("/healthz", "X-Forwarded-Proto: https")).value(FIELD) == ASKED
    got = answered(proxy, origin, get("/api/x", "X-Forwarded-Proto: https"))
    assert got.value(FIELD) == ASKED


@pytest.mark.parametrize("lines", [[], ["X-Forwarded-Proto: http"]], ids=["nothing", "http"])
def test_and_for_nobody_else(proxy, lines):
    assert proxy.ask(get("/healthz", *lines)).value(FIELD) is None


# reload


def test_a_reload_changes_it(gateway, secure, origin):
    gateway.file.write_text(CONFIG.replace("{include_subdomains: on}", "off"))
    gateway.reload()
    own = "Strict-Transport-Security: max-age=1"
    assert secure.ask(get("/healthz")).value(FIELD) is None
    assert answered(secure, origin, get("/api/x")).value(FIELD) is None
    gateway.file.write_text(CONFIG.replace("{include_subdomains: on}", "0"))
    gateway.reload()
    assert answered(secure, origin, get("/api/x"), own).value(FIELD) == b"max-age=0"
    gateway.file.write_text(CONFIG)
    gateway.reload()
    assert secure.ask(get("/healthz")).value(FIELD) == ASKED

"""Requests without TLS are sent to https: all but those that have to be answered without."""

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from daarion_gw.front.proxy_protocol import Introducing
from daarion_gw.front.to_https import way_to_https
from daarion_gw.tls.endpoint import TLSFactory
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import answer, get, old, post, request
from tests.support.stream import Client
from tests.support.websocket import upgrade
from tests.wire.passing import STRANGER
from tests.wire.passing import get as parsed

PROXY = "127.0.0.2"
CONFIG = f"""
gateway:
  trusted_proxies: [{PROXY}]
  access_log: {{format: json, file: access.log}}
tls: {{redirect: on}}
routes:
  /: {{to: "${{ORIGIN}}"}}
"""
SWITCHED_OFF = CONFIG.replace("redirect: on", "redirect: off")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


def start(folder, configuration, far_side, certificate):
    cert, key = certificate
    tls = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    near = f"unix:{folder}/near"
    url = far_side["ORIGIN"].url
    return GatewayProcess(folder, configuration, [ANYWHERE, tls, near], ORIGIN=url)


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    gateway = start(tmp_path_factory.mktemp("gateway"), CONFIG, far_side, certificate)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def there(gateway):
    """Where the listener with TLS is, for a client that knows this machine as gw.example."""
    return f"https://gw.example:{gateway.ports[1]}".encode()


@pytest.fixture
def proxy(gateway):
    """A connection of the proxy that is trusted."""
    sock = socket.create_connection(("127.0.0.1", gateway.ports[0]), source_address=(PROXY, 0))
    with sock:
        yield Client(sock)


def passes(client, origin, data) -> bool:
    """Whether the upstream is asked."""
    client.send(data)
    far = origin.accept()
    far.request()
    far.send(answer(200, b"", "Connection: close"))
    return client.answer(data.split()[0].decode()).status == 200


# where to


@pytest.mark.parametrize(
    "target",
    ["/", "/?", "/api/x?y=1&z=%20", "/a%2Fb//c;d/%41?x=//&y=https://other/", "//other.example/"],
)
def test_host_path_and_query_are_kept_as_they_came(client, there, target):
    got = client.ask(get(target))
    assert (got.status, got.value(b"location")) == (301, there + target.encode())
    assert got.value(b"content-length") == b"0"


@pytest.mark.parametrize(
    ("host", "name"),
    [("gw.example:8080", "gw.example"), ("GW.example.", "GW.example."), ("[::1]:80", "[::1]"),
     ("[::1]", "[::1]"), ("192.0.2.1:80", "192.0.2.1")],
)  # fmt: skip
def test_the_port_is_that_of_the_listener_with_tls(gateway, client, host, name):
    got = client.ask(request("GET", "/x", f"Host: {host}", host=False))
    assert got.value(b"location") == f"https://{name}:{gateway.ports[1]}/x".encode()


def test_what_is_there_is_the_same(gateway, client, origin, certificate):
    place = client.ask(get("/a%2Fb?c")).value(b"location")
    assert place is not None
    target = place.decode().partition(f":{gateway.ports[1]}")[2]
    secure = gateway.connect_tls(1, client_context(certificate[0]), NAME)
    assert passes(secure, origin, get(target))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/x"), 301),
        (request("HEAD", "/x"), 301),
        (post("/x", b"abc"), 308),
        (request("DELETE", "/x"), 308),
        (request("OPTIONS", "/x"), 308),
        (upgrade("/x"), 308),
    ],
    ids=lambda value: value.split()[0].decode() if isinstance(value, bytes) else str(value),
)
def test_no_method_is_changed_by_it(client, there, data, status):
    got = client.ask(data)
    assert (got.status, got.value(b"location")) == (status, there + b"/x")
    # It goes on: a body that came with it does not stand in the way.
    assert client.ask(get("/healthz")).status == 200


def test_a_body_need_not_be_sent(client, there):
    client.send(request("POST", "/x", "Content-Length: 1000000", "Expect: 100-continue"))
    assert client.answer().value(b"location") == there + b"/x"
    assert client.informational == []


def test_it_is_logged(gateway, client):
    client.ask(get("/logged?1"))
    entry = gateway.entry(target="/logged?1")
    assert (entry["status"], entry["route"]) == (301, "")


# what could come in by Host


@pytest.mark.parametrize("host", ["a b", "a/b", "a@b", "a,b", 'a"b', "a<b", "a\\b", ""])
def test_nothing_but_a_host_gets_there(client, host):
    got = client.ask(request("GET", "/", f"Host: {host}", host=False))
    assert (got.status, got.value(b"location")) == (400, None)


def test_without_a_host_nobody_knows_where_that_is(client):
    got = client.ask(old("GET", "/x"))
    assert (got.status, got.value(b"location")) == (400, None)
    assert got.value(b"connection") == b"close"


# who is answered without TLS


def test_the_health_check(client):
    assert client.ask(get("/healthz")).body == b"OK"
    assert client.ask(get("/healthz?ready")).status == 200
    assert client.ask(old("GET", "/healthz")).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whoever_signs_certificates(client, origin, method):
    assert passes(client, origin, request(method, "/.well-known/acme-challenge/x-Y_z"))


@pytest.mark.parametrize(
    "path",
    ["/healthz/", "/healthzz", "/.well-known/acme-challenge", "/.well-known/",
     "/.well-known/acme-challenge/../x", "/.well-known/acme-challenge/%2e%2e/x",
     "/.well-known/acme-challenge/%2e./%78", "/x/.well-known/acme-challenge/y"],
)  # fmt: skip
def test_nobody_else_by_a_path_that_looks_like_it(client, there, path):
    assert client.ask(get(path)).value(b"location") == there + path.encode()


# behind a proxy


def test_who_came_to_a_proxy_over_tls_has_arrived(proxy, origin):
    assert passes(proxy, origin, get("/x", "X-Forwarded-Proto: https"))
    assert passes(proxy, origin, get("/x", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: wss"))


def test_who_came_to_it_without_is_sent_away(proxy, there):
    got = proxy.ask(get("/x", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http"))
    assert got.value(b"location") == there + b"/x"


def test_of_one_that_does_not_say_there_is_no_knowing(proxy, origin):
    assert passes(proxy, origin, get("/x", "X-Forwarded-For: 192.0.2.1"))


def test_a_client_at_its_address_is_one_like_others(proxy, there):
    assert proxy.ask(get("/x")).value(b"location") == there + b"/x"


@pytest.mark.parametrize("said", ["X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1"])
def test_what_a_stranger_says_is_nothing(client, there, said):
    got = client.ask(get("/x", said))
    assert got.value(b"location") == there + b"/x"


def test_behind_a_unix_socket_there_is_always_a_proxy(gateway, origin, there):
    near = gateway.connect_unix(gateway.folder / "near")
    assert passes(near, origin, get("/x"))
    got = near.ask(get("/x", "X-Forwarded-Proto: http"))
    assert got.value(b"location") == there + b"/x"


# reload


def test_a_reload_turns_it_off_and_on(gateway, client, origin, there):
    gateway.file.write_text(SWITCHED_OFF)
    gateway.reload()
    assert passes(client, origin, get("/x"))
    gateway.file.write_text(CONFIG)
    gateway.reload()
    assert client.ask(get("/x")).value(b"location") == there + b"/x"


# what the setting means: these ports cannot be had in a test


@dataclass
class Port:
    """As much of a listening port as is looked at."""

    number: int
    factory: Any = field(default_factory=object)
    family: str = "TCP"

    def getHost(self) -> Any:
        if self.family == "UNIX":
            return UNIXAddress(b"/run/x")
        return IPv4Address("TCP", "0.0.0.0", self.number)


def wrapped(kind: type, inner: object = None) -> Any:
    factory = kind.__new__(kind)
    factory.wrappedFactory = inner
    return factory


def tls(number: int) -> Port:
    return Port(number, wrapped(TLSFactory))


UNIX = Port(0, family="UNIX")
AT_ONCE = b"https://a/x"


@pytest.mark.parametrize(
    ("said", "ports", "place", "only"),
    [
        ("auto", [Port(80), tls(443)], AT_ONCE, 80),
        ("auto", [UNIX, Port(8080), Port(80), tls(8443)], b"https://a:8443/x", 80),
        ("auto", [Port(80), Port(443, wrapped(TLSMemoryBIOFactory))], AT_ONCE, 80),
        # Nobody could be there, or nobody comes to port 80.
        ("auto", [Port(80), UNIX], None, None),
        ("auto", [Port(8080), tls(443)], None, None),
        ("auto", [tls(80), tls(443)], None, None),
        (False, [Port(80), tls(443)], None, None),
        (True, [Port(8080), tls(8443), tls(443)], AT_ONCE, None),
        (True, [Port(8080), tls(8444), tls(8443)], b"https://a:8444/x", None),
        # TLS ends in front of us.
        (True, [Port(8080), UNIX], AT_ONCE, None),
        (443, [Port(8080), tls(8443)], AT_ONCE, None),
        (8443, [Port(80), tls(443)], b"https://a:8443/x", None),
        (1, [Port(80), tls(443)], b"https://a:1/x", None),
    ],
)
def test_what_is_redirected_and_to_which_port(said, ports, place, only):
    found = way_to_https(said, ports)
    asked = parsed(line=b"GET /x HTTP/1.1")
    assert (found and found.place(asked), found and found._only) == (place, only)


def test_tls_is_seen_through_what_is_put_around_it():
    inside = wrapped(WrappingFactory, wrapped(TLSFactory))
    assert way_to_https("auto", [Port(80), Port(443, inside)]) is not None
    assert way_to_https("auto", [Port(80), Port(443, wrapped(WrappingFactory))]) is None
    before = Introducing.__new__(Introducing)
    before.behind = wrapped(TLSFactory)
    assert way_to_https("auto", [Port(80), Port(443, before)]) is not None


class Near:
    """As much of a client's connection as is looked at."""

    is_secure = False

    def __init__(self, number):
        self.peer = STRANGER
        self.transport = Port(number)


def test_by_itself_only_port_80_is_redirected():
    found = way_to_https("auto", [Port(80), Port(8080), tls(443)])
    assert found is not None
    assert found.takes(Near(80), parsed())
    assert not found.takes(Near(8080), parsed())

"""Servers that want to know for whom a connection is made (PROXY protocol), before all else."""

import socket
from ipaddress import ip_address

import pytest

from daarion_gw.wire.proxy_header import SIGNATURE, End, ProxyHeader, own_header, parse
from tests.support.balancer import REAL, Behind, command, line
from tests.support.certificates import NAME, client_context, make_certificate, server_context
from tests.support.http2 import HTTP2Client, request_fields
from tests.support.message import answer, get, post
from tests.support.origin import Origin
from tests.support.stream import Client, Far
from tests.support.websocket import TEXT, agreed, frame, read_frame, upgrade

CONFIG = """
gateway:
  proxy_protocol: 127.0.0.2
  trusted_proxies: 127.0.0.3
  access_log: off
routes:
  /v1/: {to: {url: "${ORIGIN}", send_proxy: v1}}
  /v2/: {to: {url: "${ORIGIN}", send_proxy: v2}}
  /plain/: "${ORIGIN}"
  /tls/: {to: {url: "${TLS}", send_proxy: v2, verify: false}}
  /unix/: {to: {url: "${UNIX}", send_proxy: v1}}
  /two/: two
  /probed/: probed
upstreams:
  two:
    servers: [{url: "${GONE}", send_proxy: v1}, {url: "${ORIGIN}", send_proxy: v1}]
    balance: first
  probed:
    servers: [{url: "${PROBED}", send_proxy: v2, verify: false}]
    health_check: {path: /health, interval: 100ms, rise: 1}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """Servers beside the two that all have."""
    path = tmp_path_factory.mktemp("unix") / "server.sock"
    servers = {"TLS": Origin(), "PROBED": Origin(), "UNIX": Origin(str(path))}
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, more, certificate):
    cert, key = certificate
    folder = tmp_path_factory.mktemp("gateway")
    started = command(
        f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
        f"unix:{folder / 'gw.sock'}",
    )
    urls = {name: server.url for name, server in {**far_side, **more}.items()}
    # TLS begins behind the header: the test begins it.
    over_tls = {name: urls[name].replace("http:", "https:") for name in ("TLS", "PROBED")}
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        urls["GONE"] = f"http://127.0.0.1:{gone.getsockname()[1]}"
    gateway = Behind(folder, CONFIG, command=started, **{**urls, **over_tls})
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def header_on(far: Far) -> ProxyHeader:
    """The header that a connection begins with, read off it and not a byte more."""
    read = b""
    while (found := parse(read)) is None:
        byte = far.socket.recv(1)
        assert byte, read
        read += byte
    return found


def over_tls(far: Far, certificate) -> Far:
    """Begin TLS on a connection whose header was read."""
    context = server_context(*certificate)
    far.socket = context.wrap_socket(far.socket, server_side=True)
    return far


def end_of(client: Client) -> End:
    host, port = client.socket.getsockname()
    return End(ip_address(host), port)


def here(gateway, index: int = 0) -> End:
    return End(ip_address("127.0.0.1"), gateway.ports[index])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_says_who_the_client_is_and_where_it_came(gateway, client, origin, version):
    client.send(get(f"/{version}/x"))
    far = origin.accept()
    header = header_on(far)
    assert (header.source, header.destination) == (end_of(client), here(gateway))
    assert far.request().target == b"/x"
    far.send(answer(200, b"so it is"))
    assert client.answer().body == b"so it is"


def test_the_two_versions_as_they_are_on_the_wire(gateway, client, origin):
    client.send(get("/v1/x"))
    port = client.socket.getsockname()[1]
    line = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gateway.ports[0]}\r\n".encode()
    assert origin.accept().read_until(b"\r\n") == line
    other = gateway.connect()
    other.send(get("/v2/x"))
    ports = other.socket.getsockname()[1].to_bytes(2) + gateway.ports[0].to_bytes(2)
    expected = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([127, 0, 0, 1]) * 2 + ports
    assert origin.accept().read(28) == expected


def test_no_other_request_gets_its_connection(gateway, client, origin):
    """Not even the same client's: nobody would say that its address is still the same."""
    client.send(get("/v1/first"))
    far = origin.accept()
    header_on(far)
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200
    assert far.rest() == b""
    assert far.ending == "closed"
    other = gateway.connect()
    for asking in (other, client):
        asking.send(get("/v1/second"))
        far = origin.accept()
        assert header_on(far).source == end_of(asking)
        far.request()
        far.send(answer(200))
        assert asking.answer().status == 200


def test_others_of_the_same_address_are_kept_as_ever(client, origin):
    far = None
    for _ in range(2):
        client.send(get("/plain/x"))
        far = far or origin.accept()
        assert far.request().target == b"/x"
        far.send(answer(200))
        assert client.answer().status == 200


def test_the_client_that_a_trusted_proxy_names(gateway, origin):
    client = gateway.connect_from("127.0.0.3")
    client.send(get("/v1/x", "X-Forwarded-For: 198.51.100.7"))
    header = header_on(origin.accept())
    assert header.source == End(ip_address("198.51.100.7"), 0), "its port is not known"
    assert header.destination == here(gateway)
    client = gateway.connect_from("127.0.0.3")
    client.send(get("/v2/x", "X-Forwarded-For: 2001:db8::7"))
    header = header_on(origin.accept())
    assert header.source == End(ip_address("2001:db8::7"), 0)
    assert header.destination == End(ip_address("::ffff:127.0.0.1"), gateway.ports[0])


def test_what_an_untrusted_one_says_of_itself_is_not_passed_on(client, origin):
    client.send(get("/v1/x", "X-Forwarded-For: 198.51.100.7"))
    assert header_on(origin.accept()).source == end_of(client)


def test_what_came_in_a_header_goes_on_in_one(gateway, origin):
    gateway.introduced(line(REAL) + get("/v2/x"))
    header = header_on(origin.accept())
    assert header.source == End(ip_address(REAL), 40000)
    assert header.destination == End(ip_address("198.51.100.1"), 443)


def test_before_tls(client, more, certificate):
    client.send(get("/tls/x"))
    far = more["TLS"].accept()
    assert header_on(far).source == end_of(client)
    assert over_tls(far, certificate).request().target == b"/x"
    far.send(answer(200, b"sealed"))
    assert client.answer().body == b"sealed"


def test_of_a_client_of_http_2(gateway, origin, certificate):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    stream = gateway.connect_tls(1, context, NAME)
    client = HTTP2Client(stream)
    for target in ("/v1/one", "/v2/two"):
        number = client.begin(request_fields("GET", target), ends=True)
        far = origin.accept()
        header = header_on(far)
        assert (header.source, header.destination) == (end_of(stream), here(gateway, 1))
        far.request()
        far.send(answer(200))
        assert client.answer(number).status == 200


def test_a_client_and_a_server_on_unix_sockets(gateway, more):
    client = gateway.connect_unix(gateway.folder / "gw.sock")
    client.send(get("/unix/x"))
    far = more["UNIX"].accept()
    assert far.read_until(b"\r\n") == b"PROXY TCP4 127.0.0.1 0.0.0.0 0 0\r\n"
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200


def test_a_websocket(client, origin):
    client.send(upgrade("/v1/ws"))
    far = origin.accept()
    assert header_on(far).source == end_of(client)
    far.request()
    far.send(agreed())
    assert client.head().status == 101
    client.send(frame(TEXT, b"hello"))
    assert read_frame(far).payload == b"hello"
    far.send(frame(TEXT, b"and back", masked=False))
    assert read_frame(client).payload == b"and back"


def test_a_request_that_goes_to_another_server(client, origin):
    client.send(post("/two/x", b"all of it"))
    far = origin.accept()
    assert header_on(far).source == end_of(client)
    assert far.request().body == b"all of it"


def test_probes_are_nobodys(more, certificate):
    far = more["PROBED"].accept()
    assert far.socket.recv(16, socket.MSG_WAITALL) == own_header("v2")
    assert over_tls(far, certificate).request().target == b"/health"
    far.send(answer(200))


def test_the_start_page_asks_for_nobody_too(tmp_path, origin):
    config = 'routes: {/x/: {to: {url: "${ORIGIN}/base", send_proxy: v1}}}'
    gateway = Behind(tmp_path, config, command=command(), ORIGIN=origin.url)
    try:
        client = gateway.connect()
        client.send(get("/?format=json"))
        far = origin.accept()
        assert far.read_until(b"\r\n") == b"PROXY UNKNOWN\r\n"
        assert far.request().target == b"/base/"
        far.send(answer(200))
        assert b'"answers": true' in client.answer().body
        gateway.stop()
    finally:
        gateway.kill()

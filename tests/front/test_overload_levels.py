"""A gateway that has too much to do, for real: its loop is blocked, its memory is filled."""

import sys
from pathlib import Path

import pytest

from tests.support.admin_pages import AdminPages
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import HTTP2Client
from tests.support.message import answer, get
from tests.support.waiting import Stopwatch

SITE = str(Path(__file__).with_name("overload_site.py"))
CONFIG = """
gateway: {access_log: off, overload: {SIGNALS}}
routes: {/api/: "${ORIGIN}"}
"""
MEBIBYTE = 1 << 20
# From the end of what was too much until all is as before: five seconds, and one for a machine
# that runs other things too.
RECOVERED = 6.0


class Overloaded(AdminPages, GatewayProcess):
    """It has an admin listener."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def origin(far_side):
    origin = far_side["ORIGIN"]
    origin.forget()
    return origin


@pytest.fixture
def started(tmp_path, origin, certificate):
    """Start a gateway with such signals."""
    running = []

    def start(signals: str) -> Overloaded:
        cert, key = certificate
        tls = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
        gateway = Overloaded(
            tmp_path,
            CONFIG.replace("SIGNALS", signals),
            command=[sys.executable, SITE, "gateway.yaml", ANYWHERE, ANYWHERE, tls],
            ORIGIN=origin.url,
        )
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        try:
            gateway.stop()
        finally:
            gateway.kill()


def recovers(gateway: Overloaded) -> None:
    (gateway.folder / "calm").touch()
    gateway.says("calm\n")
    gateway.says("overload: back to normal", RECOVERED)


def two_streams(gateway, certificate) -> HTTP2Client:
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    return HTTP2Client(gateway.connect_tls(1, context, NAME))


def test_first_connections_are_not_kept_alive(started, certificate):
    gateway = started("lag: 800ms")
    client, modern = gateway.connect(), two_streams(gateway, certificate)
    assert modern.get("/healthz").status == 200
    got = client.ask(get("/busy?1.2"))
    assert got.value(b"connection") is None
    gateway.says("overload: connections are not kept alive: the loop is ")
    modern.hear_until(lambda: modern.goaway is not None)
    assert modern.goaway == 0
    for each in (client, gateway.connect()):
        got = each.ask(get("/healthz"))
        assert (got.status, got.value(b"connection")) == (200, b"close")
        assert each.rest() == b""
    assert two_streams(gateway, certificate).get("/healthz").status == 200, "it is welcome"
    recovers(gateway)
    client = gateway.connect()
    assert client.ask(get("/healthz")).value(b"connection") is None
    assert client.ask(get("/healthz")).status == 200


def test_then_new_requests_are_refused(started, origin, certificate):
    gateway = started("lag: 400ms")
    under_way = gateway.connect()
    under_way.send(get("/api/before"))
    far = origin.accept()
    far.request()
    gateway.connect().ask(get("/busy?1.1"))
    gateway.says("overload: new requests are refused: the loop is ")
    got = gateway.connect().ask(get("/api/x"))
    assert (got.status, got.value(b"retry-after")) == (503, b"1")
    assert got.value(b"connection") == b"close"
    assert two_streams(gateway, certificate).get("/api/x").status == 503
    assert gateway.connect().ask(get("/healthz")).status == 200
    assert origin.is_untouched
    numbers = gateway.numbers()
    assert numbers["daarion_overload_level",] == 2
    assert numbers["daarion_refused_total", "503"] == 2
    far.send(answer(200, b"what was under way goes on"))
    assert under_way.answer().body == b"what was under way goes on"
    recovers(gateway)
    assert gateway.status()["overload"] == 0
    assert gateway.connect().ask(get("/nothing")).status == 404


def test_then_connections_are_not_accepted(started):
    gateway = started("lag: 300ms")
    gateway.connect().ask(get("/busy?1.8"))
    gateway.says("overload: no connections are accepted: the loop is ")
    client = gateway.connect()
    client.send(get("/healthz"))
    assert client.says_nothing(4), "which is two turns of the loop"
    recovers(gateway)
    assert client.answer().status == 200


def test_memory_is_a_signal_too_and_is_given_back(started):
    gateway = started("lag: off, memory: 400M")
    wanted = int(400 * MEBIBYTE * 0.95) - gateway.memory
    assert gateway.connect().ask(get(f"/hoard?{wanted}")).status == 200
    gateway.says("overload: new requests are refused: ")
    gateway.says(" MiB of memory, of 400 (overload.memory)")
    assert gateway.connect().ask(get("/nothing")).status == 503
    recovers(gateway)
    assert gateway.connect().ask(get("/nothing")).status == 404


def test_reloads_of_a_large_file_are_no_reason(started):
    gateway = started("lag: 400ms")
    routes = "".join(f"  /r{n}/: http://127.0.0.1:1\n" for n in range(4000))
    head = CONFIG.partition("routes:")[0].replace("SIGNALS", "lag: 400ms")
    gateway.file.write_text(f"{head}routes:\n{routes}")
    for _ in range(3):
        with Stopwatch() as watch:
            gateway.reload()
        assert watch.seconds > 0.6, "or this test shows nothing"
    assert gateway.connect().ask(get("/healthz")).value(b"connection") is None
    assert "overload:" not in gateway.output

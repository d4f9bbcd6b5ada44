"""A running gateway whose cookie brings clients back to the server that they had."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.message import Message
from tests.support.origin import Origin
from tests.support.service import Service
from tests.support.waiting import until
from tests.upstream.watched import AGREED, UPGRADE, Watched

Start = Callable[..., Watched]


@pytest.fixture
def services() -> Iterator[list[Service]]:
    services = [Service(b"one"), Service(b"two"), Service(b"three")]
    yield services
    for service in services:
        service.stop()


@pytest.fixture
def start(tmp_path: Path, services: list[Service]) -> Iterator[Start]:
    """Starts a gateway before all of the services."""
    gateways: list[Watched] = []

    def begin(*servers: Service | str, said: str = "sticky: on\n", **more: str) -> Watched:
        gateways.append(Watched(tmp_path, servers or services, said, **more))
        return gateways[-1]

    yield begin
    for gateway in gateways:
        try:
            gateway.stop()
        finally:
            gateway.kill()


def cookie(got: Message) -> str:
    """The Cookie line that a client sends which got this answer."""
    value = got.value(b"set-cookie")
    assert value is not None
    return f"Cookie: theme=dark; {value.partition(b';')[0].decode()}"


def test_a_client_that_has_the_cookie_comes_back(start):
    gateway = start()
    first = gateway.ask("/x/a")
    assert re.fullmatch(
        rb"daarion_server=[A-Za-z0-9_-]{43}; Path=/x/; HttpOnly; SameSite=Lax",
        first.value(b"set-cookie"),
    )
    for _ in range(5):
        again = gateway.ask("/x/a", cookie(first))
        assert again.body == first.body
        assert again.value(b"set-cookie") is None
    assert len({gateway.ask("/x/a").body for _ in range(3)}) == 3, "others take turns"


def test_the_servers_own_cookies_are_left_alone(start):
    origin = Origin()
    gateway = start(f'"{origin.url}"')
    client = gateway.connect()
    client.send(b"GET /x/a HTTP/1.1\r\nHost: gw.example\r\n\r\n")
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: theme=dark\r\nContent-Length: 0\r\n\r\n")
    assert [value.partition(b"=")[0] for value in client.answer().all(b"set-cookie")] == [
        b"theme",
        b"daarion_server",
    ]
    origin.close()


def test_a_forged_one_is_replaced(start):
    gateway = start()
    got = gateway.ask("/x/a", "Cookie: daarion_server=" + "A" * 43)
    assert got.value(b"set-cookie") is not None


def test_over_tls_before_the_gateway_it_is_for_tls_alone(start):
    gateway = start()
    got = gateway.ask("/x/a", "X-Forwarded-Proto: https")
    assert got.value(b"set-cookie").endswith(b"; Secure")


def test_when_its_server_is_gone_the_client_gets_another_and_its_cookie(start, services):
    gateway = start()
    first = gateway.ask("/x/a")
    names = {service.name: service for service in services}
    names[first.body].stop()
    second = gateway.ask("/x/a", cookie(first))
    assert second.status == 200 and second.body != first.body
    assert gateway.ask("/x/a", cookie(second)).body == second.body
    assert gateway.ask("/x/a", cookie(second)).value(b"set-cookie") is None


def test_a_reload_leaves_clients_where_they_were(start):
    gateway = start()
    first = gateway.ask("/x/a")
    gateway.rewrite(said="sticky: on\nbalance: least_busy\n")
    assert gateway.ask("/x/a", cookie(first)).body == first.body
    assert gateway.ask("/x/a", cookie(first)).value(b"set-cookie") is None


def test_a_server_that_is_drained_keeps_its_clients_and_gets_no_others(start, services):
    gateway = start()
    first = gateway.ask("/x/a")
    servers = [
        f'{{url: "{each.url}", drain: true}}' if each.name == first.body else each
        for each in services
    ]
    gateway.rewrite(said="sticky: on\n", services=servers)
    assert "draining" in gateway.states
    assert {gateway.ask("/x/a", cookie(first)).body for _ in range(3)} == {first.body}
    assert first.body not in {gateway.ask("/x/a").body for _ in range(6)}


def test_every_worker_knows_the_cookies_of_every_other(start):
    gateway = start(workers="2")
    clients = gateway.connections_of_each()
    ask = b"GET /x/a HTTP/1.1\r\nHost: gw.example\r\n%b\r\n"
    first = clients[0].ask(ask % b"")
    held = f"{cookie(first)}\r\n".encode()
    for client in clients:
        for _ in range(4):
            got = client.ask(ask % held)
            assert got.body == first.body
            assert got.value(b"set-cookie") is None


def test_a_websocket_binds_too(start):
    origin = Origin()
    gateway = start(f'"{origin.url}"')
    client = gateway.connect()
    lines = "".join(f"{line}\r\n" for line in UPGRADE).encode()
    client.send(b"GET /x/ws HTTP/1.1\r\nHost: gw.example\r\n%b\r\n" % lines)
    far = origin.accept()
    far.request()
    far.send(AGREED)
    got = client.answer()
    assert got.status == 101
    assert got.value(b"set-cookie").startswith(b"daarion_server=")
    origin.close()


def test_the_gateways_own_answers_bind_nobody(start, services):
    gateway = start()
    for service in services:
        service.stop()
    got = gateway.ask("/x/a")
    assert got.status == 502 and got.value(b"set-cookie") is None


# several workers


def test_health_adds_up_over_workers(start, services):
    check = "health_check: {path: /health, interval: 50ms, rise: 1, fall: 1}\n"
    gateway = start(said=check + "breaker: {requests: 1, open_for: 1h}\n", workers="2")
    one, two = services[:2]
    until(lambda: gateway.number("daarion_upstream_up", one.label) == 1, what="both up")
    one.health = 500
    until(lambda: gateway.output.count(f"{one.label} is down") == 2, what="both notice")
    assert gateway.states == ["down", "up", "up"]
    assert gateway.number("daarion_upstream_up", one.label) == 0
    assert gateway.number("daarion_upstream_up", two.label) == 1
    assert gateway.number("daarion_upstream_probes_total", two.label, "passed") >= 2
    assert gateway.breaker == "closed"
    for service in services:
        service.status = 500
    assert gateway.ask("/x/a").status == 500
    assert gateway.number("daarion_upstream_breaker_open") == 1, "in one of the two"
    assert gateway.breaker == "open"

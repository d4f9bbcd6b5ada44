"""A running gateway before servers that fail: who is asked, what clients hear, what is told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate, server_context
from tests.support.message import answer, get, request
from tests.support.origin import Origin
from tests.support.service import Service
from tests.support.waiting import until
from tests.upstream.watched import Watched

Start = Callable[..., Watched]


@pytest.fixture
def one() -> Iterator[Service]:
    service = Service(b"one")
    yield service
    service.stop()


@pytest.fixture
def two() -> Iterator[Service]:
    service = Service(b"two")
    yield service
    service.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway whose route /x/ leads to an upstream "app" of some services."""
    gateways: list[Watched] = []

    def begin(*services: Service | str, said: str = "", **more: object) -> Watched:
        gateways.append(Watched(tmp_path, services, said, **more))
        return gateways[-1]

    yield begin
    for gateway in gateways:
        try:
            gateway.stop()
        finally:
            gateway.kill()


PROBED = "health_check: {path: /health, interval: 50ms, timeout: 5s, rise: 1, fall: 2}\n"
EJECTED = "eject: {failures: 3, time: 1s}\n"


# probes


def test_one_that_is_down_gets_no_exchanges_until_it_is_up_again(start, one, two):
    gateway = start(one, two, said=PROBED)
    one.health = 500
    gateway.says(f"upstream app: server {one.label} is down: 2 probes failed, the last: status 500")
    asked = one.asked
    assert {gateway.ask("/x/a").body for _ in range(6)} == {b"two"}
    assert one.asked == asked
    one.health = 200
    gateway.says(f"upstream app: server {one.label} is up: 1 probe passed")
    assert {gateway.ask("/x/a").body for _ in range(4)} == {b"one", b"two"}
    assert gateway.output.count(f"server {one.label} is down") == 1
    assert two.label not in gateway.output.partition("routes of")[2]


def test_when_all_are_down_it_is_a_503_with_retry_after(start, one, two):
    gateway = start(one, two, said=PROBED)
    one.health = two.health = 404
    until(lambda: gateway.states == ["down", "down"], what="both down")
    for _ in range(3):
        got = gateway.ask("/x/a")
        assert got.status == 503
        assert got.value(b"retry-after") is not None
        assert b"upstream app has no server that is up" in got.body
    entry = gateway.entry(fault="UPSTREAM_DOWN")
    assert (entry["status"], entry["upstream"], entry["server"]) == (503, "app", "")
    assert entry["client"] == "127.0.0.1"
    assert "has no server that is up" not in gateway.output, "not a line for each request"
    one.health = 200
    until(lambda: gateway.states[0] == "up", what="one of them up")
    assert gateway.ask("/x/a").body == b"one"


def test_also_when_there_is_one_alone(start, one):
    gateway = start(one, said=PROBED)
    assert gateway.ask("/x/a").body == b"one"
    one.health = 500
    until(lambda: gateway.states == ["down"], what="its going down")
    assert gateway.ask("/x/a").status == 503


def test_what_is_known_of_it_outlives_a_reload(start, one, two):
    gateway = start(one, two, said=PROBED)
    one.health = 500
    until(lambda: gateway.states == ["down", "up"], what="its going down")
    gateway.rewrite(said=PROBED + "balance: least_busy\n")
    assert gateway.states == ["down", "up"]
    assert {gateway.ask("/x/a").body for _ in range(4)} == {b"two"}


def test_after_a_reload_that_says_so_nobody_is_probed(start, one):
    gateway = start(one, said=PROBED)
    one.health = 500
    until(lambda: gateway.states == ["down"], what="its going down")
    gateway.rewrite(said="")
    assert gateway.states == ["up"]
    assert gateway.ask("/x/a").body == b"one"
    # One that was under way may still have come.
    probed = one.probed
    for _ in range(20):
        gateway.ask("/x/a")
    until(lambda: gateway.is_quiet(), what="nothing more to do")
    assert one.probed == probed


@pytest.mark.parametrize("verify", ["true", "false"])
def test_tls_is_verified_as_for_traffic(start, tmp_path: Path, verify):
    origin = Origin(tls=server_context(*make_certificate(tmp_path)))
    check = "health_check: {path: /health, interval: 1h, rise: 1, fall: 1}\n"
    gateway = start(f'{{url: "{origin.url}", verify: {verify}}}', said=check)
    if verify == "true":
        with pytest.raises(OSError):
            origin.accept().read(1)
        gateway.says(
            "is down: 1 probe failed, the last: TLS failed: "
            "has a certificate that it has signed itself"
        )
    else:
        far = origin.accept()
        assert far.request().line == b"GET /health HTTP/1.1"
        far.send(answer(200))
        until(lambda: gateway.number("daarion_upstream_probes_total", "passed"), what="a probe")
    origin.close()


def test_it_stops_while_a_probe_is_under_way(start):
    origin = Origin()
    gateway = start(f'"{origin.url}"', said=PROBED)
    origin.accept().request()
    gateway.stop()
    origin.close()


# failures in traffic


def test_a_server_that_is_killed_is_left_out_after_some_failures(start, one, two):
    gateway = start(one, two, said=EJECTED)
    one.stop()
    assert {gateway.ask("/x/a").body for _ in range(12)} == {b"two"}
    gateway.says(
        f"upstream app: server {one.label} is left out for 1 s: 3 failures in a row, "
        "the last: UPSTREAM_REFUSED"
    )
    failures = gateway.number("daarion_upstream_connect_failures_total", one.label)
    assert {gateway.ask("/x/a").body for _ in range(6)} == {b"two"}
    one.start()
    gateway.says(f"upstream app: server {one.label} is asked again: its time out is over")
    until(lambda: gateway.ask("/x/a").body == b"one", what="its being asked again")
    assert failures == 3
    assert gateway.number("daarion_upstream_ejections_total", one.label) == 1


def test_a_server_whose_answers_are_errors_is_left_out(start, one, two):
    gateway = start(one, two, said="eject: {requests: 4, time: 1h}\nretry: off\n")
    one.status = 500
    statuses = [gateway.ask("/x/a").status for _ in range(30)]
    assert statuses.count(500) == 4 and statuses[8:] == [200] * 22
    gateway.says(f"server {one.label} is left out for 3600 s: 4 of 4 exchanges failed within 10 s")


def test_an_answer_is_not_given_up_for_a_server_that_is_left_out(start, one, two):
    gateway = start(one, two, said="eject: {failures: 1, ratio: off, time: 1h}\n")
    two.stop()
    until(lambda: gateway.ask("/x/a") and gateway.states == ["up", "ejected"], what="it is out")
    one.status = 503
    got = gateway.ask("/x/a")
    assert (got.status, got.body) == (503, b"one")


def test_one_that_a_reload_took_out_is_nobodys_when_it_fails_after_that(start, two):
    origin = Origin()
    both, said = (f'"{origin.url}"', two), "eject: {failures: 1, time: 1s}\n"
    gateway = start(*both, said=said)
    client = gateway.connect()
    client.send(get("/x/a"))
    far = origin.accept()
    far.request()
    gateway.rewrite(said, [two])
    far.close()
    assert client.answer().body == b"two"
    assert gateway.number("daarion_upstream_up", f"127.0.0.1:{origin.port}") is None
    gateway.rewrite(said, both)
    assert gateway.number("daarion_upstream_up", f"127.0.0.1:{origin.port}") == 1
    assert "is left out" not in gateway.output
    origin.close()


def test_the_last_one_is_asked_whatever_it_does(start, one, two):
    gateway = start(one, two, said="eject: {failures: 2, time: 1h}\nretry: off\n")
    one.stop()
    two.stop()
    assert {gateway.ask("/x/a").status for _ in range(10)} == {502}
    assert sorted(gateway.states) == ["ejected", "up"]
    one.start()
    two.start()
    assert {gateway.ask("/x/a").status for _ in range(4)} == {200}


def test_what_clients_do_wrong_is_not_the_servers_fault(start, tmp_path):
    origins = [Origin(), Origin()]
    gateway = start(
        *(f'"{origin.url}"' for origin in origins),
        said="eject: {failures: 1, ratio: 1%, requests: 1}\nbreaker: {requests: 1}\n",
        route=", max_body: 10",
    )
    for number in range(6):
        origin = origins[number % 2]
        client = gateway.connect()
        if number < 2:
            client.send(get("/x/leaves"))
            origin.accept().request()
            client.close()
            continue
        client.send(request("POST", "/x/large", "Transfer-Encoding: chunked"))
        if number >= 4:
            # It is too late for an answer of the gateway's own.
            far = origin.accept()
            far.head()
            far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            client.read_until(b"ab")
        client.send(b"14\r\n" + b"x" * 20 + b"\r\n")
        if number >= 4:
            assert client.rest() == b"" and client.ending == "reset"
        else:
            assert client.answer().status == 413
    until(lambda: gateway.number("daarion_in_flight") == 0, what="the end of all")
    assert gateway.states == ["up", "up"]
    assert gateway.breaker == "closed"
    for origin in origins:
        origin.close()


# the breaker

BROKEN = "breaker: {requests: 4, open_for: 1s}\n"


def test_an_upstream_that_fails_is_spared_and_asked_again(start, one):
    gateway = start(one, said=BROKEN)
    one.status = 500
    assert [gateway.ask("/x/a").status for _ in range(6)] == [500] * 4 + [503] * 2
    got = gateway.ask("/x/a")
    assert got.value(b"retry-after") is not None
    assert b"upstream app is spared" in got.body
    assert one.asked == 4
    assert gateway.breaker == "open"
    assert gateway.number("daarion_upstream_breaker_open") == 1
    gateway.says("upstream app: the breaker is open, nothing is sent for 1 s: 4 of 4")
    entry = gateway.entry(fault="BREAKER_OPEN")
    assert (entry["status"], entry["server"]) == (503, "")
    one.status = 200
    until(lambda: gateway.ask("/x/a").status == 200, what="its closing")
    assert one.asked == 5
    gateway.says("upstream app: the breaker is closed: the exchange that was let through went well")
    assert gateway.number("daarion_upstream_breaker_open") == 0
    assert {gateway.ask("/x/a").status for _ in range(5)} == {200}


def test_one_exchange_at_a_time_finds_out_whether_it_works_again(start):
    origin = Origin()
    gateway = start(f'"{origin.url}"', said="breaker: {requests: 1, open_for: 1s}\n")
    client = gateway.connect()
    client.send(get("/x/first"))
    origin.accept().close()
    assert client.answer().status == 502
    assert gateway.ask("/x/spared").status == 503

    def is_let_through() -> bool:
        client.send(get("/x/trial"))
        return not client.says_nothing(0.2) and client.answer().status == 503

    until(lambda: not is_let_through(), what="one that is let through")
    far = origin.accept()
    assert far.request().target == b"/trial"
    assert gateway.ask("/x/beside").status == 503
    far.send(answer(200))
    assert client.answer().status == 200
    client.send(get("/x/then"))
    assert far.request().target == b"/then"
    far.send(answer(200))
    assert client.answer().status == 200
    origin.close()


def test_a_websocket_that_opens_closes_it(start):
    """Its end may be hours away."""
    origin = Origin()
    gateway = start(f'"{origin.url}"', said="breaker: {requests: 1, open_for: 200ms}\n")
    client = gateway.connect()
    client.send(get("/x/first"))
    origin.accept().close()
    assert client.answer().status == 502
    until(lambda: gateway.opens_websocket(origin), what="an open WebSocket")
    assert gateway.breaker == "closed"
    origin.close()


def test_a_breaker_outlives_a_reload(start, one):
    gateway = start(one, said="breaker: {requests: 1, open_for: 1h}\n")
    one.status = 500
    assert [gateway.ask("/x/a").status for _ in range(2)] == [500, 503]
    gateway.rewrite(said="breaker: {requests: 1, open_for: 1h}\nbalance: first\n")
    assert gateway.ask("/x/a").status == 503


def test_with_an_upstream_that_a_reload_takes_away_its_breaker_is_open_no_more(start, one):
    gateway = start(one, said="breaker: {requests: 1, open_for: 1h}\n")
    one.status = 500
    assert [gateway.ask("/x/a").status for _ in range(2)] == [500, 503]
    assert gateway.number("daarion_upstream_breaker_open") == 1
    gateway.file.write_text(f"routes: {{/x/: {{to: '{one.url}'}}}}\n")
    gateway.reload()
    assert not gateway.number("daarion_upstream_breaker_open", "app")


def test_a_reload_changes_how_much_is_asked_again(start, one, two):
    said = "eject: off\nretry: {statuses: 503, delay: 0s, budget: %s}\n"
    gateway = start(one, two, said=said % "0%")
    one.status = two.status = 503
    # Ten may be at any time.
    assert {gateway.ask("/x/a").status for _ in range(40)} == {503}
    assert one.asked + two.asked == 40 + 10
    gateway.rewrite(said=said % "100%")
    assert {gateway.ask("/x/a").status for _ in range(10)} == {503}
    assert one.asked + two.asked == 40 + 10 + 20


# told


def test_status_and_metrics_say_how_it_stands(start, one, two):
    gateway = start(one, two, said=PROBED + BROKEN)
    two.health = 500
    until(lambda: gateway.states == ["up", "down"], what="its going down")
    told = gateway.status()["upstreams"]["app"]
    shown = told["servers"][two.label]
    assert shown["reason"] == "2 probes failed, the last: status 500"
    assert shown["since"].endswith("Z")
    assert told["breaker"]["state"] == "closed"
    assert gateway.number("daarion_upstream_up", one.label) == 1
    assert gateway.number("daarion_upstream_up", two.label) == 0
    assert gateway.number("daarion_upstream_probes_total", two.label, "failed") >= 2
    (row,) = gateway.status()["routes"]
    assert [server["state"] for server in row["servers"]] == ["up", "down"]
    gateway.rewrite(services=[one], said=PROBED)
    assert gateway.number("daarion_upstream_up", two.label) is None

"""An upstream's limits: how many are asked at once, who waits for a place, and for how long."""

import re
from pathlib import Path

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, post, request
from tests.support.origin import Origin
from tests.support.stream import Client, Far
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import agreed, upgrade

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
upstreams:
  narrow: {servers: ["${ORIGIN}"], limits: {in_flight: 1, waiting: 3, wait: 30s}}
  hasty: {servers: ["${ORIGIN}"], limits: {in_flight: 1, wait: 500ms}}
  shut: {servers: ["${ORIGIN}"], limits: {in_flight: 1, waiting: 0}}
  closed: {servers: ["${ORIGIN}"], limits: {in_flight: 1, waiting: 0}}
  even: {servers: ["${ORIGIN}"], limits: {in_flight: 4, wait: 1s}}
  patient: {servers: ["${SECOND}"], limits: {in_flight: 1}, wait_for: 30s}
routes:
  /narrow/: {to: narrow}
  /hasty/: {to: hasty}
  /shut/: {to: shut}
  /closed/: {to: closed}
  /even/: {to: even, timeouts: {first_byte: 1s}}
  /patient/: {to: patient}
"""


def ask(gateway: GatewayProcess, path: str, client: str = "192.0.2.1") -> Client:
    """A request of ``client``, which is told by a proxy on this machine."""
    near = gateway.connect()
    near.send(get(path, f"X-Forwarded-For: {client}"))
    return near


def waiting(gateway: GatewayProcess, *paths: str, client: str = "192.0.2.1") -> list[Client]:
    """Requests that come one after the other, and wait."""
    clients = []
    for path in paths:
        clients.append(ask(gateway, path, client))
        assert clients[-1].says_nothing(0.1)
    return clients


@pytest.fixture
def taken(gateway, origin):
    """Something is under way on /narrow/: the client, and the server's connection."""
    client = ask(gateway, "/narrow/taken")
    far = origin.accept()
    assert far.request().target == b"/taken"
    return client, far


def serve(far: Far, *targets: str) -> None:
    for target in targets:
        assert far.request().target == target.encode()
        far.send(answer(200, target.encode()))


def test_one_more_waits_and_gets_its_place_and_the_connection(gateway, origin, taken):
    first, far = taken
    (second,) = waiting(gateway, "/narrow/second")
    assert far.says_nothing() and origin.is_untouched
    far.send(answer(200, b"first"))
    assert first.answer().body == b"first"
    serve(far, "/second")
    assert second.answer().body == b"/second"
    assert origin.is_untouched


def test_a_request_with_a_body_waits_with_it(gateway, origin, taken):
    first, far = taken
    second = gateway.connect()
    size = 20_000_000
    second.send(request("PUT", "/narrow/x", f"Content-Length: {size}"))
    assert second.send_some(b"x" * size, within=0.5) < size
    far.send(answer(200))
    first.answer()
    assert far.head().target == b"/x"
    assert far.read(1000) == b"x" * 1000


def test_clients_take_turns(gateway, taken):
    _, far = taken
    waiting(gateway, "/narrow/a1", "/narrow/a2", client="192.0.2.2")
    waiting(gateway, "/narrow/b1", client="192.0.2.3")
    far.send(answer(200))
    serve(far, "/a1", "/b1", "/a2")


def test_more_than_may_wait_are_a_503_at_once(gateway, taken):
    waiting(gateway, "/narrow/1", "/narrow/2", "/narrow/3")
    with Stopwatch() as watch:
        got = ask(gateway, "/narrow/refused").answer()
    assert (got.status, got.value(b"retry-after")) == (503, b"1")
    gateway.says("upstream narrow has no place for one more: as many as may wait already")
    assert watch.seconds < 5
    assert gateway.entry(target="/narrow/refused")["fault"] == "UPSTREAM_BUSY"
    assert gateway.entry(target="/narrow/refused")["server"] == ""


def test_a_crowd_that_is_refused_is_told_in_a_few_lines(gateway, origin):
    ask(gateway, "/closed/x")
    origin.accept().request()
    crowd = [ask(gateway, f"/closed/{number}") for number in range(50)]
    assert {client.answer().status for client in crowd} == {503}
    assert gateway.output.count("upstream closed has no place for one more") == 1
    followers = re.compile(r"upstream closed had no place for (\d+) more within")
    until(lambda: sum(map(int, followers.findall(gateway.output))) == 49, 15, "the number")


def test_but_not_for_a_client_that_has_fewer_waiting(gateway, taken):
    _, far = taken
    *_, newest = waiting(gateway, "/narrow/1", "/narrow/2", "/narrow/3")
    (other,) = waiting(gateway, "/narrow/other", client="192.0.2.9")
    assert newest.answer().status == 503
    far.send(answer(200))
    serve(far, "/1", "/other", "/2")
    assert other.answer().status == 200


def test_nobody_waits_where_nobody_may(gateway, origin):
    ask(gateway, "/shut/x")
    origin.accept().request()
    assert ask(gateway, "/shut/y").answer().status == 503


def test_who_has_waited_in_vain_gets_a_503(gateway, origin):
    first = ask(gateway, "/hasty/first")
    far = origin.accept()
    far.request()
    with Stopwatch() as watch:
        got = ask(gateway, "/hasty/second").answer()
    assert (got.status, got.value(b"retry-after")) == (503, b"1")
    gateway.says("upstream hasty has no place for one more: none came free within 0.5 s")
    assert watch.seconds >= 0.5
    far.send(answer(200))
    assert first.answer().status == 200
    third = ask(gateway, "/hasty/third")
    serve(far, "/third")
    assert third.answer().status == 200


def test_a_place_that_comes_free_as_the_wait_ends_is_one(gateway, origin):
    # All of them are late in the same instant: those that are asked, and those that wait.
    clients = [ask(gateway, f"/even/{number}") for number in range(8)]
    for _ in range(4):
        origin.accept().request()
    assert {client.answer().status for client in clients} <= {503, 504}
    faults = [gateway.entry(target=f"/even/{number}")["fault"] for number in range(8)]
    assert set(faults) <= {"UPSTREAM_TIMEOUT", "UPSTREAM_BUSY"}


# each place is given back once


def test_one_who_leaves_waits_no_more(gateway, origin, taken):
    _, far = taken
    leaving, _ = waiting(gateway, "/narrow/leaves", "/narrow/stays")
    leaving.close()
    gateway.entry(target="/narrow/leaves")
    far.send(answer(200))
    serve(far, "/stays")


def test_one_who_leaves_while_it_is_asked_leaves_its_place(gateway, origin, taken):
    first, far = taken
    waiting(gateway, "/narrow/next", "/narrow/last")
    first.close()
    assert far.gone_within(5)
    far = origin.accept()
    assert far.request().target == b"/next"
    assert far.says_nothing(0.2) and origin.is_untouched, "one place, and not two"
    far.send(answer(200))
    serve(far, "/last")


def test_a_server_that_breaks_off_leaves_it_too(gateway, origin, taken):
    first, far = taken
    waiting(gateway, "/narrow/next")
    far.close()
    assert first.answer().status == 502
    serve(origin.accept(), "/next")


def test_a_websocket_has_its_place_until_it_is_open(gateway, origin):
    client = gateway.connect()
    client.send(upgrade("/narrow/ws"))
    far = origin.accept()
    far.request()
    waiting(gateway, "/narrow/next", "/narrow/last")
    far.send(agreed())
    assert client.answer().status == 101
    other = origin.accept()
    assert other.request().target == b"/next"
    client.close()
    far.close()
    gateway.entry(target="/narrow/ws")
    assert other.says_nothing(0.3) and origin.is_untouched, "the place was given back before"
    other.send(answer(200))
    serve(other, "/last")


def test_one_that_is_held_for_its_server_has_its_place(gateway, second):
    second.stop()
    try:
        first, _ = waiting(gateway, "/patient/first", "/patient/second")
        first.close()
        gateway.entry(target="/patient/first")
    finally:
        second.listen()
    serve(second.accept(), "/second")


# over a reload


@pytest.fixture
def own(tmp_path: Path):
    """A gateway of the test's own with a limit, and its server."""
    origin = Origin()

    def text(limits: str) -> str:
        upstream = f'{{servers: ["{origin.url}"], limits: {limits}}}'
        return f"gateway: {{access_log: off}}\nupstreams: {{app: {upstream}}}\nroutes: {{/: app}}\n"

    gateway = GatewayProcess(tmp_path, text("{in_flight: 1}"))

    def change(limits: str) -> None:
        gateway.file.write_text(text(limits))
        gateway.reload()

    yield gateway, origin, change
    try:
        gateway.stop()
    finally:
        gateway.kill()
        origin.close()


def test_what_is_under_way_counts_over_a_reload(own):
    gateway, origin, change = own
    ask(gateway, "/first")
    far = origin.accept()
    far.request()
    change("{in_flight: 1}")
    waiting(gateway, "/second")
    assert origin.is_untouched
    far.send(answer(200))
    serve(far, "/second")


def test_with_other_limits_each_place_goes_back_to_where_it_was_taken(own):
    gateway, origin, change = own
    ask(gateway, "/old")
    old = origin.accept()
    old.request()
    waiting(gateway, "/old-next")
    change("{in_flight: 1, waiting: 5}")
    ask(gateway, "/new")
    new = origin.accept()
    assert new.request().target == b"/new"
    waiting(gateway, "/new-next")
    old.send(answer(200))
    assert old.request().target == b"/old-next"
    assert new.says_nothing() and origin.is_untouched
    new.send(answer(200))
    assert new.request().target == b"/new-next"
    for far in (old, new):
        far.send(answer(200))


def test_off_means_that_all_are_asked(own):
    gateway, origin, change = own
    ask(gateway, "/first")
    origin.accept().request()
    change("{}")
    for number in range(5):
        ask(gateway, f"/{number}")
        origin.accept().request()


def test_a_post_that_waits_is_sent_once(gateway, taken):
    _, far = taken
    client = gateway.connect()
    client.send(post("/narrow/pay", b"pay"))
    assert client.says_nothing(0.1)
    far.send(answer(200))
    assert far.request().body == b"pay"
    far.send(answer(200))
    assert client.answer().status == 200
    assert until(lambda: far.says_nothing())

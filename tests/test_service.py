"""The running service: reload by SIGHUP, draining by SIGTERM, resources beside the routes."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import client, far_side, gateway, origin, running, second
from tests.support.gateway import ROOT, GatewayProcess
from tests.support.message import answer, get, post, request
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch, until

__all__ = ["client", "far_side", "gateway", "origin", "running", "second"]

LARGE = bytes(range(256)) * 160_000
LOG = "access_log: {format: json, file: access.log}"
CONFIG = """
gateway: {LOG, drain_timeout: 3s}
routes:
  /api/: {to: "${ORIGIN}"}
""".replace("LOG", LOG)


# reload


@pytest.fixture
def restored(gateway) -> Iterator[GatewayProcess]:
    """The gateway, with its first configuration back at the end."""
    yield gateway
    gateway.file.write_text(CONFIG)
    gateway.reload()


def test_a_new_route_is_live_after_sighup(restored, client, origin, second):
    assert client.ask(get("/new/x")).status == 404
    restored.file.write_text(CONFIG + '  /new/: {to: "${SECOND}"}\n')
    restored.reload()
    client.send(get("/new/x"))
    far = second.accept()
    assert far.request().target == b"/x"
    far.send(answer(200, b"new"))
    assert client.answer().body == b"new", "on the connection that was open before"


def test_a_route_that_is_taken_away_is_gone(restored, client):
    restored.file.write_text("gateway: {access_log: off}\nroutes: {}\n")
    restored.reload()
    assert client.ask(get("/api/x")).status == 404


def test_an_exchange_under_way_keeps_what_it_began_with(restored, client, origin, second):
    client.send(get("/api/slow"))
    far = origin.accept()
    far.request()
    restored.file.write_text(CONFIG.replace("ORIGIN", "SECOND"))
    restored.reload()
    far.send(answer(200, b"old"))
    assert client.answer().body == b"old"
    client.send(get("/api/next"))
    assert second.accept().request().target == b"/next"


def test_connections_to_an_unchanged_server_are_kept(restored, client, origin):
    client.send(get("/api/1"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    client.answer()
    restored.file.write_text(CONFIG + '  /more/: {to: "${SECOND}"}\n')
    restored.reload()
    client.send(get("/api/2"))
    assert far.request().target == b"/2"
    far.send(answer(200))
    assert client.answer().status == 200
    assert origin.is_untouched


def test_idle_connections_to_a_server_that_is_gone_are_closed(restored, client, origin):
    client.send(get("/api/1"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    client.answer()
    restored.file.write_text(CONFIG.replace("ORIGIN", "SECOND"))
    restored.reload()
    assert far.rest() == b"" and far.ending == "closed"


def test_the_gateways_own_limits_and_trust_are_taken_over(restored, origin):
    gateway_settings = "gateway: {access_log: off, keep_alive: 500ms, trusted_proxies: []}"
    restored.file.write_text(CONFIG.replace(CONFIG.splitlines()[1], gateway_settings))
    restored.reload()
    client = restored.connect()
    assert b"detail" not in client.ask(get("/unknown")).body, "not trusted any more"
    with Stopwatch() as watch:
        assert client.rest() == b"" and client.ending == "closed"
    assert watch.seconds < 3


def test_the_access_log_is_taken_over(restored, client):
    log = "{format: json, file: access.log}"
    restored.file.write_text(CONFIG.replace(LOG, f"access_log: {log}"))
    restored.reload()
    client.ask(get("/unknown-6"))
    assert restored.entry(target="/unknown-6")["status"] == 404


def test_a_log_that_cannot_be_opened_changes_nothing(restored, client):
    log = "{format: json, file: no/where.log}"
    text = CONFIG.replace(LOG, f"access_log: {log}")
    restored.file.write_text(text + '  /new/: {to: "${SECOND}"}\n')
    restored.reload()
    restored.says("no/where.log")
    assert client.ask(get("/new/x")).status == 404


def test_listeners_that_changed_are_told_to_need_a_new_start(restored):
    text = CONFIG.replace(LOG, 'access_log: off, listen: ["tcp:1"]')
    restored.file.write_text(text)
    restored.reload()
    restored.says("changed listeners take effect when the gateway is started anew")


@pytest.mark.parametrize("text", ["routes: {/api/: {too: x}}\n", "routes: [\n", None])
def test_a_file_that_does_not_load_changes_nothing(gateway, client, origin, text):
    if text is None:
        gateway.file.unlink()
    else:
        gateway.file.write_text(text)
    gateway.reload()
    assert "not reloaded, the old configuration stays" in gateway.output
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"still"))
    assert client.answer().body == b"still"
    gateway.file.write_text(CONFIG)


# draining


@pytest.fixture
def mortal(tmp_path: Path, far_side: dict[str, Origin]) -> Iterator[GatewayProcess]:
    """A gateway for one test, which may end it."""
    far_side["ORIGIN"].forget()
    gateway = GatewayProcess(tmp_path, CONFIG, ORIGIN=far_side["ORIGIN"].url)
    yield gateway
    gateway.forget_clients()
    gateway.kill()
    assert "Traceback" not in gateway.output


@pytest.fixture
def far_origin(far_side: dict[str, Origin]) -> Origin:
    return far_side["ORIGIN"]


def test_nothing_under_way_ends_at_once_with_0(mortal):
    mortal.terminate()
    with Stopwatch() as watch:
        assert mortal.exit_code() == 0
    assert watch.seconds < 2


def test_an_exchange_under_way_ends_well(mortal, far_origin):
    client = mortal.connect()
    client.send(get("/api/slow"))
    far = far_origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    client.head()
    mortal.terminate()
    until(mortal.refuses_connections, what="no new connections")
    far.send(b"llo")
    assert client.read(5) == b"hello"
    assert client.rest() == b"" and client.ending == "closed"
    assert mortal.exit_code() == 0


def test_its_answer_says_that_it_is_the_last(mortal, far_origin):
    client = mortal.connect()
    client.send(get("/api/slow") + get("/healthz"))
    far = far_origin.accept()
    far.request()
    mortal.terminate()
    until(mortal.refuses_connections)
    far.send(answer(200, b"hello"))
    got = client.answer()
    assert (got.body, got.value(b"connection")) == (b"hello", b"close")
    assert client.rest() == b""
    assert mortal.exit_code() == 0


def test_an_idle_connection_is_closed(mortal):
    client = mortal.connect()
    client.ask(get("/healthz"))
    mortal.terminate()
    with Stopwatch() as watch:
        assert client.rest() == b"" and client.ending == "closed"
    assert watch.seconds < 3
    assert mortal.exit_code() == 0


def test_a_request_that_is_just_being_sent_is_answered(mortal, far_origin):
    client = mortal.connect()
    client.ask(get("/healthz"))
    client.send(get("/api/x")[:20])
    other = mortal.connect()
    other.ask(get("/healthz"))
    mortal.terminate()
    until(mortal.refuses_connections)
    client.send(get("/api/x")[20:])
    far = far_origin.accept()
    far.request()
    far.send(answer(200, b"hello"))
    assert client.answer().body == b"hello"
    assert mortal.exit_code() == 0


def test_a_body_that_is_only_drained_does_not_hold_it_up(mortal, far_origin):
    client, idle = mortal.connect(), mortal.connect()
    idle.ask(get("/healthz"))
    client.send(request("POST", "/api/x", "Content-Length: 100") + b"x")
    far = far_origin.accept()
    far.head()
    far.send(answer(200, b"early"))
    assert client.answer().body == b"early"
    mortal.terminate()
    assert idle.rest() == b"", "idle connections have been closed"
    client.send(b"x" * 99)
    assert client.rest() == b"" and client.ending == "closed", "and this one is not cut either"
    assert mortal.exit_code() == 0


def test_what_does_not_end_in_time_is_cut(mortal, far_origin):
    client = mortal.connect()
    client.send(get("/api/slow"))
    far = far_origin.accept()
    far.request()
    mortal.terminate()
    with Stopwatch() as watch:
        assert mortal.exit_code() == 0
    assert 2.5 < watch.seconds < 5
    assert client.rest() == b"" and client.ending == "reset"
    assert "cut 1 connections that did not end within 3 s" in mortal.output
    assert mortal.entry(target="/api/slow")["fault"] == "", "and nobody else is blamed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nobody(mortal, far_origin, number):
    client = mortal.connect()
    client.send(get("/api/slow"))
    far = far_origin.accept()
    far.request()
    mortal.process.send_signal(number)
    until(mortal.refuses_connections, what="no new connections")
    mortal.process.send_signal(number)
    with Stopwatch() as watch:
        assert mortal.exit_code() == 0
    assert watch.seconds < 1
    assert client.rest() == b"" and client.ending == "reset"
    assert "cut 1 connections on a second signal" in mortal.output


def test_ctrl_c_drains_too(mortal, far_origin):
    client = mortal.connect()
    client.send(get("/api/slow"))
    far = far_origin.accept()
    far.request()
    mortal.process.send_signal(signal.SIGINT)
    until(mortal.refuses_connections)
    far.send(answer(200, b"hello"))
    assert client.answer().body == b"hello"
    mortal.exit_code()


# resources beside the routes


@pytest.fixture(scope="module")
def mounted(tmp_path_factory, far_side) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "static").mkdir()
    (folder / "static" / "page.html").write_text("<p>hello</p>")
    (folder / "static" / "large.bin").write_bytes(LARGE)
    gateway = GatewayProcess(
        folder,
        CONFIG,
        command=[sys.executable, str(ROOT / "tests/support/mounted_site.py"), "gateway.yaml"],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop(tracebacks=gateway.output.count("RuntimeError: broken on purpose"))
    finally:
        gateway.kill()


@pytest.fixture
def visitor(mounted):
    yield mounted.connect()
    mounted.forget_clients()


def test_a_static_folder(visitor):
    got = visitor.ask(get("/static/page.html"))
    assert (got.status, got.body) == (200, b"<p>hello</p>")
    assert got.value(b"content-type") == b"text/html"
    for name in (b"x-request-id", b"date", b"x-content-type-options", b"content-length"):
        assert got.value(name) is not None
    assert got.value(b"server") is None


def test_a_large_file_of_it(visitor):
    assert visitor.ask(get("/static/large.bin")).body == LARGE
    assert visitor.ask(get("/healthz")).body == b"OK"


def test_a_large_file_for_a_slow_client(mounted, visitor):
    before = mounted.memory
    visitor.send(get("/static/large.bin") * 3)
    assert visitor.head().status == 200
    time.sleep(0.3)
    assert mounted.memory - before < 8_000_000
    assert visitor.read(len(LARGE)) == LARGE
    for _ in range(2):
        assert visitor.answer().body == LARGE


def test_a_client_that_leaves_in_the_middle(mounted, visitor):
    visitor.send(get("/static/large.bin"))
    visitor.head()
    visitor.reset()
    assert mounted.connect().ask(get("/healthz")).body == b"OK"


def test_head_and_range_and_not_modified(visitor):
    got = visitor.ask(request("HEAD", "/static/large.bin"))
    assert (got.status, got.value(b"content-length")) == (200, b"%d" % len(LARGE))
    got = visitor.ask(get("/static/large.bin", "Range: bytes=10-19"))
    assert (got.status, got.body) == (206, LARGE[10:20])
    since = got.value(b"last-modified").decode()
    got = visitor.ask(get("/static/large.bin", f"If-Modified-Since: {since}"))
    assert (got.status, got.body) == (304, b"")
    assert visitor.ask(get("/healthz")).body == b"OK"


@pytest.mark.parametrize("path", ["/static/nothing", "/static/../gateway.yaml", "/static/%2e%2e/x"])
def test_what_is_not_there(visitor, path):
    got = visitor.ask(get(path))
    assert got.status in (400, 404)
    assert b"ORIGIN" not in got.body


def test_a_wsgi_application(visitor):
    got = visitor.ask(get("/wsgi/a%20b?x=1", "X-Forwarded-For: 203.0.113.5"))
    assert got.status == 200
    told = dict(line.split("=", 1) for line in got.body.decode().splitlines())
    assert told["REQUEST_METHOD"] == "GET"
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/wsgi", "/a b")
    assert told["QUERY_STRING"] == "x=1"
    assert told["HTTP_HOST"] == "gw.example"
    assert told["HTTP_X_REAL_IP"] == "203.0.113.5"
    assert told["HTTP_X_REQUEST_ID"].encode() == got.value(b"x-request-id")


def test_a_wsgi_application_gets_its_body(visitor):
    got = visitor.ask(post("/wsgi/echo", b"hello" * 1000, "Expect: 100-continue"))
    assert got.body.endswith(b"hello" * 1000)
    assert [seen.status for seen in visitor.informational] == [100]
    assert visitor.ask(get("/healthz")).body == b"OK"


def test_a_chunked_body_too(visitor):
    data = request("POST", "/wsgi/echo", "Transfer-Encoding: chunked")
    got = visitor.ask(data + b"5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n")
    assert got.body.endswith(b"hello!")


FORM = "Content-Type: application/x-www-form-urlencoded"


def test_a_form_of_usual_size_is_parsed_and_a_large_one_handed_over(visitor):
    assert visitor.ask(post("/form", b"a=1&b=2", FORM)).body == b"['a', 'b'] 7"
    large = b"a=" + b"x" * 70_000
    assert visitor.ask(post("/form", large, FORM)).body == b"[] 70002"


def test_a_resource_says_itself_how_much_it_takes(visitor):
    assert visitor.ask(post("/form", b"x" * 2_000_000)).body == b"[] 2000000"
    assert visitor.ask(post("/form", b"x" * 2_000_001)).status == 413


def test_one_that_says_nothing_takes_a_mebibyte(mounted):
    assert mounted.connect().ask(post("/wsgi/echo", b"x" * (1 << 20))).status == 200
    assert mounted.connect().ask(post("/wsgi/echo", b"x" * ((1 << 20) + 1))).status == 413


@pytest.mark.parametrize("path", ["/healthz", "/"])
def test_the_gateways_own_pages_take_no_body(mounted, path):
    assert mounted.connect().ask(post(path, b"a=1", FORM)).status == 413
    chunked = request("POST", path, "Transfer-Encoding: chunked", FORM)
    assert mounted.connect().ask(chunked + b"3\r\na=1\r\n0\r\n\r\n").status == 413


def test_resources_and_routes_answer_on_one_connection(visitor, far_side):
    visitor.send(get("/static/page.html") + get("/api/x") + post("/wsgi/echo", b"hi"))
    far = far_side["ORIGIN"].accept()
    assert far.request().target == b"/x"
    far.send(answer(200, b"routed"))
    bodies = [visitor.answer().body for _ in range(3)]
    assert bodies[:2] == [b"<p>hello</p>", b"routed"] and bodies[2].endswith(b"hi")


def test_a_resource_that_fails_is_a_500_and_the_connection_goes_on(visitor):
    assert visitor.ask(get("/broken")).status == 500
    assert visitor.ask(get("/healthz")).body == b"OK"


def test_a_slow_resource_whose_client_leaves(mounted, visitor):
    visitor.send(get("/never"))
    visitor.reset()
    mounted.says("never: the client left")


def test_an_upgrade_is_nothing_to_a_resource(visitor):
    got = visitor.ask(get("/static/page.html", "Upgrade: websocket", "Connection: Upgrade"))
    assert got.status == 200

"""A reload of the running service: by signal or by itself, whole or not at all."""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import client, far_side, gateway, origin, running, second
from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.stream import Stream
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import TEXT, agreed, frame, open_websocket, read_frame, upgrade

__all__ = ["client", "far_side", "gateway", "origin", "running", "second"]

CONFIG = """
gateway: {access_log: off, drain_timeout: 2s}
routes:
  /api/: {to: "${ORIGIN}"}
  /ws/: {to: "${ORIGIN}"}
  /gone/: {to: "${ORIGIN}"}
"""
WITHOUT = CONFIG.replace('  /gone/: {to: "${ORIGIN}"}\n', "")
ADMIN = re.compile(r"admin on .*\(127\.0\.0\.1:(\d+)\)")


@pytest.fixture
def restored(gateway) -> Iterator[GatewayProcess]:
    """The gateway, with its first configuration back at the end."""
    yield gateway
    load(gateway, CONFIG)


def load(gateway: GatewayProcess, text: str) -> None:
    gateway.file.write_text(text)
    gateway.reload()


def status_of(gateway: GatewayProcess) -> Any:
    found = ADMIN.search(gateway.output)
    assert found is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/status", timeout=10) as got:
        return json.load(got)


def passes(near: Stream, far: Stream, text: bytes) -> None:
    near.send(frame(TEXT, text))
    assert read_frame(far).payload == text


# tests of the configuration


def test_one_whose_tests_fail_is_refused(restored, client):
    load(restored, CONFIG + '  /new/: {to: "${SECOND}"}\ntests: {url: /new/x, route: /api/}\n')
    assert "gateway.yaml:8:8: tests[0]: /new/x goes to route /new/" in restored.output
    assert client.ask(get("/new/x")).status == 404


def test_one_whose_tests_hold_is_taken(restored, client, second):
    load(restored, CONFIG + '  /new/: {to: "${SECOND}"}\ntests: {url: /new/x, target: /x}\n')
    client.send(get("/new/x"))
    assert second.accept().request().target == b"/x"


# WebSockets


def test_a_websocket_whose_route_is_gone_ends_with_1012_after_a_while(restored, origin):
    client, other = restored.connect(), restored.connect()
    far, _, _ = open_websocket(client, origin, "/gone/x")
    staying, _, _ = open_websocket(other, origin, "/ws/x")
    load(restored, WITHOUT)
    with Stopwatch() as watch:
        passes(client, far, b"goes on")
        assert read_frame(client).code == 1012
    assert watch.seconds > 1.9
    assert read_frame(far).code == 1012
    passes(other, staying, b"lives on")


def test_a_reload_after_that_gives_it_no_more_time(restored, origin):
    client = restored.connect()
    open_websocket(client, origin, "/gone/x")
    load(restored, WITHOUT)
    for _ in range(30):
        load(restored, WITHOUT)
        if not client.says_nothing(0.2):
            break
    else:
        pytest.fail("each reload gave it more time")
    assert read_frame(client).code == 1012


def test_a_route_that_comes_back_meanwhile_keeps_its_websockets(restored, origin):
    client, other = restored.connect(), restored.connect()
    far, _, _ = open_websocket(client, origin, "/gone/x")
    open_websocket(other, origin, "/ws/x")
    load(restored, WITHOUT.replace("/ws/", "/sw/"))
    load(restored, WITHOUT.replace("/ws/", "/gone/"))
    assert read_frame(other).code == 1012
    passes(client, far, b"lives on")


def test_one_whose_route_goes_while_it_is_opened_ends_too(restored, origin):
    client = restored.connect()
    client.send(upgrade("/gone/x"))
    far = origin.accept()
    far.request()
    load(restored, WITHOUT)
    far.send(agreed())
    assert client.head().status == 101
    passes(client, far, b"open")
    assert read_frame(client).code == 1012


def test_a_route_that_changed_keeps_its_websockets(restored, origin, second):
    client, other = restored.connect(), restored.connect()
    far, _, _ = open_websocket(client, origin, "/ws/x")
    open_websocket(other, origin, "/gone/x")
    load(restored, WITHOUT.replace('/ws/: {to: "${ORIGIN}"}', '/ws/: {to: "${SECOND}"}'))
    assert read_frame(other).code == 1012
    passes(client, far, b"lives on")


# exchanges


def test_an_exchange_whose_server_is_gone_ends_well_and_leaves_nothing(restored, client, origin):
    client.send(get("/api/slow"))
    far = origin.accept()
    far.request()
    for _ in range(2):
        load(restored, "gateway: {access_log: off}\nroutes: {}\n")
    far.send(answer(200, b"old"))
    assert client.answer().body == b"old"
    assert far.rest() == b"" and far.ending == "closed", "nobody asks that server any more"


def test_the_start_page_shows_the_new_table(restored, client):
    def paths() -> list[str]:
        told = json.loads(client.ask(get("/?format=json")).body)
        return [row["path"] for row in told["services"]]

    assert paths() == ["/api/", "/ws/", "/gone/"]
    load(restored, WITHOUT)
    assert paths() == ["/api/", "/ws/"]


# by itself


@pytest.fixture
def watching(tmp_path: Path, far_side: dict[str, Origin]) -> Iterator[GatewayProcess]:
    """A gateway of one test, with an admin listener, that looks after its file."""
    text = CONFIG.replace("access_log", "reload_on_change: on, access_log")
    command = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, "--listen", ANYWHERE)
    gateway = GatewayProcess(tmp_path, text, command=command, ORIGIN=far_side["ORIGIN"].url)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def test_a_file_that_changes_is_taken(watching):
    assert watching.connect().ask(get("/new")).status == 404
    watching.file.write_text(watching.file.read_text() + "  /new/: {to: 'http://127.0.0.1:1'}\n")
    watching.says("reloaded: 4 routes of gateway.yaml")
    assert watching.connect().ask(get("/new")).status == 301
    assert status_of(watching)["reload"]["count"] == 1


def test_a_mistake_is_told_once_and_what_mends_it_is_taken(watching):
    good = watching.file.read_text()
    watching.file.write_text(good + "nonsense: 1\n")
    watching.says("not reloaded, the old configuration stays")
    told = status_of(watching)["reload"]
    assert (told["count"], told["ok"]) == (1, False)
    assert told["problems"].startswith("gateway.yaml:7:1: nonsense: unknown key")
    watching.file.write_text(good + "  /new/: {to: 'http://127.0.0.1:1'}\n")
    watching.says("reloaded: 4 routes of gateway.yaml")
    told = status_of(watching)["reload"]
    assert (told["count"], told["ok"], told["problems"]) == (2, True, "")


def test_a_dotenv_that_changes_is_taken(watching):
    watching.file.write_text(watching.file.read_text() + "  '${MORE:-/more/}': 'http://x:1'\n")
    watching.says("reloaded: 4 routes of gateway.yaml")
    (watching.folder / ".env").write_text("MORE=/other/\n")
    until(lambda: watching.connect().ask(get("/other")).status == 301, what="another reload")


def test_without_the_switch_nothing_is_taken_by_itself(watching):
    watching.file.write_text(CONFIG)
    watching.says("reloaded: 3 routes of gateway.yaml")
    watching.file.write_text(CONFIG + "  /new/: {to: 'http://127.0.0.1:1'}\n")
    # Time passes for it too: its WebSockets are looked at four times a second.
    assert watching.is_quiet(3.0)
    assert watching.connect().ask(get("/new")).status == 404


# what the user's own resources do

TAC = """
from pathlib import Path
from twisted.application.service import Application
from twisted.internet import reactor
import os, signal
from daarion_gw.front.loading import Loading
from daarion_gw.service import Gateway

times = []

def mount(root):
    times.append(root)
    if len(times) == 2:
        raise ValueError("a mistake in mount")

read = Loading(None, os.environ, Path.cwd())
settings = read()
gateway = Gateway(reactor, settings, settings.gateway.listen, settings.gateway.admin, read, mount)
application = Application("gateway")
gateway.setServiceParent(application)
reactor.callWhenRunning(
    signal.signal, signal.SIGHUP, lambda *_: reactor.callFromThread(gateway.reload)
)
"""


def test_resources_that_fail_change_nothing(tmp_path: Path):
    (tmp_path / "gateway.tac").write_text(TAC)
    run = "from twisted.scripts.twistd import run; run()"
    command = [sys.executable, "-c", run, "-n", "--pidfile=", "--python", "gateway.tac"]
    text = f'gateway: {{listen: ["{ANYWHERE}"], admin: "{ANYWHERE}", access_log: off}}\n'
    gateway = GatewayProcess(tmp_path, text + "routes: {}\n", command=command)
    try:
        load(gateway, text + "routes: {/new/: 'http://127.0.0.1:1'}\n")
        assert "a mistake in mount" in gateway.output
        told = status_of(gateway)["reload"]
        assert (told["count"], told["ok"]) == (1, False)
        assert gateway.connect().ask(get("/new")).status == 404
        gateway.reload()
        assert gateway.connect().ask(get("/new")).status == 301
    finally:
        gateway.kill()

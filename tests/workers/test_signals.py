"""Signals are for the master alone: it checks, and tells all workers."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import far_side
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import open_websocket, read_frame
from tests.workers.crew import Crew, kill

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: {format: json, file: access.log}, drain_timeout: 3s}
routes:
  /api/: {to: "${ORIGIN}"}
  /ws/: {to: "${ORIGIN}"}
"""


@pytest.fixture
def origin(far_side: dict[str, Origin]) -> Origin:
    far_side["ORIGIN"].forget()
    return far_side["ORIGIN"]


@pytest.fixture
def crew(tmp_path: Path, far_side: dict[str, Origin]) -> Iterator[Crew]:
    crew = Crew(tmp_path, CONFIG, ORIGIN=far_side["ORIGIN"].url, SECOND=far_side["SECOND"].url)
    yield crew
    crew.kill()
    assert "Traceback" not in crew.output


# SIGHUP


def test_a_new_route_is_live_in_all_of_them(crew):
    clients = crew.connections_of_each()
    assert [client.ask(get("/new/x")).status for client in clients] == [404, 404]
    crew.file.write_text(CONFIG + '  /new/: {to: "http://127.0.0.1:1"}\n')
    crew.reload()
    assert [client.ask(get("/new/x")).status for client in clients] == [502, 502]
    assert crew.output.count("reloaded: 3 routes") == 1
    shown = [route["route"] for route in crew.status()["routes"]]
    assert shown == ["/api/", "/ws/", "/new/"]
    crew.stop()


def test_a_file_that_does_not_load_changes_nothing(crew):
    clients = crew.connections_of_each()
    crew.file.write_text("routes: {/api/: {too: x}}\n")
    crew.reload()
    assert crew.output.count("not reloaded, the old configuration stays") == 1
    assert [client.ask(get("/api")).status for client in clients] == [301, 301]


def test_one_that_starts_meanwhile_has_what_the_others_have(crew):
    """A file that is being edited is nobody's until it is told to be."""
    crew.file.write_text("routes: {}\n")
    gone = crew.pids[0]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    assert [client.ask(get("/api")).status for client in crew.connections_of_each()] == [301, 301]
    crew.reload()
    assert [client.ask(get("/api")).status for client in crew.connections_of_each()] == [404, 404]
    gone = crew.pids[1]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    assert [client.ask(get("/api")).status for client in crew.connections_of_each()] == [404, 404]


def test_a_log_that_cannot_be_opened_changes_nothing(crew):
    text = CONFIG.replace("file: access.log", "file: no/where.log")
    crew.file.write_text(text + '  /new/: {to: "${SECOND}"}\n')
    crew.reload()
    crew.says("no/where.log")
    assert crew.connect().ask(get("/new/x")).status == 404


def test_listeners_that_changed_are_told_of_once(crew):
    crew.file.write_text(CONFIG.replace("drain_timeout", 'listen: ["tcp:1"], drain_timeout'))
    crew.reload()
    said = "changed listeners take effect when the gateway is started anew"
    assert crew.output.count(said) == 1


# the log


def lines(file: Path) -> list[str]:
    """The targets in a JSON access log."""
    if not file.exists():
        return []
    return [json.loads(line)["target"] for line in file.read_text().splitlines()]


def test_all_write_one_log_and_a_rotation_misses_none(crew):
    clients = crew.connections_of_each()
    for number in range(50):
        for client in clients:
            client.ask(get(f"/old-{number}"))
    old, new = crew.folder / "access.log.1", crew.folder / "access.log"
    new.rename(old)
    crew.reload()
    for number in range(50):
        for client in clients:
            client.ask(get(f"/new-{number}"))
    wanted = sorted([f"/new-{number}" for number in range(50)] * 2)
    until(lambda: sorted(lines(new)) == wanted, what="all lines in the new file")
    seen = [line for line in lines(old) if line != "/healthz"]
    assert sorted(seen) == sorted([f"/old-{number}" for number in range(50)] * 2)


def test_a_file_that_does_not_load_does_not_keep_the_log_from_its_rotation(crew):
    clients = crew.connections_of_each()
    new = crew.folder / "access.log"
    new.rename(crew.folder / "access.log.1")
    crew.file.write_text("nonsense: [")
    crew.reload()
    until(new.exists, what="a new file")
    for client in clients:
        client.ask(get("/after"))
    until(lambda: lines(new) == ["/after"] * 2, what="both lines in the new file")


def test_ids_of_requests_are_different_ones(crew):
    clients = crew.connections_of_each()
    ids = [client.ask(get("/x")).value(b"x-request-id") for client in clients for _ in range(20)]
    assert len(set(ids)) == 40
    assert len({each.partition(b"-")[0] for each in ids}) == 2, "each has a prefix of its own"


# SIGTERM


def test_exchanges_under_way_end_well(crew, origin):
    clients = crew.connections_of_each()
    fars = []
    for client in clients:
        client.send(get("/api/slow"))
        fars.append(origin.accept())
        fars[-1].request()
    crew.terminate()
    until(crew.refuses_connections, what="no new connections")
    for far, client in zip(fars, clients, strict=True):
        far.send(answer(200, b"hello"))
        got = client.answer()
        assert (got.body, got.value(b"connection")) == (b"hello", b"close")
    assert crew.exit_code() == 0
    assert lines(crew.folder / "access.log").count("/api/slow") == 2


def test_websockets_are_sent_away(crew, origin):
    clients = crew.connections_of_each()
    for client in clients:
        open_websocket(client, origin)
    crew.terminate()
    assert [read_frame(client).code for client in clients] == [1001, 1001]
    crew.forget_clients()
    assert crew.exit_code() == 0


def test_what_does_not_end_in_time_is_cut(crew, origin):
    client = crew.connect()
    client.send(get("/api/never"))
    origin.accept().request()
    crew.terminate()
    with Stopwatch() as watch:
        assert crew.exit_code(15) == 0
    assert 2.5 < watch.seconds < 8
    assert "cut 1 connections that did not end within 3 s" in crew.output


def test_a_second_signal_cuts_at_once(crew, origin):
    client = crew.connect()
    client.send(get("/api/never"))
    origin.accept().request()
    crew.terminate()
    until(crew.refuses_connections, what="no new connections")
    with Stopwatch() as watch:
        crew.terminate()
        assert crew.exit_code() == 0
    assert watch.seconds < 2
    assert "cut 1 connections on a second signal" in crew.output


def test_one_that_does_not_obey_is_killed(crew):
    stuck = crew.pids[0]
    os.kill(stuck, signal.SIGSTOP)
    crew.terminate()
    assert crew.exit_code(20) == 0
    assert "worker 1 did not end" in crew.output

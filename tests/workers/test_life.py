"""Workers that end are replaced; what they had counted stays; a master that is gone is noticed."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import far_side
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch, until
from tests.workers.crew import Crew, is_gone, kill

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: off, drain_timeout: 4s}
routes:
  /api/: {to: "${ORIGIN}"}
"""


@pytest.fixture
def origin(far_side: dict[str, Origin]) -> Origin:
    far_side["ORIGIN"].forget()
    return far_side["ORIGIN"]


@pytest.fixture
def crew(tmp_path: Path, origin: Origin) -> Iterator[Crew]:
    crew = Crew(tmp_path, CONFIG, ORIGIN=origin.url)
    yield crew
    crew.kill()
    assert "Traceback" not in crew.output


def ask_through(client, origin: Origin) -> None:
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"hello", "Connection: close"))
    assert client.answer().body == b"hello"


def test_one_that_is_killed_takes_its_connections_along_and_is_replaced(crew, origin):
    lost, kept = crew.connections_of_each()
    gone = crew.pids[0]
    with Stopwatch() as watch:
        kill(gone)
        assert lost.gone_within(2)
        until(lambda: crew.is_whole_again(without=gone), what="another worker")
    # Half a second on an idle machine.
    assert watch.seconds < 5
    ask_through(kept, origin)
    for client in crew.connections_of_each():
        ask_through(client, origin)
    assert re.search(
        rf"worker 1 \(pid {gone}\) was ended by SIGKILL after \d+ s; the next one starts at once",
        crew.output,
    )
    assert f"worker 1 (pid {crew.pids[0]}) serves" in crew.output
    assert crew.numbers()["daarion_worker_ends_total",] == 1
    crew.stop()


def test_one_that_ends_again_and_again_is_started_ever_more_rarely(crew):
    """At once, after one second, after two."""
    for pause, said in enumerate(("at once", "in 1 s", "in 2 s")):
        gone = crew.pids[1]
        with Stopwatch() as watch:
            kill(gone)
            crew.says(f"worker 2 (pid {gone}) was ended by SIGKILL after")
            until(lambda gone=gone: crew.is_whole_again(without=gone), what="another worker")
        assert watch.seconds > pause
        assert f"the next one starts {said}" in crew.output
    assert "worker 1 (" not in crew.output
    assert crew.connect().ask(get("/healthz")).body == b"OK"


def test_what_it_had_counted_does_not_end_with_it(crew, origin):
    for client in crew.connections_of_each():
        ask_through(client, origin)
    before = crew.numbers()
    gone = crew.pids[0]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    after = crew.numbers()
    totals = {key for key in before if key[0].endswith(("_total", "_count", "_sum", "_bucket"))}
    assert {key for key in totals if after[key] < before[key]} == set()
    (requests,) = [key for key in after if key[0] == "daarion_requests_total"]
    assert after[requests] == before[requests] == 2
    assert after["daarion_connections_open",] < before["daarion_connections_open",]


def test_one_that_is_told_to_stop_by_somebody_else_drains_and_is_replaced(crew, origin):
    client, _ = crew.connections_of_each()
    client.send(get("/api/slow"))
    far = origin.accept()
    far.request()
    gone = crew.pids[0]
    os.kill(gone, signal.SIGTERM)
    for _ in range(10):
        assert crew.connect().ask(get("/healthz")).body == b"OK", "the other one accepts"
    far.send(answer(200, b"hello"))
    assert client.answer().body == b"hello"
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    crew.stop()


def test_without_their_master_they_serve_what_is_under_way_and_end(crew, origin):
    client, idle = crew.connections_of_each()
    client.send(get("/api/slow"))
    far = origin.accept()
    far.request()
    pids = crew.pids
    crew.process.kill()
    assert idle.rest() == b"" and idle.ending == "closed"
    until(lambda: is_gone(pids[1]), what="the end of the idle worker")
    until(crew.refuses_connections, what="no new connections")
    far.send(answer(200, b"hello"))
    got = client.answer()
    assert (got.body, got.value(b"connection")) == (b"hello", b"close")
    until(lambda: is_gone(pids[0]), what="the end of the other worker")


def test_all_of_them_killed_at_once_are_replaced_and_who_comes_meanwhile_waits(crew):
    pids = crew.pids
    for pid in pids:
        kill(pid)
    assert crew.connect().ask(get("/healthz")).body == b"OK"
    until(lambda: len(crew.pids) == 2, what="two workers")
    assert not set(crew.pids) & set(pids)
    crew.stop()


def test_nobody_is_left_behind(crew):
    pids = crew.pids
    crew.stop()
    assert all(is_gone(pid) for pid in pids)


def test_ctrl_c_is_the_masters_alone(tmp_path, origin):
    """A terminal sends SIGINT to all of its processes."""
    crew = Crew(tmp_path, CONFIG, session=True, ORIGIN=origin.url)
    try:
        client, _ = crew.connections_of_each()
        client.send(get("/api/slow"))
        far = origin.accept()
        far.request()
        os.killpg(crew.process.pid, signal.SIGINT)
        until(crew.refuses_connections, what="no new connections")
        far.send(answer(200, b"hello"))
        assert client.answer().body == b"hello"
        assert crew.exit_code() == 0
        assert "the next one starts" not in crew.output
    finally:
        crew.kill()

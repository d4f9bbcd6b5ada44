"""Accepting is spread evenly over the workers, whatever the kind of listener."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.support.gateway import ANYWHERE
from tests.support.message import get
from tests.support.stream import Client
from tests.support.waiting import Stopwatch, until
from tests.workers.crew import Crew, kill

CONFIG = "gateway: {access_log: off}\nroutes: {}\n"
# A worker may be ahead by a sixteenth, and by what it takes after waiting in vain for another
# that has just no processor. Chance would do worse than this once in thirty times, a common
# queue that is emptied by who comes first nearly always.
APART = 30


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    folder = tmp_path_factory.mktemp("crew")
    crew = Crew(folder, CONFIG, listen=(ANYWHERE, "unix:gateway.sock"))
    try:
        yield crew
        crew.stop()
    finally:
        crew.kill()


@pytest.fixture
def crew(running: Crew) -> Iterator[Crew]:
    until(lambda: len(running.pids) == 2 and running.open == [0, 0], what="a quiet gateway")
    yield running
    running.forget_clients()


def connectors(crew: Crew) -> dict[str, Callable[[], Client]]:
    return {
        "TCP": crew.connect,
        "UNIX": lambda: crew.connect_unix(crew.folder / "gateway.sock"),
    }


@pytest.mark.parametrize("kind", ["TCP", "UNIX"])
def test_one_after_the_other(crew, kind):
    connect = connectors(crew)[kind]
    for _ in range(200):
        assert connect().ask(get("/healthz")).body == b"OK"
    first, second = crew.open
    assert first + second == 200
    assert abs(first - second) <= APART


@pytest.mark.parametrize("kind", ["TCP", "UNIX"])
def test_many_at_once(crew, kind):
    connect = connectors(crew)[kind]
    clients = [connect() for _ in range(200)]
    for client in clients:
        assert client.ask(get("/healthz")).body == b"OK"
    first, second = crew.open
    assert first + second == 200
    assert abs(first - second) <= APART


def test_a_new_worker_gets_the_next_ones(crew):
    for _ in range(60):
        crew.connect().ask(get("/healthz"))
    gone = crew.pids[0]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    empty, full = crew.open
    assert empty == 0 and full > 15
    for _ in range(full):
        crew.connect().ask(get("/healthz"))
    assert abs(crew.open[0] - full) <= 8


def test_a_worker_that_hangs_holds_up_nobody_else(crew):
    """Nobody waits for it longer than a moment, though it has the fewest connections."""
    held = [crew.connect() for _ in range(20)]
    for client in held:
        client.ask(get("/healthz"))
    stuck, busy = crew.pids
    os.kill(stuck, signal.SIGSTOP)
    try:
        with Stopwatch() as watch:
            for _ in range(50):
                assert crew.connect().ask(get("/healthz")).body == b"OK"
        assert watch.seconds < 5
        with Stopwatch() as watch:
            rows = crew.status()["workers"]
        assert watch.seconds < 10
        assert [row["pid"] for row in rows] == [stuck, busy]
        assert rows[1]["connections"]["open"] > 50
    finally:
        os.kill(stuck, signal.SIGCONT)

"""Several workers: each has its share of the limits, and is protected by itself."""

import os
import signal
import threading
import time

import pytest

from tests.support.message import get
from tests.support.waiting import until
from tests.workers.crew import Crew

CONFIG = """
gateway: {access_log: off, limits: {connections: 3}, overload: {lag: 300ms}}
routes: {}
"""


@pytest.fixture
def crew(tmp_path):
    crew = Crew(tmp_path, CONFIG)
    try:
        yield crew
        crew.stop()
    finally:
        crew.kill()


class Held:
    """A worker that is stopped nearly all the time: it comes late to everything."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        while not self._is_over.wait(0.03):
            os.kill(self._pid, signal.SIGSTOP)
            time.sleep(2.0)
            os.kill(self._pid, signal.SIGCONT)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def test_limits_are_shared_among_workers(crew):
    crew.says("at most 2 connections of clients in each worker")
    clients = [crew.connect() for _ in range(4)]
    assert [each.ask(get("/healthz")).status for each in clients] == [200] * 4
    assert crew.connect().answer().status == 503
    assert crew.status()["connections"]["refused"] == {"503": 1}


def test_a_worker_that_has_too_much_to_do_leaves_its_turn_and_takes_it_again(crew):
    first, second = crew.pids
    with Held(first):
        crew.says("worker 1: overload: no connections are accepted")
        until(lambda: crew.status()["workers"][0]["overload"] == 3)
        assert crew.numbers()["daarion_overload_level",] == 3, "the worst of them"
        for _ in range(3):
            client = crew.connect()
            assert client.ask(get("/healthz")).value(b"connection") is None
            client.close()
        assert crew.status()["workers"][1]["overload"] == 0
    crew.says("worker 1: overload: back to normal")
    assert crew.pids == [first, second]
    clients = [crew.connect() for _ in range(2)]
    assert [each.ask(get("/healthz")).status for each in clients] == [200, 200]
    until(lambda: crew.open == [1, 1], what="each has one again")

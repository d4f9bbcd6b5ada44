"""The gateway is told to stop: who is told what, in which order, and what is not lost by it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from daarion_gw.front.leaving import Later, Spread, due, time_for
from daarion_gw.net.sweep import INTERVAL, Sweep
from tests.support.fixtures import far_side
from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import open_websocket, read_frame

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: off, drain_delay: DELAY, drain_timeout: 5s}
routes:
  /api/: {to: "${ORIGIN}"}
  /ws/: {to: "${ORIGIN}"}
"""


@pytest.fixture
def origin(far_side: dict[str, Origin]) -> Origin:
    far_side["ORIGIN"].forget()
    return far_side["ORIGIN"]


def started(folder: Path, origin: Origin, delay: str) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(folder, CONFIG.replace("DELAY", delay), ORIGIN=origin.url)
    yield gateway
    gateway.kill()
    assert "Traceback" not in gateway.output


@pytest.fixture
def prompt(tmp_path: Path, origin: Origin) -> Iterator[GatewayProcess]:
    yield from started(tmp_path, origin, "0s")


@pytest.fixture
def patient(tmp_path: Path, origin: Origin) -> Iterator[GatewayProcess]:
    """Long enough for everything that a test does meanwhile."""
    yield from started(tmp_path, origin, "30s")


# idle connections


def test_a_request_that_was_under_way_on_an_idle_connection_is_answered(prompt, origin):
    """It cannot be told from an idle one when the gateway begins to stop."""
    client = prompt.connect()
    client.ask(get("/healthz"))
    prompt.terminate()
    until(prompt.refuses_connections, what="no new connections")
    got = client.ask(get("/healthz"))
    assert (got.body, got.value(b"connection")) == (b"OK", b"close")
    assert client.rest() == b"" and client.ending == "closed"
    assert prompt.exit_code() == 0


def test_one_that_says_nothing_is_closed_soon(prompt):
    client = prompt.connect()
    client.ask(get("/healthz"))
    prompt.terminate()
    with Stopwatch() as watch:
        assert client.rest() == b"" and client.ending == "closed"
    assert 0.5 < watch.seconds < 4
    assert prompt.exit_code() == 0


# readiness


def test_ready_is_ok_until_it_is_told_to_stop(patient):
    assert patient.connect().ask(get("/healthz?ready")).body == b"OK"
    assert patient.connect().ask(get("/healthz")).body == b"OK"


def test_while_it_drains_it_is_alive_and_not_ready(patient):
    patient.terminate()
    until(lambda: patient.connect().ask(get("/healthz?ready")).status == 503, what="503")
    got = patient.connect().ask(get("/healthz?ready"))
    assert (got.body, got.value(b"retry-after")) == (b"draining", b"1")
    assert patient.connect().ask(get("/healthz")).status == 200
    assert patient.connect().ask(get("/healthz?already")).status == 200


# the delay


def test_during_the_delay_it_goes_on_accepting_and_says_that_it_leaves(patient, origin):
    websocket = patient.connect()
    open_websocket(websocket, origin)
    patient.terminate()
    until(lambda: patient.connect().ask(get("/healthz?ready")).status == 503, what="the delay")
    client = patient.connect()
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"hello"))
    got = client.answer()
    assert (got.body, got.value(b"connection")) == (b"hello", b"close")
    assert websocket.says_nothing(0.3), "nobody is sent away while others may still come"


def test_a_second_signal_ends_the_delay(patient):
    patient.terminate()
    until(lambda: patient.connect().ask(get("/healthz?ready")).status == 503, what="the delay")
    patient.terminate()
    with Stopwatch() as watch:
        assert patient.exit_code() == 0
    assert watch.seconds < 5


def test_when_the_delay_is_over_it_drains(tmp_path, origin):
    for gateway in started(tmp_path, origin, "1s"):
        websocket = gateway.connect()
        open_websocket(websocket, origin)
        gateway.terminate()
        with Stopwatch() as watch:
            assert read_frame(websocket).code == 1001
        assert watch.seconds > 0.9
        until(gateway.refuses_connections, what="no new connections")
        gateway.forget_clients()
        assert gateway.exit_code() == 0


# WebSockets


def test_many_websockets_are_sent_away_one_after_the_other(prompt, origin):
    """200 take two seconds; a few go at once."""
    clients = [prompt.connect() for _ in range(200)]
    for client in clients:
        open_websocket(client, origin)
    prompt.terminate()
    at: list[float] = []
    left = list(clients)
    while left:
        for client in [each for each in left if not each.says_nothing(0.001)]:
            assert read_frame(client).code == 1001
            at.append(time.monotonic())
            left.remove(client)
    assert at[-1] - at[0] > 0.4
    prompt.forget_clients()
    assert prompt.exit_code() == 0


def sweeping() -> tuple[Clock, Sweep]:
    clock = Clock()
    sweep = Sweep(clock, clock.seconds)
    sweep.start()
    return clock, sweep


@given(st.integers(1, 20_000), st.floats(0.5, 60))
def test_all_of_them_end_evenly_and_before_half_of_the_limit(count, limit):
    clock, sweep = sweeping()
    ended: list[float] = []
    seconds = time_for(count, limit)
    assert seconds <= limit / 2
    Spread(sweep, range(count), lambda _: ended.append(clock.seconds()), seconds)
    for _ in range(int(limit / 2 / INTERVAL) + 2):
        clock.advance(INTERVAL)
    assert len(ended) == count
    assert ended[-1] <= max(seconds, 0.0)
    assert not sweep.watched, "no look is left to be taken"
    share = count * INTERVAL / seconds + 1
    most = max(ended.count(moment) for moment in set(ended))
    assert most <= 2 * share, "none of the moments is that of a crowd"


@pytest.mark.parametrize(
    ("count", "limit", "seconds"), [(5000, 30, 15), (1000, 30, 10), (3, 30, 0.03), (0, 30, 0)]
)
def test_how_long_it_takes(count, limit, seconds):
    assert time_for(count, limit) == pytest.approx(seconds)


def test_few_are_due_at_once_and_never_more_than_there_are():
    assert due(3, 0.0, 0.03) == 3
    assert due(100, 0.0, 1.0) == 25
    assert due(100, 90.0, 1.0) == 100


def test_later_is_once():
    clock, sweep = sweeping()
    told: list[float] = []
    Later(sweep, 1.0, lambda: told.append(clock.seconds()))
    for _ in range(12):
        clock.advance(INTERVAL)
    assert len(told) == 1 and 1.0 <= told[0] <= 1.5
    assert not sweep.watched


def test_it_is_over_in_time_whatever_websockets_do(prompt, origin):
    """Nobody answers its close: the limit holds."""
    for _ in range(20):
        open_websocket(prompt.connect(), origin)
    os.kill(prompt.process.pid, signal.SIGTERM)
    with Stopwatch() as watch:
        assert prompt.exit_code() == 0
    assert watch.seconds < 8

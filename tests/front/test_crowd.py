"""Many clients at the same moment: they are connected before the gateway gets to accept them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import get

CONFIG = "gateway: {access_log: off}\n"
# Twisted's own queue has 50 places.
CROWD = 300


@contextmanager
def standing_still(gateway: GatewayProcess) -> Iterator[None]:
    """As it does while it is busy with something else: it accepts nobody."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


@pytest.fixture
def start(tmp_path):
    started = []

    def start(listen: str) -> GatewayProcess:
        started.append(GatewayProcess(tmp_path, CONFIG, [listen]))
        return started[-1]

    yield start
    for gateway in started:
        gateway.kill()


def test_a_crowd_is_connected_before_anybody_is_accepted(start):
    gateway = start(ANYWHERE)
    with standing_still(gateway):
        # One that found no place would wait for longer than a client does here.
        clients = [gateway.connect() for _ in range(CROWD)]
    assert {client.ask(get("/healthz")).body for client in clients} == {b"OK"}


def test_it_is_as_long_as_the_listener_says(start):
    gateway = start(f"{ANYWHERE}:backlog=5")
    with standing_still(gateway):
        clients = [gateway.connect() for _ in range(6)]
        with pytest.raises(TimeoutError):
            gateway.connect(patience=0.5)
    assert {client.ask(get("/healthz")).body for client in clients} == {b"OK"}

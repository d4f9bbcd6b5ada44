"""What comes while the gateway is busy waits, and is then there all at once: who is served how.

The gateway is stopped, what is to meet in one turn of its loop is sent, and it goes on.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, request
from tests.support.waiting import until

CONFIG = """
gateway: {access_log: {format: json, file: access.log}}
routes:
  /api/: ${ORIGIN}
"""
STALE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nstale"


@contextmanager
def held(gateway: GatewayProcess) -> Iterator[None]:
    """The gateway does nothing; what is sent meanwhile meets in one turn of its loop."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        status = Path(f"/proc/{gateway.process.pid}/stat")
        until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", what="the stop")
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


@pytest.fixture
def idle(client, origin):
    """The server's end of a connection that waits for its next request."""
    client.send(get("/api/first"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200
    return far


def test_bytes_that_came_before_a_request_are_not_its_answer(gateway, client, origin, idle):
    with held(gateway):
        client.send(get("/api/second"))
        idle.send(STALE)
    far = origin.accept()
    assert far.request().target == b"/second", "it is asked anew"
    far.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"
    idle.rest()


def test_nor_are_they_for_what_cannot_be_sent_twice(gateway, client, origin, idle):
    with held(gateway):
        client.send(request("POST", "/api/second", "Content-Length: 2") + b"hi")
        idle.send(STALE)
    far = origin.accept()
    assert far.request().body == b"hi"
    far.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"


def test_an_answer_that_comes_in_a_later_turn_is_one(gateway, client, idle):
    client.send(get("/api/second"))
    idle.request()
    with held(gateway):
        idle.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"


def test_many_requests_of_one_client_do_not_go_before_the_others(gateway):
    first, modest, last = clients = [gateway.connect() for _ in range(3)]
    for each in clients:
        assert each.ask(get("/healthz")).status == 200
    with held(gateway):
        first.send(b"".join(get(f"/first/{number}") for number in range(200)))
        modest.send(get("/modest"))
        last.send(b"".join(get(f"/last/{number}") for number in range(200)))
    assert modest.answer().status == 404
    for greedy in (first, last):
        for _ in range(200):
            assert greedy.answer().status == 404
    gateway.entry(target="/first/199")
    gateway.entry(target="/last/199")
    places = [entry["target"] for entry in gateway.entries() if entry["status"] == 404]
    assert places.index("/modest") < 40, "whichever of the three had the first turn"
    for name in ("first", "last"):
        own = [place for place in places if place.startswith(f"/{name}/")]
        assert own == [f"/{name}/{number}" for number in range(200)]

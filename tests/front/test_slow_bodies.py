"""A body must bring 64 B/s over 30 s. Here an interval is shortened, the rule is the same."""

import sys
import threading
import time

import pytest

from daarion_gw.front import upload
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import answer, request
from tests.support.waiting import Stopwatch

# 500 bytes in each half second.
SHORTENED = """
import sys
from daarion_gw.front import rendering, upload
upload.BODY_INTERVAL = rendering._BODY_INTERVAL = 0.5
upload.SLOWEST_BODY = rendering._SLOWEST_BODY = 500
from twisted.scripts.twistd import run
run()
"""
CONFIG = """
gateway: {access_log: {format: json, file: access.log}}
routes:
  /api/: {to: "${ORIGIN}", timeouts: {idle: 500ms}}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side):
    flags = ["-n", "--pidfile=", "daarion-gw", "--admin", "off", "--listen", ANYWHERE]
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        command=[sys.executable, "-c", SHORTENED, *flags],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def test_the_rule_is_64_bytes_a_second_over_30_seconds():
    assert (upload.SLOWEST_BODY, upload.BODY_INTERVAL) == (64 * 30, 30.0)


def drip(client, pieces: int, piece: bytes, every: float) -> None:
    for _ in range(pieces):
        client.send(piece)
        time.sleep(every)


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_a_408_and_the_upstream_is_aborted(gateway, client, origin, framing):
    client.send(request("POST", "/api/slow", framing))
    far = origin.accept()
    far.head()
    piece = b"1\r\nx\r\n" if "chunked" in framing else b"x"
    dripping = threading.Thread(target=drip, args=(client, 26, piece, 0.05))
    with Stopwatch() as watch:
        dripping.start()
        got = client.answer()
    assert got.status == 408
    assert 0.4 < watch.seconds < 2.5
    assert client.rest() == b""
    far.rest()
    assert far.ending == "reset"
    dripping.join()
    assert gateway.entry(target="/api/slow")["fault"] == "BODY_TOO_SLOW"


def test_a_body_that_stops_is_too(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 100000") + b"x" * 5000)
    far = origin.accept()
    far.head()
    assert client.answer().status == 408
    far.rest()
    assert far.ending == "reset"


def test_a_body_that_is_fast_enough_is_not(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 26000"))
    far = origin.accept()
    far.head()
    drip(client, 13, b"x" * 2000, 0.1)
    assert far.read(26000)
    far.send(answer(200, b"done"))
    assert client.answer().body == b"done"


def test_a_server_that_does_not_read_is_not_the_clients_fault(client, origin):
    """The client is held back then: it brings nothing because it may not."""
    client.send(request("POST", "/api/x", "Content-Length: 60000000"))
    far = origin.accept()
    far.head()
    body = threading.Thread(target=client.send, args=(b"x" * 60_000_000,))
    body.start()
    for _ in range(6):
        far.read(200_000)
        time.sleep(0.2)
    far.read(58_800_000)
    body.join()
    far.send(answer(200, b"done"))
    assert client.answer().body == b"done"


def test_a_resource_of_the_gateways_own_waits_no_longer(client):
    client.send(request("POST", "/healthz", "Transfer-Encoding: chunked"))
    assert client.answer().status == 408


def test_an_answer_that_came_early_lets_the_body_go_on(client, origin):
    """As long as the server is brought something it need not speak itself."""
    client.send(request("POST", "/api/x", "Content-Length: 26000"))
    far = origin.accept()
    far.head()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndo")
    client.head()
    drip(client, 13, b"x" * 2000, 0.1)
    far.read(26000)
    far.send(b"ne")
    assert client.read(4) == b"done"

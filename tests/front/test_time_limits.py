"""Nobody waits for ever: the limits of clients and of upstreams, in real time."""

import socket
import time

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import LAST_CHUNK, answer, get, request
from tests.support.stream import CutError
from tests.support.waiting import Stopwatch, until

CONFIG = """
gateway:
  access_log: off
  head_timeout: 500ms
  keep_alive: 1s
routes:
  /api/:
    to: "${ORIGIN}"
    max_body: 0
    timeouts: {connect: 300ms, first_byte: 300ms, idle: 300ms, send: 300ms}
  /patient/:
    to: "${ORIGIN}"
    max_body: 0
    timeouts: {first_byte: 0, idle: 0, send: 300ms}
"""

MEGABYTE = 1 << 20
# A limit is met at most half a second late; a busy machine may add to that.
LATE = 1.5


def asked(client, origin, target="/api/x"):
    client.send(get(target))
    far = origin.accept()
    far.request()
    return far


# clients


def test_a_head_that_does_not_end_in_time_is_a_408(client):
    client.send(b"GET /healthz HTTP/1.1\r\nHost:")
    with Stopwatch() as watch:
        got = client.answer()
    assert got.status == 408
    assert 0.4 < watch.seconds < 0.5 + LATE
    assert client.rest() == b"" and client.ending == "closed"


def test_however_slowly_it_drips(client):
    data = get("/healthz", *(f"A: {n}" for n in range(100)))
    with Stopwatch() as watch:
        for at in range(len(data)):
            client.send(data[at : at + 1])
            if not client.says_nothing(0.02):
                break
    assert client.answer().status == 408
    assert 0.4 < watch.seconds < 0.5 + LATE


def test_the_second_head_on_a_connection_has_its_limit_too(client):
    assert client.ask(get("/healthz")).body == b"OK"
    client.send(get("/healthz")[:20])
    assert client.answer().status == 408


def test_also_when_it_came_together_with_the_first(client, origin):
    client.send(get("/patient/x") + get("/healthz")[:20])
    far = origin.accept()
    far.request()
    far.send(answer(200, b"first"))
    assert client.answer().body == b"first"
    assert client.answer().status == 408


def test_a_client_that_says_nothing_is_closed_without_a_word(client):
    assert client.rest() == b""
    assert client.ending == "closed"


def test_an_idle_connection_is_closed_after_keep_alive(client):
    client.ask(get("/healthz"))
    with Stopwatch() as watch:
        assert client.rest() == b""
    assert client.ending == "closed"
    assert 0.8 < watch.seconds < 1 + LATE


def test_and_not_before(client):
    for _ in range(3):
        assert client.ask(get("/healthz")).body == b"OK"
        assert client.says_nothing(0.6)


def test_a_client_that_takes_nothing_of_its_answer_is_cut(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (400 * MEGABYTE))
    while far.send_some(b"x" * MEGABYTE, within=0.2) == MEGABYTE:
        pass
    far.rest()
    assert far.ending == "reset"
    with pytest.raises((CutError, ConnectionResetError)):
        client.skip(400 * MEGABYTE)


def test_one_that_takes_little_by_little_is_not(client, origin):
    far = asked(client, origin, "/patient/x")
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (400 * MEGABYTE))
    end = time.monotonic() + 2
    while time.monotonic() < end:
        # More than the client takes: what it is sent always waits.
        far.send_some(b"x" * 4 * MEGABYTE, within=0.02)
        client.skip(len(client.buffer) + 200_000)
    assert far.ending is None
    assert client.socket.recv(1) == b"x"


# upstreams


def test_no_answer_in_time_is_a_504(client, origin):
    far = asked(client, origin)
    with Stopwatch() as watch:
        got = client.answer()
    assert got.status == 504
    assert b"did not answer within 0.3 s" in got.body
    assert 0.2 < watch.seconds < 0.3 + LATE
    assert far.rest() == b"" and far.ending == "reset"
    assert client.ask(get("/healthz")).status == 200, "the client's connection goes on"


def test_half_a_head_is_no_answer(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 OK\r\nContent-")
    assert client.answer().status == 504


def test_nor_is_a_1xx(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert client.answer().status == 504


def test_without_a_limit_it_may_take_its_time(client, origin):
    far = asked(client, origin, "/patient/x")
    assert client.says_nothing(1)
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
    client.head()
    assert client.read(1) == b"h" and client.says_nothing(1)
    far.send(b"i")
    assert client.read(1) == b"i"


def test_an_answer_that_stops_is_cut(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    with Stopwatch() as watch:
        seen = client.rest()
    assert seen.endswith(b"5\r\nhello\r\n") and LAST_CHUNK not in seen
    assert client.ending == "reset"
    assert 0.2 < watch.seconds < 0.3 + LATE
    assert far.rest() == b""


def test_an_answer_that_goes_on_is_not(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
    client.head()
    for _ in range(8):
        far.send(b"x")
        assert client.read(1) == b"x"
        time.sleep(0.15)
    assert client.ask(get("/healthz")).status == 200


def test_a_body_that_the_server_does_not_take_is_a_504(client, origin):
    client.send(request("POST", "/api/x", f"Content-Length: {400 * MEGABYTE}"))
    far = origin.accept()
    far.head()

    def is_answered():
        # The gateway takes what comes after its answer, and throws it away: no end to wait for.
        client.send_some(b"x" * MEGABYTE, within=0.2)
        return not client.says_nothing(0)

    until(is_answered)
    assert client.answer().status == 504
    assert far.gone_within(2)


def test_the_time_for_the_body_does_not_count_as_time_for_the_answer(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 2"))
    far = origin.accept()
    far.head()
    assert client.says_nothing(1)
    client.send(b"hi")
    assert far.read(2) == b"hi"
    far.send(answer(200, b"done"))
    assert client.answer().body == b"done"


def test_a_server_that_does_not_accept_is_a_504(tmp_path):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    # One connection fills the queue; what comes then gets no answer at all.
    waiting = [socket.socket() for _ in range(2)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    gateway = GatewayProcess(
        tmp_path,
        f"""
gateway: {{access_log: off}}
routes: {{/full/: {{to: "http://127.0.0.1:{full.getsockname()[1]}", timeouts: {{connect: 300ms}}}}}}
""",
    )
    try:
        client = gateway.connect()
        with Stopwatch() as watch:
            got = client.ask(get("/full/x"))
        assert got.status == 504
        assert b"did not accept the connection in time" in got.body
        assert 0.2 < watch.seconds < 0.3 + LATE
        gateway.stop()
    finally:
        gateway.kill()
        for sock in (full, *waiting):
            sock.close()

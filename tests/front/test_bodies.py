"""Bodies on their way through: streaming both ways, back-pressure, and ends that come too early."""

import select
import threading

import pytest

from tests.support.message import LAST_CHUNK, answer, chunk, get, post, request
from tests.support.waiting import Stopwatch, until

CONFIG = """
gateway:
  access_log: off
routes:
  /api/: {to: "${ORIGIN}", max_body: 0}
  /small/: {to: "${ORIGIN}", max_body: 1K}
"""

MEGABYTE = 1 << 20
# What one connection may cost beyond what stands in the kernel's buffers.
SOME = 8 * MEGABYTE


def _is_reset(far) -> bool:
    """Whether the gateway has reset the connection, whatever waits to be read on it."""
    poll = select.poll()
    poll.register(far.socket, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


# streaming


def test_each_piece_of_a_request_passes_when_it_comes(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 9"))
    far = origin.accept()
    far.head()
    for piece in (b"one", b"two", b"six"):
        client.send(piece)
        assert far.read(3) == piece
    far.send(answer(200))
    assert client.answer().status == 200


def test_each_chunk_of_a_request_passes_when_it_comes(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked"))
    far = origin.accept()
    assert far.head().value(b"transfer-encoding") == b"chunked"
    for piece in (b"one", b"three"):
        client.send(chunk(piece))
        assert far.read_until(piece + b"\r\n") == chunk(piece)
    client.send(LAST_CHUNK)
    assert far.read(5) == LAST_CHUNK
    far.send(answer(200))
    assert client.answer().status == 200


def test_each_piece_of_an_answer_passes_when_it_comes(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    assert client.head().status == 200, "the head does not wait for the body"
    for piece in (b"one", b"two"):
        far.send(piece)
        assert client.read(3) == piece


def test_each_event_of_an_endless_answer_passes_when_it_comes(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    client.head()
    for number in range(3):
        event = b"data: %d\n\n" % number
        far.send(chunk(event))
        assert client.read_until(event + b"\r\n") == chunk(event)


# back-pressure


def test_a_server_that_does_not_read_holds_the_client_back(gateway, client, origin):
    client.send(request("POST", "/api/x", f"Content-Length: {200 * MEGABYTE}"))
    far = origin.accept()
    far.head()
    before = gateway.memory
    block = b"x" * MEGABYTE
    sent = 0
    while (taken := client.send_some(block, within=0.3)) == MEGABYTE:
        sent += taken
        assert sent < 200 * MEGABYTE, "everything was taken and nobody reads"
    assert gateway.memory - before < SOME
    far.skip(sent)
    assert client.send_some(b"x", within=5) == 1, "and it goes on when the server reads"


def test_a_client_that_does_not_read_holds_the_server_back(gateway, client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
    client.head()
    before = gateway.memory
    block = b"x" * MEGABYTE
    sent = 0
    while (taken := far.send_some(block, within=0.3)) == MEGABYTE:
        sent += taken
        assert sent < 200 * MEGABYTE, "everything was taken and nobody reads"
    assert gateway.memory - before < SOME
    client.skip(sent)
    assert far.send_some(b"x", within=5) == 1, "and it goes on when the client reads"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_much_in_both_directions_at_once(gateway, client, origin, framing):
    size = 20 * MEGABYTE
    before = gateway.memory
    line = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    client.send(request("POST", "/api/x", line))
    far = origin.accept()
    far.head()

    def up():
        if framing == "length":
            client.send(b"u" * size)
        else:
            for _ in range(20):
                client.send(chunk(b"u" * MEGABYTE))
            client.send(LAST_CHUNK)

    def down():
        far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        far.send(b"d" * (size - 1))

    talking = [threading.Thread(target=up), threading.Thread(target=down)]
    seen = []

    def listen():
        body = far.read(size) if framing == "length" else far._chunks()[0]
        seen.append(body == b"u" * size)
        talking[1].join(30)
        far.send(b"d")

    talking.append(threading.Thread(target=listen))
    for thread in talking:
        thread.start()
    got = client.answer()
    for thread in talking:
        thread.join(30)
    assert got.body == b"d" * size
    assert seen == [True]
    assert gateway.memory - before < 2 * SOME


# a final answer that comes before the request's end


def test_an_early_answer_is_relayed_at_once_and_a_little_body_drained(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 2000") + b"x" * 1000)
    far = origin.accept()
    far.head()
    assert far.read(1000)
    far.send(answer(401, b"no"))
    got = client.answer()
    assert (got.status, got.body) == (401, b"no")
    assert far.rest() == b"" and far.ending == "reset", "half a request was sent: no reuse"
    client.send(b"x" * 1000)
    assert client.ask(get("/healthz")).body == b"OK", "the client's connection goes on"


def test_an_early_answer_to_much_more_body_ends_the_connection(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 900000") + b"x" * 1000)
    far = origin.accept()
    far.head()
    far.send(answer(401, b"no"))
    assert client.answer().status == 401
    client.send(b"x" * 200000)
    client.rest()
    assert client.ending is not None
    assert origin.is_untouched


def test_an_early_answer_that_takes_its_time_goes_on_beside_the_body(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 6") + b"one")
    far = origin.accept()
    far.head()
    far.read(3)
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")
    client.head()
    assert client.read(2) == b"he"
    client.send(b"two")
    assert far.read(3) == b"two", "the body still passes"
    far.send(b"re")
    assert client.read(2) == b"re"
    client.send(get("/api/next"))
    assert far.request().target == b"/next", "both were whole: the connection is used again"


# ends


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["waiting", "answering", "sending"])
def test_a_client_that_goes_away_takes_the_upstream_with_it(client, origin, how, when):
    body = request("POST", "/api/x", "Content-Length: 100") + b"half"
    client.send(body if when == "sending" else get("/api/x"))
    far = origin.accept()
    far.head()
    if when == "sending":
        far.read(4)
    if when == "answering":
        far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        client.read_until(b"half")
    getattr(client, how)()
    with Stopwatch() as watch:
        assert far.rest() == b""
    assert watch.seconds < 0.1
    assert far.ending == "reset"


def test_a_client_that_goes_away_while_it_is_not_read_from(client, origin):
    """As its bytes fill all that there is, only a reset can reach us."""
    client.send(request("POST", "/api/x", f"Content-Length: {400 * MEGABYTE}"))
    far = origin.accept()
    far.head()
    while client.send_some(b"x" * MEGABYTE, within=0.2) == MEGABYTE:
        pass
    client.reset()
    with Stopwatch() as watch:
        until(lambda: _is_reset(far), what="the gateway's reset")
    assert watch.seconds < 0.1


def test_a_client_that_goes_away_while_its_answer_waits(gateway, client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (400 * MEGABYTE))
    while far.send_some(b"x" * MEGABYTE, within=0.2) == MEGABYTE:
        pass
    client.reset()
    with Stopwatch() as watch:
        far.rest()
    assert watch.seconds < 0.1


def test_nothing_of_a_broken_exchange_is_used_again(gateway, client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    client.reset()
    far.rest()
    other = gateway.connect()
    other.send(get("/api/y"))
    assert origin.accept().request().target == b"/y"


def test_a_client_that_still_sends_sees_why_it_was_refused(client, origin):
    client.send(request("POST", "/small/x", f"Content-Length: {50 * MEGABYTE}"))
    sender = threading.Thread(target=client.send, args=(b"x" * (4 * MEGABYTE),))
    sender.start()
    got = client.answer()
    sender.join(10)
    assert got.status == 413
    assert b"1024" in got.body
    with Stopwatch() as watch:
        client.rest()
    assert client.ending == "closed"
    assert watch.seconds < 3


def test_the_wait_for_such_a_client_ends(client):
    """It lingers for a second, not for as long as somebody sends."""
    client.send(post("/small/x", b"x" * 2000))
    assert client.answer().status == 413

    def is_over():
        client.send(b"x")
        return client.ending is not None

    with Stopwatch() as watch:
        until(is_over, within=5)
    assert 0.5 < watch.seconds < 3


def test_a_request_that_its_sender_ends_too_early_is_never_completed(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + chunk(b"half"))
    far = origin.accept()
    far.head()
    assert far.read_until(chunk(b"half"))
    client.finish()
    assert LAST_CHUNK not in far.rest()
    assert far.ending == "reset"

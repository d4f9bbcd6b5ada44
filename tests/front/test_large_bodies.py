"""Bodies that pass inside the kernel: the same bytes, the same limits, the same ends."""

import os
import threading
from pathlib import Path

import pytest

from daarion_gw.net.transport import READ_SIZE
from tests.support.message import answer, get, request
from tests.support.stream import CutError
from tests.support.waiting import Stopwatch, until

CONFIG = """
gateway: {access_log: {format: json, file: access.log}}
routes:
  /api/: {to: "${ORIGIN}", max_body: 0}
  /late/: {to: "${ORIGIN}", timeouts: {idle: 500ms, send: 500ms}}
  /patient/: {to: "${ORIGIN}", timeouts: {idle: 0, send: 1s}}
  /hasty/: {to: "${ORIGIN}", timeouts: {idle: 500ms, send: 2500ms}}
"""
MEGABYTE = 1 << 20
# No two places in it look alike, so that nothing can be lost, doubled or moved unseen; and it is
# more than the kernel's buffers between two ends may grow to (Linux: 32 MiB to read, 8 to send).
BODY = os.urandom(MEGABYTE + 7) * 64
SIZE = len(BODY)
HEAD = f"Content-Length: {len(BODY)}"
LATE = 1.5
# What is noticed at once takes no longer, on whatever machine; the limits of /api/ are a minute.
AT_ONCE = 5.0
STALE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale"


def pipes(gateway) -> int:
    """How many pipes the gateway has: an end each counts once."""
    folder = Path(f"/proc/{gateway.process.pid}/fd")
    return sum(1 for each in folder.iterdir() if str(each.readlink()).startswith("pipe:"))


def sending(stream, data):
    thread = threading.Thread(target=stream.send, args=(data,))
    thread.start()
    return thread


@pytest.fixture
def answered(client, origin):
    """The server's end of an exchange whose answer of 64 MB has begun with its first byte."""
    return answering(client, origin, "/api/large")


@pytest.fixture
def hurried(client, origin):
    """The same where both have half a second for each step."""
    return answering(client, origin, "/late/large")


def answering(client, origin, target):
    client.send(get(target))
    far = origin.accept()
    far.request()
    far.send(answer(200, BODY)[: -len(BODY)] + BODY[:1])
    assert client.head().value(b"content-length") == b"%d" % len(BODY)
    assert client.read(1) == BODY[:1]
    return far


@pytest.fixture
def uploading(client, origin):
    """The server's end of an exchange whose request of 64 MB has begun with its first bytes."""
    client.send(request("POST", "/api/upload", HEAD) + BODY[:100_000])
    far = origin.accept()
    far.head()
    assert far.read(100_000) == BODY[:100_000]
    return far


# whole


def test_an_answer_arrives_as_it_is_and_the_connection_goes_on(gateway, client, answered):
    before = pipes(gateway)
    sender = sending(answered, BODY[1:])
    assert client.read(len(BODY) - 1) == BODY[1:]
    sender.join()
    assert pipes(gateway) >= max(before, 2), "it passed through one"
    for number in range(3):
        client.send(get(f"/api/{number}"))
        assert answered.request().target == b"/%d" % number
        answered.send(answer(200, b"small"))
        assert client.answer().body == b"small"


def test_an_upload_arrives_as_it_is_and_the_connection_goes_on(gateway, client, uploading):
    sender = sending(client, BODY[100_000:] + get("/api/next"))
    assert uploading.read(len(BODY) - 100_000) == BODY[100_000:]
    sender.join()
    assert pipes(gateway) >= 2, "it passed through one"
    uploading.send(answer(200, b"got it"))
    assert client.answer().body == b"got it"
    assert uploading.request().target == b"/next"
    uploading.send(answer(200, b"next"))
    assert client.answer().body == b"next"


def test_both_at_once(client, uploading):
    uploading.send(answer(200, BODY)[: -len(BODY)])
    client.head()
    up, down = sending(client, BODY[100_000:]), sending(uploading, BODY[:-1])
    assert client.read(len(BODY) - 1) == BODY[:-1]
    assert uploading.read(len(BODY) - 100_000) == BODY[100_000:]
    up.join()
    down.join()
    uploading.send(BODY[-1:])
    assert client.read(1) == BODY[-1:]


def test_what_follows_an_answer_in_the_same_piece_does_not_belong_to_it(client, origin, answered):
    sender = sending(answered, BODY[1:] + STALE)
    assert client.read(len(BODY) - 1) == BODY[1:]
    sender.join()
    client.send(get("/api/next"))
    far = origin.accept()
    assert far.request().target == b"/next"
    far.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"


def test_nor_does_it_answer_a_request_that_waits_already(client, origin):
    """The connection is not used again, as what it says cannot be told apart."""
    client.send(get("/api/1") + get("/api/2"))
    far = origin.accept()
    assert far.request().target == b"/1"
    far.send(answer(200, BODY)[: -len(BODY)])
    client.head()
    sender = sending(far, BODY + STALE)
    assert client.read(len(BODY)) == BODY
    sender.join()
    again = origin.accept()
    assert again.request().target == b"/2"
    again.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"


def test_nor_where_one_piece_was_just_as_long_as_is_read_at_once(client, origin):
    client.send(get("/api/1") + get("/api/2"))
    far = origin.accept()
    far.request()
    head = len(answer(200, b"x" * 65000)) - 65000
    far.send(answer(200, b"x" * (READ_SIZE - head)) + STALE)
    assert len(client.answer().body) == READ_SIZE - head
    again = origin.accept()
    assert again.request().target == b"/2"
    again.send(answer(200, b"fresh"))
    assert client.answer().body == b"fresh"


def test_the_log_has_its_size(gateway, client, origin):
    client.send(request("POST", "/api/counted", HEAD) + BODY[:100_000])
    far = origin.accept()
    far.head()
    sender = sending(client, BODY[100_000:])
    far.skip(len(BODY))
    sender.join()
    sender = sending(far, answer(200, BODY))
    client.answer()
    sender.join()
    entry = gateway.entry(target="/api/counted")
    assert (entry["bytes_received"], entry["bytes_sent"]) == (len(BODY), len(BODY))


# slow, and gone


def test_a_slow_client_holds_the_server_back_and_gets_all(gateway, client, answered):
    before = gateway.memory
    sent = answered.send_some(BODY[1:], within=0.2)
    assert sent < len(BODY) - 1
    assert gateway.memory - before < 2 * MEGABYTE
    sender = sending(answered, BODY[1 + sent :])
    assert client.read(len(BODY) - 1) == BODY[1:]
    sender.join()


def test_a_slow_server_holds_the_client_back_and_gets_all(gateway, client, uploading):
    before = gateway.memory
    sent = client.send_some(BODY[100_000:], within=0.2)
    assert sent < len(BODY) - 100_000
    assert gateway.memory - before < 2 * MEGABYTE
    sender = sending(client, BODY[100_000 + sent :])
    assert uploading.read(len(BODY) - 100_000) == BODY[100_000:]
    sender.join()
    uploading.send(answer(200, b"got it"))
    assert client.answer().body == b"got it"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_takes_the_server_with_it(client, answered, how):
    answered.send(BODY[1 : MEGABYTE + 1])
    client.skip(MEGABYTE)
    getattr(client, how)()
    with Stopwatch() as watch:
        answered.rest()
    assert watch.seconds < AT_ONCE


def test_a_server_that_breaks_off_cuts_the_client(client, answered):
    answered.send(BODY[1 : MEGABYTE + 1])
    answered.close()
    with Stopwatch() as watch, pytest.raises(CutError):
        client.read(len(BODY))
    assert (client.ending, watch.seconds < AT_ONCE) == ("reset", True), "no limit is waited for"


def test_a_server_that_says_no_more_is_late(gateway, client, hurried):
    hurried.send(BODY[1 : MEGABYTE + 1])
    client.skip(MEGABYTE)
    with Stopwatch() as watch:
        client.rest()
    assert 0.4 < watch.seconds < 0.5 + LATE
    assert client.ending == "reset"
    gateway.entry(target="/late/large", fault="UPSTREAM_TIMEOUT")


def test_a_client_that_takes_no_more_is_cut(gateway, client, hurried):
    hurried.send_some(BODY[1:], within=0.2)
    with Stopwatch() as watch:
        hurried.rest()
    assert watch.seconds < 2 * 0.5 + LATE
    assert hurried.ending == "reset"


@pytest.mark.parametrize(("path", "least", "most"), [("/patient/", 0.9, 1.5), ("/hasty/", 2.4, 3)])
def test_the_limit_of_a_client_that_is_full_is_send(client, origin, path, least, most):
    """And not the server's, be that shorter or longer."""
    client.send(get(path))
    far = origin.accept()
    far.request()
    far.send(answer(200, BODY)[: -len(BODY)])
    client.head()
    with Stopwatch() as watch:
        far.send_some(BODY, within=0.2)
        far.rest()
    assert least < watch.seconds < most + LATE
    assert far.ending == "reset"


def test_an_answer_in_the_middle_of_an_upload(gateway, client, origin, uploading):
    """What was on its way is lost; the client's connection must not take it for requests."""
    sent = client.send_some(BODY[100_000:], within=0.2)
    uploading.send(answer(413, b"too much"))
    assert client.answer().body == b"too much"
    with Stopwatch() as watch:
        client.send(BODY[100_000 + sent :] + get("/api/smuggled"))
        client.rest()
    assert watch.seconds < 5
    assert origin.is_untouched


def test_pipes_are_given_back(gateway, origin):
    for _ in range(5):
        client = gateway.connect()
        client.send(get("/api/large"))
        far = origin.accept()
        far.request()
        far.send(answer(200, BODY)[:-SIZE])
        client.head()
        client.reset()
        far.rest()
        far.close()
    until(lambda: pipes(gateway) <= 6, what="no more pipes than were ever used at once")

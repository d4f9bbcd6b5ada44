"""The first table of HTTP-RULES.md as a client meets it: refused and closed, or one message."""

import threading

import pytest

from tests.support.message import LAST_CHUNK, answer, chunk, get, old, post, request
from tests.support.waiting import until

CONFIG = """
gateway:
  access_log: off
routes:
  /api/: {to: "${ORIGIN}", max_body: 1K}
  /big/: {to: "${ORIGIN}", max_body: 0}
"""

LONG = "x" * 16384
REFUSED = {
    "length with coding": (post("/api/", b"", "Transfer-Encoding: chunked"), 400),
    "two lengths": (get("/api/", "Content-Length: 0", "Content-Length: 0"), 400),
    "a list as length": (get("/api/", "Content-Length: 5, 5"), 400),
    "a signed length": (get("/api/", "Content-Length: +3"), 400),
    "a length too long": (get("/api/", "Content-Length: " + "9" * 40), 400),
    "coding in 1.0": (old("POST", "/api/", "Host: x", "Transfer-Encoding: chunked"), 400),
    "identity": (get("/api/", "Transfer-Encoding: identity"), 400),
    "gzip, chunked": (get("/api/", "Transfer-Encoding: gzip, chunked"), 501),
    "unknown coding": (get("/api/", "Transfer-Encoding: xyz"), 501),
    "bare LF": (b"GET /api/ HTTP/1.1\nHost: x\n\n", 400),
    "bare CR in a value": (get("/api/", "A: b\rc"), 400),
    "NUL in a value": (get("/api/", "A: b\0c"), 400),
    "blank before the colon": (get("/api/", "A : b"), 400),
    "no name": (get("/api/", ": b"), 400),
    "a name that is no token": (get("/api/", "A(b): c"), 400),
    "a folded line": (get("/api/", "A: b", " c"), 400),
    "no Host": (request("GET", "/api/", host=False), 400),
    "two Hosts": (get("/api/", "Host: gw.example"), 400),
    "a Host that is none": (request("GET", "/api/", "Host: a b", host=False), 400),
    "a target of another Host": (get("http://other.example/api/"), 400),
    "a target of another scheme": (get("ftp://gw.example/api/"), 400),
    "a byte above 0x7f": (b"GET /api/\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a control byte": (b"GET /api/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a fragment": (get("/api/#x"), 400),
    "an asterisk with GET": (get("*"), 400),
    "CONNECT": (b"CONNECT gw.example:443 HTTP/1.1\r\nHost: gw.example:443\r\n\r\n", 405),
    "TRACE": (request("TRACE", "/api/"), 405),
    "version 2.0": (b"GET /api/ HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no version": (b"GET /api/\r\n\r\n", 400),
    "a version in lower case": (b"GET /api/ http/1.1\r\nHost: x\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "three empty lines": (b"\r\n\r\n\r\n" + get("/api/"), 400),
    "a long request line": (get("/api/" + LONG), 414),
    "a long head": (get("/api/", *(f"A{n}: {'x' * 4000}" for n in range(17))), 431),
    "201 fields": (get("/api/", *(f"A{n}: b" for n in range(200))), 431),
    "an unknown expectation": (get("/api/", "Expect: tea"), 417),
    "two expectations": (
        post("/api/", b"x", "Expect: 100-continue", "Expect: 100-continue"), 417),
}  # fmt: skip


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_the_connection_closed(client, origin, data, status):
    client.send(data + get("/api/smuggled"))
    got = client.answer()
    assert got.status == status
    assert got.value(b"connection") == b"close"
    assert client.rest() == b"", "nothing behind it is answered"
    assert client.ending == "closed"
    assert origin.is_untouched


@pytest.mark.parametrize(
    "body",
    [b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
     b"00000000000000005\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
     b"5\r\nhelloX\r\n0\r\n\r\n", b"5;" + b"x" * 257 + b"\r\nhello\r\n0\r\n\r\n", b"\r\n"],
)  # fmt: skip
def test_broken_chunking_is_refused_and_the_upstream_gets_no_end(client, origin, body):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + body)
    got = client.answer()
    assert got.status == 400
    assert client.rest() == b""
    if not origin.is_untouched:
        far = origin._accepted[-1]
        assert LAST_CHUNK not in far.rest()


def test_broken_chunking_later_on_aborts_the_upstream(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + chunk(b"hello"))
    far = origin.accept()
    far.head()
    assert far.read(10) == chunk(b"hello")
    client.send(b"zz\r\n")
    assert client.answer().status == 400
    assert far.rest() == b"" and far.ending == "reset"


def test_chunk_extensions_are_accepted_and_go_no_further(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked"))
    client.send(b'5;a="b;c";d\r\nhello\r\n0;last\r\n\r\n')
    far = origin.accept()
    assert far.head().value(b"transfer-encoding") == b"chunked"
    assert far.read_until(LAST_CHUNK) == chunk(b"hello") + LAST_CHUNK
    far.send(answer(200))
    assert client.answer().status == 200


def test_trailers_of_a_request_go_no_further(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked"))
    client.send(chunk(b"a") + b"0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Sum: 1\r\n\r\n")
    far = origin.accept()
    far.head()
    assert far.read_until(LAST_CHUNK) == chunk(b"a") + LAST_CHUNK
    far.send(answer(200))
    assert client.answer().status == 200
    assert far.says_nothing()


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n"])
def test_up_to_two_empty_lines_before_a_request_are_ignored(client, origin, lines):
    client.send(lines + get("/api/x"))
    far = origin.accept()
    assert far.request().line == b"GET /x HTTP/1.1"


def test_a_request_line_and_a_head_just_within_the_limits_pass(client, origin):
    line = "/api/" + "x" * (16384 - len("GET /api/ HTTP/1.1"))
    client.send(get(line, *(f"A{n}: {'b' * 200}" for n in range(198))))
    far = origin.accept()
    assert len(far.request().target) == len(line) - 4


# who answers


@pytest.mark.parametrize("data", [request("OPTIONS", "*"), request("OPTIONS", "http://gw.example")])
def test_options_of_the_gateway_itself(client, origin, data):
    got = client.ask(data)
    assert got.status == 204
    assert b"OPTIONS" in got.value(b"allow")
    assert got.value(b"content-length") is None
    assert client.ask(get("/healthz")).body == b"OK", "and the connection goes on"
    assert origin.is_untouched


def test_options_for_the_last_hop_is_answered_here(client, origin):
    assert client.ask(request("OPTIONS", "/api/x", "Max-Forwards: 0")).status == 204
    assert origin.is_untouched


@pytest.mark.parametrize(("method", "left"), [("OPTIONS", b"4"), ("GET", b"5")])
def test_max_forwards_counts_down_for_options(client, origin, method, left):
    client.send(request(method, "/api/x", "Max-Forwards: 5"))
    assert origin.accept().request().value(b"max-forwards") == left


# sizes


def test_a_declared_body_too_large_is_refused_before_the_upstream_sees_any_of_it(client, origin):
    client.send(request("POST", "/api/x", "Content-Length: 1025") + b"x" * 100)
    assert client.answer().status == 413
    assert client.rest() == b""
    assert origin.is_untouched


def test_a_body_just_as_large_as_may_be_passes(client, origin):
    client.send(post("/api/x", b"x" * 1024))
    far = origin.accept()
    assert len(far.request().body) == 1024
    far.send(answer(200))
    assert client.answer().status == 200


def test_a_chunked_body_is_counted(client, origin):
    client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + chunk(b"x" * 1000))
    far = origin.accept()
    far.head()
    assert far.read_until(b"\r\n") == b"3e8\r\n"
    client.send(chunk(b"y" * 25))
    assert client.answer().status == 413
    seen = far.rest()
    assert b"y" not in seen and LAST_CHUNK not in seen and far.ending == "reset"


def test_without_a_limit_any_body_passes(client, origin):
    client.send(request("PUT", "/big/x", "Content-Length: 5000000"))
    far = origin.accept()
    assert far.head().value(b"content-length") == b"5000000"
    client.send(b"x" * 5000000)
    far.skip(5000000)
    far.send(answer(201))
    assert client.answer().status == 201


# Expect

EXPECT = "Expect: 100-continue"


def test_the_expectation_is_forwarded_and_the_upstreams_100_relayed(client, origin):
    client.send(request("POST", "/api/x", EXPECT, "Content-Length: 5"))
    far = origin.accept()
    assert far.head().value(b"expect") == b"100-continue"
    far.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.head().line == b"HTTP/1.1 100 Continue"
    client.send(b"hello")
    assert far.read(5) == b"hello"
    far.send(answer(200))
    assert client.answer().status == 200


def test_the_gateways_own_100_after_a_second(client, origin):
    client.send(request("POST", "/api/x", EXPECT, "Content-Length: 5"))
    far = origin.accept()
    far.head()
    assert client.says_nothing(0.9)
    assert client.head().status == 100
    client.send(b"hello")
    assert far.read(5) == b"hello"
    far.send(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, b"done"))
    assert client.answer().body == b"done"
    assert client.informational == [], "one 100 is enough"


def test_an_upstream_that_refuses_never_gets_the_body(client, origin):
    client.send(request("POST", "/api/x", EXPECT, "Content-Length: 5"))
    far = origin.accept()
    far.head()
    far.send(answer(401, b"no"))
    got = client.answer()
    assert (got.status, got.body, client.informational) == (401, b"no", [])
    assert far.rest() == b""


def test_limits_come_first_and_need_no_body(client, origin):
    got = client.ask(request("POST", "/api/x", EXPECT, "Content-Length: 1025"))
    assert got.status == 413
    assert client.informational == []
    assert origin.is_untouched


def test_a_1_0_clients_expectation_means_nothing(client, origin):
    data = old("POST", "/api/x", "Host: x", EXPECT, "Content-Length: 2")
    client.send(data + b"hi")
    far = origin.accept()
    seen = far.request()
    assert seen.value(b"expect") is None and seen.body == b"hi"
    far.send(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200))
    assert client.head().line == b"HTTP/1.1 200 OK"


def test_a_100_that_nobody_asked_for_is_not_passed_on(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200))
    assert client.answer().status == 200
    assert client.informational == []


# one after the other


def test_pipelined_requests_are_answered_in_order_one_at_a_time(client, origin):
    client.send(get("/api/1") + post("/api/2", b"two") + get("/healthz") + get("/api/3"))
    far = origin.accept()
    assert far.request().target == b"/1"
    assert far.says_nothing() and origin.is_untouched, "the second waits for the first answer"
    far.send(answer(200, b"one"))
    seen = far.request()
    assert (seen.target, seen.body) == (b"/2", b"two")
    far.send(answer(200, b"two"))
    assert far.request().target == b"/3"
    far.send(answer(200, b"three"))
    assert [client.answer().body for _ in range(4)] == [b"one", b"two", b"OK", b"three"]


def test_read_ahead_is_bounded(gateway, client, origin):
    client.send(get("/api/1"))
    far = origin.accept()
    far.request()
    before = gateway.memory
    flood = get("/healthz") * 1_500_000
    # What the kernel keeps on both sides, and 64 KiB in the gateway.
    assert client.send_some(flood, within=0.3) < len(flood)
    assert gateway.memory - before < 4_000_000
    far.send(answer(200, b"one"))
    assert client.answer().body == b"one"
    assert client.answer().body == b"OK"


def test_also_while_they_are_answered_one_by_one(gateway, client, origin):
    """Each answer lets the next request begin, and no more be read than was used up."""
    many = 2500

    def send():
        for _ in range(many):
            client.send(get("/api/x", "A: " + "a" * 8000))

    sender = threading.Thread(target=send)
    sender.start()
    far = origin.accept()
    far.request()
    before = gateway.memory
    assert far.says_nothing(0.2)
    assert sender.is_alive(), "20 MB are more than anybody takes"
    for number in range(many):
        if number:
            far.request()
        far.send(answer(200, b"%d" % number))
        assert client.answer().body == b"%d" % number
        if number % 50 == 0:
            assert gateway.memory - before < 4_000_000
    sender.join()
    assert client.ask(get("/healthz")).body == b"OK"


@pytest.mark.parametrize("size", [100, 60_000, 70_000, 1_000_000])
def test_a_body_that_was_read_ahead_in_part_comes_whole(client, origin, size):
    body = bytes(range(250)) * (size // 250)
    last = request("POST", "/big/x", body=body)
    sender = threading.Thread(
        target=client.send, args=(get("/api/1") + get("/healthz") * 1200 + last + get("/api/2"),)
    )
    sender.start()
    far = origin.accept()
    far.request()
    assert far.says_nothing(0.2), "what comes after it is read and waits"
    far.send(answer(200, b"one"))
    assert [client.answer().body for _ in range(1201)] == [b"one", *[b"OK"] * 1200]
    big = origin.accept()
    assert big.request().body == body
    big.send(answer(200, b"taken"))
    assert far.request().target == b"/2"
    far.send(answer(200, b"two"))
    assert [client.answer().body for _ in range(2)] == [b"taken", b"two"]
    sender.join()


def test_answers_do_not_pile_up_before_a_client_that_reads_none(gateway):
    client = gateway.connect(receive_buffer=4096)
    before = gateway.memory
    flood = get("/healthz") * 1_500_000
    at, is_stopped = 0, False
    while not is_stopped:
        piece = flood[at : at + 1_000_000]
        taken = client.send_some(piece, within=0.3)
        at += taken
        # It may only be slow.
        is_stopped = taken < len(piece) and gateway.is_quiet()
        assert gateway.memory - before < 8_000_000
        assert at < len(flood), "all requests were taken, and none of their answers"
    assert client.answer().body == b"OK"


def test_what_a_full_client_goes_on_asking_is_not_read(gateway, origin):
    client = gateway.connect(receive_buffer=4096)
    client.send(get("/api/x") * 1000)
    far = origin.accept()
    # Until it is full, and what it asked for before is less than may be read ahead.
    while not far.says_nothing(1):
        far.request()
        far.send(answer(200, b"x" * 8000))
    before = gateway.memory
    flood = get("/healthz") * 1_500_000
    assert client.send_some(flood, within=0.3) < len(flood)
    until(gateway.is_quiet)
    assert gateway.memory - before < 4_000_000


def test_a_request_after_close_is_not_answered(client, origin):
    client.send(get("/api/1", "Connection: close") + get("/api/2"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"one"))
    got = client.answer()
    assert (got.body, got.value(b"connection")) == (b"one", b"close")
    assert client.rest() == b"" and client.ending == "closed"


# HTTP/1.0


def test_a_1_0_client_gets_one_answer_and_the_close(client, origin):
    client.send(old("GET", "/api/x", "Host: x"))
    far = origin.accept()
    assert far.request().line == b"GET /x HTTP/1.1"
    far.send(answer(200, b"hello"))
    got = client.head()
    assert got.value(b"content-length") == b"5" and got.value(b"connection") == b"close"
    assert client.rest() == b"hello"


def test_unless_it_asks_for_more(client, origin):
    client.send(old("GET", "/api/1", "Host: x", "Connection: keep-alive"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"one"))
    got = client.answer()
    assert (got.body, got.value(b"connection")) == (b"one", b"keep-alive")
    assert client.ask(old("GET", "/healthz", "Host: x")).body == b"OK"
    assert client.rest() == b""


def test_it_never_gets_chunks(client, origin):
    client.send(old("GET", "/api/x", "Host: x", "Connection: keep-alive"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    far.send(chunk(b"hello ") + chunk(b"world") + LAST_CHUNK)
    got = client.head()
    assert got.value(b"transfer-encoding") is None and got.value(b"connection") == b"close"
    assert client.rest() == b"hello world"
    assert client.ending == "closed"


def test_it_gets_no_1xx(client, origin):
    client.send(old("GET", "/api/x", "Host: x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(200, b"hello"))
    assert client.head().status == 200

"""The third table of HTTP-RULES.md: what becomes of an upstream's answer."""

import pytest

from tests.support.message import LAST_CHUNK, answer, chunk, get, old, post, request
from tests.support.stream import CutError

CONFIG = """
gateway:
  access_log: off
routes:
  /api/: {to: "${ORIGIN}"}
"""

OK = b"HTTP/1.1 200 OK\r\n"


def asked(client, origin, data=None):
    """Send a request; the connection that it came on, with the request read."""
    client.send(data or get("/api/x"))
    far = origin.accept()
    far.request()
    return far


def is_reused(client, far):
    """Whether the next request comes on the same connection."""
    client.send(get("/api/again"))
    return far.more() and far.request().target == b"/again"


# heads that are not the last word


def test_1xx_are_relayed_and_never_taken_for_the_answer(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    hints = client.head()
    assert hints.line == b"HTTP/1.1 103 Early Hints" and hints.value(b"link") == b"</a.css>"
    far.send(b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + answer(200, b"hello"))
    got = client.answer()
    assert (got.status, got.body) == (200, b"hello")
    assert [seen.status for seen in client.informational] == [102]
    assert client.informational[0].value(b"content-length") is None
    assert is_reused(client, far)


def test_101_that_nobody_asked_for_is_a_502(client, origin):
    far = asked(client, origin)
    far.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    )
    assert client.answer().status == 502
    assert far.rest() == b""


# answers without a body


def test_head_keeps_the_length_and_has_no_body(client, origin):
    far = asked(client, origin, request("HEAD", "/api/x"))
    far.send(OK + b"Content-Length: 5000\r\n\r\n")
    got = client.answer("HEAD")
    assert got.value(b"content-length") == b"5000"
    assert is_reused(client, far)


def test_head_of_a_chunked_answer(client, origin):
    far = asked(client, origin, request("HEAD", "/api/x"))
    far.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    assert client.answer("HEAD").value(b"transfer-encoding") == b"chunked"
    assert is_reused(client, far)


def test_304_keeps_its_length_and_has_no_body(client, origin):
    far = asked(client, origin)
    far.send(b'HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: "x"\r\n\r\n')
    got = client.answer()
    assert (got.value(b"content-length"), got.value(b"etag")) == (b"5000", b'"x"')
    assert is_reused(client, far)


def test_204_has_neither_length_nor_coding(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    got = client.answer()
    assert got.value(b"content-length") is None and got.value(b"transfer-encoding") is None
    assert is_reused(client, far)


def test_an_empty_body_says_so(client, origin):
    far = asked(client, origin)
    far.send(answer(200))
    assert client.answer().value(b"content-length") == b"0"
    assert is_reused(client, far)


@pytest.mark.parametrize("status", [204, 304])
def test_a_body_where_there_is_none_is_not_taken_for_an_answer(client, origin, status):
    far = asked(client, origin)
    evil = answer(200, b"evil")
    far.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(evil)) + evil)
    assert client.answer().status == status
    assert far.rest() == b"", "thrown away"
    client.send(get("/api/again"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"good"))
    assert client.answer().body == b"good"


# framing towards clients


def test_a_chunked_answer_stays_chunked(client, origin):
    far = asked(client, origin)
    far.send(
        OK
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + chunk(b"hello ")
        + b"5;x=y\r\nworld\r\n0\r\n\r\n"
    )
    got = client.answer()
    assert got.body == b"hello world"
    assert got.value(b"transfer-encoding") == b"chunked" and got.value(b"content-length") is None
    assert is_reused(client, far)


@pytest.mark.parametrize("minor", [b"0", b"1"])
def test_a_body_ended_by_the_close_is_chunked_for_1_1(client, origin, minor):
    far = asked(client, origin)
    far.send(b"HTTP/1.%b 200 OK\r\n\r\nhello " % minor)
    got = client.head()
    assert got.line == b"HTTP/1.1 200 OK" and got.value(b"transfer-encoding") == b"chunked"
    assert client.read(11) == chunk(b"hello ")
    far.send(b"world")
    assert client.read(10) == chunk(b"world")
    assert client.says_nothing()
    far.close()
    assert client.read_until(LAST_CHUNK) == LAST_CHUNK
    assert client.ask(get("/healthz")).body == b"OK", "and the connection goes on"


def test_a_body_ended_by_the_close_is_closed_for_1_0(client, origin):
    far = asked(client, origin, old("GET", "/api/x", "Host: x"))
    far.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    far.close()
    got = client.head()
    assert got.value(b"transfer-encoding") is None
    assert client.rest() == b"hello" and client.ending == "closed"


def test_a_reset_does_not_end_such_a_body(client, origin):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    client.read_until(chunk(b"hello"))
    far.reset()
    assert LAST_CHUNK not in client.rest()
    assert client.ending == "reset"


def test_an_upstreams_close_is_its_own_affair(client, origin):
    far = asked(client, origin)
    far.send(answer(200, b"hello", "Connection: close", "Keep-Alive: timeout=5"))
    got = client.answer()
    assert got.value(b"connection") is None and got.value(b"keep-alive") is None
    assert far.rest() == b"" and far.ending is not None
    assert client.ask(get("/healthz")).status == 200


def test_every_field_that_an_upstreams_connection_names_goes(client, origin):
    far = asked(client, origin)
    far.send(answer(200, b"", "Connection: X-Hop", "X-Hop: 1", "X-End: 2", "Proxy-Connection: x"))
    got = client.answer()
    assert (got.value(b"x-hop"), got.value(b"x-end")) == (None, b"2")
    assert got.value(b"proxy-connection") is None


def test_order_case_and_repetition_of_other_fields_stay(client, origin):
    far = asked(client, origin)
    lines = ["b: 1", "A: 2", "Set-Cookie: a=1", "set-cookie: b=2, c", "b: 3", "SERVER: me"]
    far.send(answer(200, b"", *lines))
    assert client.answer().fields[:6] == [
        (b"b", b"1"), (b"A", b"2"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2, c"),
        (b"b", b"3"), (b"SERVER", b"me"),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["OK", "", "Ja, bitte — gerne"])
def test_the_reason_stays(client, origin, reason):
    far = asked(client, origin)
    far.send(b"HTTP/1.1 200 %b\r\nContent-Length: 0\r\n\r\n" % reason.encode())
    assert client.answer().line == b"HTTP/1.1 200 " + reason.encode()


def test_a_date_is_added_where_there_is_none(client, origin):
    far = asked(client, origin)
    far.send(answer(200))
    assert client.answer().value(b"date").endswith(b" GMT")


def test_and_never_twice(client, origin):
    far = asked(client, origin)
    far.send(answer(200, b"", "Date: Tue, 01 Jan 2030 00:00:00 GMT"))
    assert client.answer().all(b"date") == [b"Tue, 01 Jan 2030 00:00:00 GMT"]


# broken answers

NONSENSE = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "length with coding": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is none": OK + b"Content-Length: x\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "a status line that is none": b"HELLO\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "another version": b"HTTP/2.0 200 OK\r\n\r\n",
    "NUL": OK + b"A: b\0c\r\n\r\n",
    "bare CR": OK + b"A: b\rc\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nA: b\n\n",
    "a folded line": OK + b"A: b\r\n c\r\n\r\n",
    "a head too long": OK + b"A: b\r\n" * 12000 + b"\r\n",
    "a head that never ends": OK + b"A: " + b"b" * 70000,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_502_and_the_connection_thrown_away(client, origin, data):
    far = asked(client, origin)
    far.send(data)
    if not data.endswith((b"\n\n", b"\r\n\r\n", b"abc")) and len(data) < 60000:
        far.finish()
    got = client.answer()
    assert got.status == 502
    assert far.rest() == b""
    assert client.ask(get("/healthz")).status == 200, "the client's own connection goes on"


@pytest.mark.parametrize("said", [b"", b"HT", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_close_before_the_answer_is_a_502(client, origin, said):
    far = asked(client, origin)
    far.send(said)
    far.close()
    assert client.answer().status == 502


def test_a_reset_before_the_answer_is_a_502(client, origin):
    asked(client, origin).reset()
    assert client.answer().status == 502


BROKEN = {
    "fewer bytes than declared": b"Content-Length: 10\r\n\r\nhello",
    "no last chunk": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "within a chunk": b"Transfer-Encoding: chunked\r\n\r\na\r\nhello",
    "within the trailers": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n",
}  # fmt: skip


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_cut_short_cuts_the_client(client, origin, data, how):
    far = asked(client, origin)
    far.send(OK + data)
    got = client.head()
    assert got.status == 200
    getattr(far, how)()
    with pytest.raises(CutError):
        client.body_of(got)
    assert client.ending == "reset"


@pytest.mark.parametrize(
    "data",
    [b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"g\r\n",
     b"\r\n", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"],
)  # fmt: skip
def test_broken_chunking_cuts_the_client(client, origin, data):
    far = asked(client, origin)
    far.send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"good"))
    got = client.head()
    assert client.read(9) == chunk(b"good")
    far.send(data)
    assert LAST_CHUNK not in client.rest()
    assert client.ending == "reset"
    assert far.rest() == b"" and got.status == 200


def test_a_cut_reaches_a_1_0_client_too(client, origin):
    far = asked(client, origin, old("GET", "/api/x", "Host: x"))
    far.send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"good"))
    client.head()
    assert client.read(4) == b"good"
    far.close()
    client.rest()
    assert client.ending == "reset", "a plain close would be the end of the body"


EXCESS = {
    "behind a length": OK + b"Content-Length: 2\r\n\r\nhiMORE",
    "behind chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nMORE",
}


@pytest.mark.parametrize("data", EXCESS.values(), ids=EXCESS)
def test_more_bytes_than_declared_end_the_connection(client, origin, data):
    far = asked(client, origin)
    far.send(data)
    assert client.answer().body == b"hi"
    assert far.rest() == b"" and far.ending == "reset"


def test_a_second_answer_is_nobodys(client, origin):
    far = asked(client, origin)
    far.send(answer(200, b"good") + answer(200, b"evil"))
    assert client.answer().body == b"good"
    assert far.rest() == b""
    client.send(get("/api/next"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"next"))
    assert client.answer().body == b"next"


# trailers


def test_trailers_pass_to_a_client_that_takes_them(client, origin):
    far = asked(client, origin, get("/api/x", "TE: trailers", "Connection: TE"))
    far.send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"hi"))
    far.send(b"0\r\nX-Sum: 42\r\nContent-Length: 9\r\nSet-Cookie: a=1\r\nHost: x\r\n\r\n")
    got = client.answer()
    assert (got.body, got.trailers) == (b"hi", b"X-Sum: 42\r\n")


def test_and_to_no_other(client, origin):
    far = asked(client, origin)
    far.send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"hi") + b"0\r\nX-Sum: 42\r\n\r\n")
    got = client.answer()
    assert (got.body, got.trailers) == (b"hi", b"")


# the end of the connection


def test_a_client_that_asks_for_the_close_gets_it(client, origin):
    far = asked(client, origin, get("/api/x", "Connection: close"))
    far.send(answer(200, b"hello"))
    assert client.answer().value(b"connection") == b"close"
    assert client.rest() == b"" and client.ending == "closed"


def test_the_same_answer_again_on_the_same_connection(client, origin):
    """What was remembered of a head must not depend on what came before it."""
    client.send(post("/api/x", b"1"))
    far = origin.accept()
    for number in range(3):
        assert far.request().body == b"%d" % (number + 1)
        far.send(answer(200, b"same"))
        assert client.answer().body == b"same"
        client.send(post("/api/x", b"%d" % (number + 2)))
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame")
    assert client.answer().body == b"same"
    client.send(request("HEAD", "/api/x"))
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    assert client.answer("HEAD").value(b"content-length") == b"4"

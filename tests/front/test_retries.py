"""A request that failed at one server goes to another: where that is safe, and not too often."""

import pytest

from tests.support.message import answer, get, post, request
from tests.support.origin import Origin, first_asked
from tests.support.waiting import Stopwatch, until

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
  defaults: {timeouts: {first_byte: 500ms}}
upstreams:
  two: {servers: ["${ORIGIN}", "${SECOND}"], eject: off, retry: {delay: 0s, budget: 100%}}
  once: {servers: ["${ORIGIN}", "${SECOND}"], eject: off, retry: off}
  half-dead: {servers: ["${ORIGIN}", "http://127.0.0.1:1"], eject: off, retry: {delay: 0s}}
  scarce: {servers: ["${ORIGIN}", "${SECOND}"], eject: off, retry: {delay: 0s, budget: 0%}}
  later: {servers: ["${ORIGIN}", "${SECOND}"], eject: off, retry: {delay: 100m}}
  three: {servers: ["${ORIGIN}/1", "${ORIGIN}/2", "${ORIGIN}/3"], eject: off, retry: {delay: 0s}}
  only: {servers: ["${ORIGIN}"], retry: {tries: 5, delay: 0s}}
routes:
  /two/: {to: two}
  /once/: {to: once}
  /half-dead/: {to: half-dead}
  /scarce/: {to: scarce}
  /later/: {to: later}
  /three/: {to: three}
  /only/: {to: only}
"""


@pytest.fixture
def origins(origin, second):
    return origin, second


def other_of(origins: tuple[Origin, Origin], one: Origin) -> Origin:
    return origins[1] if one is origins[0] else origins[0]


# which answers


@pytest.mark.parametrize("status", [502, 503, 504])
def test_another_server_answers_instead(client, origins, status):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    assert far.request().target == b"/x"
    far.send(answer(status, b"not now"))
    other = other_of(origins, first).accept()
    assert other.request().target == b"/x"
    other.send(answer(200, b"here"))
    got = client.answer()
    assert (got.status, got.body) == (200, b"here")


@pytest.mark.parametrize("status", [500, 404, 429])
def test_any_other_answer_is_one(client, origins, status):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(status, b"so be it"))
    assert client.answer().status == status
    assert other_of(origins, first).is_untouched


def test_when_that_one_fails_too_its_answer_is_what_the_client_gets(client, origins):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503, b"first"))
    other = other_of(origins, first).accept()
    other.request()
    other.send(answer(503, b"second", "X-From: the second"))
    got = client.answer()
    assert (got.status, got.body, got.value(b"x-from")) == (503, b"second", b"the second")
    assert first.is_untouched


@pytest.mark.parametrize("path", ["/only/x", "/once/x"])
def test_where_no_other_may_be_asked_the_answer_stands(client, origins, path):
    client.send(get(path))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503, b"as it stands", "X-From: the first"))
    got = client.answer()
    assert (got.status, got.body, got.value(b"x-from")) == (503, b"as it stands", b"the first")
    assert other_of(origins, first).is_untouched and first.is_untouched


def test_an_answer_that_was_given_up_does_not_cost_its_connection(client, origins):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(b"HTTP/1.1 503 Later\r\nContent-Length: 10\r\n\r\nhello")
    other = other_of(origins, first).accept()
    other.request()
    other.send(answer(200, b"here"))
    assert client.answer().body == b"here"
    far.send(b"hello")
    used = 0
    for number in range(4):
        client.send(get(f"/two/{number}"))
        seen = until(lambda: next((each for each in (far, other) if not each.says_nothing()), None))
        used += seen is far
        assert seen.request().target == b"/%d" % number
        seen.send(answer(200, b"again"))
        assert client.answer().body == b"again"
    assert used == 2, "both in turn"


def test_unless_it_has_no_end(client, origins):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(b"HTTP/1.1 503 Later\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)
    other = other_of(origins, first).accept()
    other.request()
    other.send(answer(200, b"here"))
    assert client.answer().body == b"here"
    assert far.gone_within(5)


def test_nor_an_end_in_time(client, origins):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(b"HTTP/1.1 503 Later\r\nContent-Length: 10\r\n\r\nhello")
    other = other_of(origins, first).accept()
    other.request()
    other.send(answer(200, b"here"))
    assert client.answer().body == b"here"
    with Stopwatch() as watch:
        assert far.gone_within(10)
    assert watch.seconds > 3


# which failures


def fall_silent(far):
    far.finish()


def talk_nonsense(far):
    far.send(b"220 mail.example ESMTP\r\n\r\n")


def answer_half(far):
    far.send(b"HTTP/1.1 20")
    far.close()


def say_nothing(far):
    pass


@pytest.mark.parametrize("fail", [fall_silent, talk_nonsense, answer_half, say_nothing])
def test_a_server_that_gives_no_answer_is_not_the_last_one(client, origins, fail):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    fail(far)
    other = other_of(origins, first).accept()
    assert other.request().target == b"/x"
    other.send(answer(200, b"here"))
    assert client.answer().body == b"here"


def test_but_an_answer_that_has_begun_is_never_repeated(client, origins):
    client.send(get("/two/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    assert client.head().status == 200
    far.close()
    assert client.gone_within(5)
    assert other_of(origins, first).is_untouched


def test_a_handshake_goes_to_another_too(client, origins):
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    client.send(get("/two/x", *lines))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503))
    other = other_of(origins, first).accept()
    assert other.request().value(b"upgrade") == b"websocket"
    other.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    assert client.answer().status == 101


def test_the_next_one_refuses_then_it_is_a_502(client, origin):
    """The one that is dead may be asked first: then the other answers, and that is all."""
    found = set()
    far = None
    for number in range(2):
        client.send(get(f"/half-dead/{number}"))
        far = far or origin.accept()
        far.request()
        far.send(answer(503))
        found.add(client.answer().status)
    assert found == {502, 503}
    assert origin.is_untouched


# which requests


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_what_is_idempotent_is_sent_again_with_its_body(client, origins, method):
    body = b"again" if method == "PUT" else b""
    client.send(request(method, "/two/x", body=body))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503))
    other = other_of(origins, first).accept()
    seen = other.request()
    assert (seen.line, seen.body) == (f"{method} /x HTTP/1.1".encode(), body)
    other.send(answer(200))
    assert client.answer(method).status == 200


@pytest.mark.parametrize("how", [fall_silent, lambda far: far.send(answer(503))])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_is_not_is_never_sent_twice(client, origins, method, how):
    client.send(request(method, "/two/x", body=b"pay"))
    first, far = first_asked(*origins)
    far.request()
    how(far)
    assert client.answer().status in (502, 503)
    assert other_of(origins, first).is_untouched and first.is_untouched


def test_a_body_of_sixty_kilobytes_is_still_here(client, origins):
    body = b"x" * 60_000
    client.send(request("PUT", "/two/x", body=body))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503))
    other = other_of(origins, first).accept()
    assert other.request().body == body
    other.send(answer(200))
    assert client.answer().status == 200


def test_a_larger_one_is_not(client, origins):
    client.send(request("PUT", "/two/x", body=b"x" * 200_000))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503, b"as it stands"))
    assert client.answer().body == b"as it stands"
    assert other_of(origins, first).is_untouched


def test_the_rest_of_a_body_goes_to_the_other(client, origins):
    client.send(request("PUT", "/two/x", "Content-Length: 10") + b"hello")
    first, far = first_asked(*origins)
    far.head()
    assert far.read(5) == b"hello"
    far.send(answer(503))
    other = other_of(origins, first).accept()
    other.head()
    client.send(b"world")
    assert other.read(10) == b"helloworld"
    other.send(answer(200))
    assert client.answer().status == 200
    assert far.gone_within(5), "it has not heard all"


# how often


def test_not_to_all_of_many_servers(client, origin):
    client.send(get("/three/x"))
    seen = set()
    for number in range(2):
        far = origin.accept()
        seen.add(far.request().target)
        far.send(answer(503, b"%d" % number))
    assert client.answer().body == b"1"
    assert len(seen) == 2, "another one, and not the same"
    assert origin.is_untouched


def test_ten_in_ten_seconds_where_nothing_else_may(client, origins):
    fars = {}
    for number in range(11):
        client.send(get(f"/scarce/{number}"))
        asked = 0
        while True:
            far = until(lambda: _asking(fars, origins), what="a request to one of the servers")
            far.request()
            asked += 1
            far.send(answer(503, b"no"))
            if asked == 2 or number == 10:
                break
        assert client.answer().status == 503
    assert all(origin.is_untouched for origin in origins)
    assert all(far.says_nothing() for far in fars.values())


def _asking(fars, origins):
    """The connection on which a request has come; new ones are accepted."""
    for origin in origins:
        if origin not in fars:
            origin.listener.settimeout(0)
            try:
                fars[origin] = origin.accept(0.01)
            except AssertionError:
                continue
    return next((far for far in fars.values() if not far.says_nothing(0.01)), None)


def test_not_at_once_and_not_for_a_client_that_has_left(gateway, client, origins):
    client.send(get("/later/x"))
    first, far = first_asked(*origins)
    far.request()
    far.send(answer(503))
    assert client.says_nothing(0.2)
    assert other_of(origins, first).is_untouched
    client.close()
    assert gateway.entry(target="/later/x")["status"] == 0
    other = gateway.connect()
    other.send(post("/later/y", b"hello"))
    _, far = first_asked(*origins) if far.says_nothing() else (first, far)
    assert far.request().target == b"/y"
    far.send(answer(200))
    assert other.answer().status == 200

"""HTTP/2 from clients: requests, bodies in both directions, and how streams end."""

import threading

import pytest

from daarion_gw.wire.http2_frames import HEADERS, frame
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.fixtures import LOGGED
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.http2 import HTTP2Client, Raw, request_fields
from tests.support.message import LAST_CHUNK, answer, chunk
from tests.support.waiting import Stopwatch
from tests.wire.http2_played import block as block_of

CONFIG = f"""
gateway:
  {LOGGED}
routes:
  /api/: {{to: "${{ORIGIN}}"}}
  /small/: {{to: "${{ORIGIN}}", max_body: 1K}}
  /slow/: {{to: "${{ORIGIN}}", timeouts: {{send: 500ms}}}}
  /late/: {{to: "${{ORIGIN}}", timeouts: {{first_byte: 500ms}}}}
"""

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=["daarion-tls", "ssl"])
def running(request, tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        listen=[
            ANYWHERE,
            f"{request.param}:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
        ],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def connect(gateway, certificate):
    """Makes clients; words are the client's settings."""

    def make(takes: bool = True, **settings: int) -> HTTP2Client:
        context = client_context(certificate[0])
        context.set_alpn_protocols(["h2"])
        return HTTP2Client(gateway.connect_tls(1, context, NAME), takes, **settings)

    return make


@pytest.fixture
def client(connect):
    return connect()


# one request


def test_a_request_goes_upstream_as_http_1(client, origin):
    number = client.ask(request_fields("GET", "/api/x?y=1", ("accept", "*/*"), ("x-a", "b")))
    far = origin.accept()
    seen = far.request()
    assert seen.line == b"GET /x?y=1 HTTP/1.1"
    assert seen.value(b"host") == b"gw.example"
    assert seen.value(b"x-a") == b"b"
    assert seen.value(b"x-forwarded-proto") == b"https"
    far.send(answer(200, b"hello", "X-Own: 1", "Connection: X-Own, keep-alive", "Keep-Alive: 5"))
    got = client.answer(number)
    assert (got.status, got.body, got.ended) == (200, b"hello", True)
    assert got.value(b"content-length") == b"5"
    assert got.value(b"x-content-type-options") == b"nosniff"
    assert got.value(b"x-request-id") == seen.value(b"x-request-id")
    names = [name for name, _ in got.fields]
    assert names == [name.lower() for name in names]
    assert not {b"connection", b"keep-alive", b"x-own", b"transfer-encoding"} & set(names)


def test_the_access_log_says_which_version(gateway, client):
    assert client.get("/nowhere").status == 404
    assert gateway.entry(target="/nowhere")["version"] == "HTTP/2.0"


def test_cookies_become_one_field(client, origin):
    client.ask(request_fields("GET", "/api/x", ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")))
    assert origin.accept().request().value(b"cookie") == b"a=1; b=2"


def test_upstream_connections_are_kept(client, origin):
    far = None
    for _ in range(3):
        number = client.ask(request_fields("GET", "/api/x"))
        far = far or origin.accept()
        far.request()
        far.send(answer(200, b"again"))
        assert client.answer(number).body == b"again"
    assert origin.is_untouched


def test_requests_at_the_same_time(client, origin):
    numbers = [client.ask(request_fields("GET", f"/api/{place}")) for place in range(20)]
    fars = [origin.accept() for _ in numbers]
    for far in reversed(fars):
        far.send(answer(200, far.request().target))
    bodies = [client.answer(number).body for number in numbers]
    assert bodies == [b"/%d" % place for place in range(20)]


def test_the_gateways_own_pages_and_refusals(client):
    health = client.get("/healthz")
    assert (health.status, health.body) == (200, b"OK")
    assert client.get("/nowhere").status == 404
    assert client.post("/healthz", b"x" * 10).status == 413
    assert client.answer(client.ask(request_fields("HEAD", "/healthz"))).body == b""
    assert client.answer(client.ask(request_fields("OPTIONS", "*"))).status == 204
    page = client.get("/", ("accept", "text/html"))
    assert page.status == 200 and b"</html>" in page.body


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(client, origin, status):
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 %d x\r\n\r\n" % status)
    got = client.answer(number)
    assert (got.status, got.body, got.ended) == (status, b"", True)


def test_the_answer_to_head_has_its_length_and_no_body(client, origin):
    number = client.ask(request_fields("HEAD", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    got = client.answer(number)
    assert got.value(b"content-length") == b"1000" and got.ended and not got.body


def test_a_head_does_not_wait_for_its_body(client, origin):
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.head(number).status == 200
    far.send(chunk(b"one"))
    client.hear_until(lambda: client.answers[number].body == b"one")
    far.send(chunk(b"two") + LAST_CHUNK)
    assert client.answer(number).body == b"onetwo"


def test_interim_answers(client, origin):
    number = client.begin(request_fields("POST", "/api/x", ("expect", "100-continue")))
    far = origin.accept()
    head = far.head()
    far.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    client.hear_until(lambda: len(client.answers[number].informational) == 2)
    client.send(number, b"body", ends=True)
    assert far.body_of(head).body == b"body"
    far.send(answer(200, b"done"))
    got = client.answer(number)
    assert got.body == b"done"
    assert [dict(fields)[b":status"] for fields in got.informational] == [b"100", b"103"]
    assert dict(got.informational[1])[b"link"] == b"</a>"


TRAILED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n"


@pytest.mark.parametrize(("said", "got"), [((("te", "trailers"),), [(b"x-sum", b"9")]), ((), [])])
def test_trailers_for_who_wants_them(client, origin, said, got):
    number = client.ask(request_fields("GET", "/api/x", *said))
    far = origin.accept()
    assert (far.request().value(b"te") is not None) == bool(said)
    far.send(TRAILED)
    answered = client.answer(number)
    assert (answered.body, answered.trailers, answered.ended) == (b"abc", got, True)


def test_trailers_alone_behind_a_head(client, origin):
    number = client.ask(request_fields("GET", "/api/x", ("te", "trailers")))
    far = origin.accept()
    far.request()
    far.send(TRAILED.replace(b"3\r\nabc\r\n", b""))
    answered = client.answer(number)
    assert (answered.body, answered.trailers, answered.ended) == (b"", [(b"x-sum", b"9")], True)


def test_more_requests_at_once_than_are_begun_in_a_row(gateway, certificate):
    """In several records that are read together: Twisted hands them out although it is paused."""
    context = client_context(certificate[0])
    context.set_alpn_protocols(["h2"])
    raw = Raw(gateway.connect_tls(1, context, NAME))
    block = block_of(request_fields("HEAD", "/healthz"))
    first = 1
    for _ in range(20):
        for number in (40, 5, 1):
            raw.stream.send(
                b"".join(frame(HEADERS, 5, first + 2 * place, block) for place in range(number))
            )
            first += 2 * number
        raw.until(HEADERS, first - 2)


# bodies


def test_a_body_with_its_length(client, origin):
    number = client.ask(request_fields("POST", "/api/x", ("content-length", "4")), b"body")
    far = origin.accept()
    seen = far.request()
    assert (seen.body, seen.value(b"content-length")) == (b"body", b"4")
    far.send(answer(200, b"ok"))
    assert client.answer(number).body == b"ok"


def test_a_body_of_unknown_length_and_the_trailers_behind_it(client, origin):
    number = client.begin(request_fields("POST", "/api/x"))
    client.send(number, b"first")
    far = origin.accept()
    head = far.head()
    assert head.value(b"transfer-encoding") == b"chunked"
    client.send(number, b"second")
    client.h2.send_headers(number, [("x-sum", "9")], end_stream=True)
    client.flush()
    assert far.body_of(head).body == b"firstsecond"
    far.send(answer(200, b"ok"))
    assert client.answer(number).body == b"ok"


def test_a_large_body(client, origin):
    size = 20 * MEGABYTE
    number = client.begin(request_fields("POST", "/api/x", ("content-length", str(size))))
    seen = []
    reader = threading.Thread(target=lambda: seen.append(origin.accept().request()))
    reader.start()
    client.send(number, b"u" * size, ends=True)
    reader.join()
    assert seen[0].body == b"u" * size


def test_a_large_answer(client, origin):
    size = 20 * MEGABYTE
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    sender = threading.Thread(target=far.send, args=(answer(200, b"d" * size),))
    sender.start()
    assert client.answer(number).body == b"d" * size
    sender.join()
    assert client.get("/healthz").body == b"OK"


def test_a_client_that_opens_no_window_holds_the_server_back_and_no_other_stream(
    gateway, connect, origin
):
    client = connect(takes=False)
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
    before = gateway.memory
    sent = 0
    while (taken := far.send_some(b"x" * MEGABYTE, within=0.3)) == MEGABYTE:
        sent += taken
        assert sent < 200 * MEGABYTE
    assert gateway.memory - before < 8 * MEGABYTE
    while len(client.answers[number].body) < 65535:
        client.more()
    # The connection's window is used up as well; a head and no body needs none.
    assert client.answer(client.ask(request_fields("HEAD", "/healthz"))).status == 200
    client.take(number, 65535)
    client.hear_until(lambda: len(client.answers[number].body) == 2 * 65535)


def test_a_small_window_makes_small_frames(connect, origin):
    client = connect(initial_window_size=1)
    assert client.get("/healthz").body == b"OK"


def test_streams_take_turns(connect, origin):
    client = connect(takes=False, initial_window_size=4 * MEGABYTE)
    numbers = [client.ask(request_fields("GET", f"/api/{place}")) for place in range(3)]
    for far in [origin.accept() for _ in numbers]:
        far.request()
        # As much as is taken without being asked for: then each of them has something waiting.
        far.send_some(answer(200, b"x" * 16 * MEGABYTE), within=0.2)
    while sum(len(client.answers[number].body) for number in numbers) < 65535:
        assert client.more()
    client.h2.increment_flow_control_window(96 * 1024)
    before = [len(client.answers[number].body) for number in numbers]
    client.flush()
    while sum(len(client.answers[number].body) for number in numbers) < 65535 + 96 * 1024:
        assert client.more()
    gains = [
        len(client.answers[number].body) - old for number, old in zip(numbers, before, strict=True)
    ]
    assert max(gains) <= 64 * 1024


def fill(client: HTTP2Client, number: int) -> int:
    """Send a body until no window opens any more; how much that was."""
    sent = 0
    while sent < 100 * MEGABYTE:
        room = min(client.h2.local_flow_control_window(number), 16384)
        if room:
            client.h2.send_data(number, b"u" * room)
            client.flush()
            sent += room
            continue
        try:
            client.more(within=0.5)
        except AssertionError:
            break
    return sent


def test_a_server_that_does_not_read_holds_the_client_back(gateway, client, origin):
    number = client.begin(request_fields("POST", "/api/x"))
    origin.accept()
    before = gateway.memory
    assert fill(client, number) < 100 * MEGABYTE
    assert gateway.memory - before < 8 * MEGABYTE
    # Others are not in its way.
    assert client.get("/healthz").body == b"OK"
    client.give_up(number)


def test_streams_given_up_leave_the_connections_window_whole(client, origin):
    """Each holds what its server has not taken: what is given up must not stay in the sum."""
    for _ in range(5):
        number = client.begin(request_fields("POST", "/api/x"))
        far = origin.accept()
        fill(client, number)
        client.give_up(number)
        far.close()
    number = client.begin(request_fields("POST", "/api/x"))
    origin.accept()
    while client.h2.local_flow_control_window(number) < 200 * 1024:
        assert client.more(within=2)


# ends


def test_a_stream_that_the_client_gives_up_takes_its_upstream_with_it(client, origin):
    number = client.ask(request_fields("GET", "/api/x"))
    other = client.ask(request_fields("GET", "/api/y"))
    far, far_of_other = origin.accept(), origin.accept()
    far.request()
    client.give_up(number)
    with Stopwatch() as watch:
        assert far.rest() == b""
    assert watch.seconds < 5, "no limit is waited for"
    far_of_other.request()
    far_of_other.send(answer(200, b"still here"))
    assert client.answer(other).body == b"still here"


def test_a_client_that_goes_away_takes_all_upstreams_with_it(client, origin):
    for _ in range(3):
        client.ask(request_fields("GET", "/api/x"))
    fars = [origin.accept() for _ in range(3)]
    for far in fars:
        far.request()
    client.stream.close()
    for far in fars:
        assert far.rest() == b""


def test_an_answer_cut_short_ends_its_stream_alone(client, origin):
    number = client.ask(request_fields("GET", "/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    client.head(number)
    far.close()
    got = client.answer(number)
    assert (got.body, got.ended, got.reset) == (b"half", False, 2)
    assert client.get("/healthz").body == b"OK"


def test_an_early_answer_tells_the_client_to_stop(client, origin):
    number = client.begin(request_fields("POST", "/api/x"))
    client.send(number, b"x" * 10)
    far = origin.accept()
    far.head()
    far.send(answer(401, b"no"))
    got = client.answer(number)
    assert (got.status, got.body) == (401, b"no")
    client.hear_until(lambda: got.reset is not None)
    assert got.reset == 0
    assert client.get("/healthz").body == b"OK"


def test_a_client_that_goes_on_sending_and_takes_no_answer_is_not_asked_for_more(connect, origin):
    client = connect(takes=False, initial_window_size=10)
    number = client.begin(request_fields("POST", "/api/x"))
    client.send(number, b"x" * 10)
    far = origin.accept()
    far.head()
    far.send(answer(401, b"more than ten bytes"))
    client.head(number)
    room = client.h2.local_flow_control_window(number)
    client.send(number, b"x" * room)
    with pytest.raises(AssertionError, match="nothing came"):
        while True:
            client.more(within=0.5)
    assert client.h2.local_flow_control_window(number) == 0


def test_a_body_that_is_too_large(client, origin):
    fields = request_fields("POST", "/small/x")
    assert client.answer(client.begin([*fields, ("content-length", "9999")])).status == 413
    assert origin.is_untouched
    number = client.begin(fields)
    client.send(number, b"x" * 2000)
    assert client.answer(number).status == 413
    assert client.get("/healthz").body == b"OK"


def test_a_server_that_is_late(client, origin):
    number = client.ask(request_fields("GET", "/late/x"))
    origin.accept().request()
    assert client.answer(number).status == 504
    assert client.get("/healthz").body == b"OK"


def test_a_client_that_takes_nothing_loses_its_stream_and_not_the_others(connect, origin):
    client = connect(takes=False)
    number = client.ask(request_fields("GET", "/slow/x"))
    other = client.ask(request_fields("GET", "/api/x"))
    far, far_of_other = origin.accept(), origin.accept()
    if far.head().target == b"/api/x":
        far, far_of_other = far_of_other, far
    sender = threading.Thread(target=far.send, args=(answer(200, b"x" * MEGABYTE),))
    sender.start()
    got = client.answer(number)
    assert got.reset == 2 and len(got.body) == 65535
    sender.join()
    far_of_other.send(answer(204))
    assert client.answer(other).status == 204

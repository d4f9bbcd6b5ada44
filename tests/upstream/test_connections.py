"""Connections to upstream servers: kept, thrown away, tried again, made another way."""

import os
import socket
import threading
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate, server_context
from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, post, request
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
routes:
  /api/: {to: "${ORIGIN}"}
  /two/: {to: ["${ORIGIN}", "${SECOND}"]}
  /one-dead/: {to: ["http://127.0.0.1:1", "${SECOND}"]}
  /all-dead/: {to: ["http://127.0.0.1:1", "http://127.0.0.1:2"]}
  /name/: {to: "http://localhost:${PORT}"}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side):
    urls = {name: origin.url for name, origin in far_side.items()}
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"), CONFIG, PORT=str(far_side["ORIGIN"].port), **urls
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def kept(client, origin):
    """A pooled connection that has carried one exchange."""
    client.send(get("/api/first"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200
    return far


# kept


def test_a_connection_is_used_again_by_any_client(gateway, kept, origin):
    for number in range(3):
        other = gateway.connect()
        other.send(get(f"/api/{number}"))
        assert kept.request().target == b"/%d" % number
        kept.send(answer(200))
        assert other.answer().status == 200
    assert origin.is_untouched


def test_the_one_that_was_used_last_is_taken_first(gateway, kept, origin):
    """So that those which are not needed grow old, and are closed."""
    clients = [gateway.connect() for _ in range(2)]
    clients[0].send(get("/api/a"))
    kept.request()
    clients[1].send(get("/api/b"))
    second = origin.accept()
    second.request()
    for far, client in ((kept, clients[0]), (second, clients[1])):
        far.send(answer(200))
        assert client.answer().status == 200
    for number in range(3):
        clients[0].send(get(f"/api/{number}"))
        assert second.request().target == b"/%d" % number
        second.send(answer(200))
        assert clients[0].answer().status == 200
    assert kept.says_nothing()


def test_one_whose_answer_ended_before_a_full_client_is_read_from_again(gateway, kept, origin):
    """A client that is full pauses the server's connection, which the next exchange needs."""
    full = gateway.connect(receive_buffer=4096)
    asked = 1000
    full.send(get("/api/x") * asked)
    answered = 0
    # Each answer ends in the piece that it comes in: that of the last one is too much.
    while not kept.says_nothing(1 if answered else 5):
        kept.request()
        kept.send(answer(200, b"x" * 8000))
        answered += 1
    assert answered < asked, "the client never was full"
    for number in range(3):
        other = gateway.connect()
        other.send(get(f"/api/{number}"))
        assert kept.request().target == b"/%d" % number
        kept.send(answer(200, b"for another"))
        assert other.answer().body == b"for another"
    assert origin.is_untouched
    assert [full.answer().status for _ in range(answered)] == [200] * answered
    for _ in range(asked - answered):
        assert kept.request().target == b"/x", "the first one goes on when it reads"
        kept.send(answer(200))
        assert full.answer().status == 200


def test_two_exchanges_at_a_time_take_two(gateway, kept, origin):
    clients = [gateway.connect() for _ in range(2)]
    clients[0].send(get("/api/a"))
    assert kept.request().target == b"/a"
    clients[1].send(get("/api/b"))
    far = origin.accept()
    assert far.request().target == b"/b"
    far.send(answer(200, b"b"))
    kept.send(answer(200, b"a"))
    assert [client.answer().body for client in clients] == [b"a", b"b"]


def test_the_one_used_last_is_used_first(gateway, kept, client, origin):
    other = gateway.connect()
    client.send(get("/api/a"))
    kept.request()
    other.send(get("/api/b"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    other.answer()
    kept.send(answer(200))
    client.answer()
    client.send(get("/api/c"))
    assert kept.request().target == b"/c"


@pytest.mark.parametrize("said", [b"x", answer(200, b"evil"), b"HTTP/1.1 408 Timeout\r\n\r\n"])
def test_bytes_on_an_idle_connection_end_it(kept, client, origin, said):
    kept.send(said)
    assert kept.rest() == b"" and kept.ending == "reset"
    client.send(get("/api/next"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"good"))
    assert client.answer().body == b"good"


def test_bytes_that_come_just_before_a_post_are_not_its_answer(kept, client, origin):
    kept.send(answer(200, b"evil"))
    client.send(post("/api/x", b"hello"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"good"))
    assert client.answer().body == b"good"


# tried again


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_kept_connection_that_dies_silently_is_no_end(kept, client, origin, method):
    client.send(request(method, "/api/x", body=b"again" if method == "PUT" else b""))
    kept.request()
    kept.close()
    far = origin.accept()
    seen = far.request()
    assert seen.line == f"{method} /x HTTP/1.1".encode()
    assert seen.body == (b"again" if method == "PUT" else b"")
    far.send(answer(200, b"" if method == "HEAD" else b"hello"))
    assert client.answer(method).status == 200


def test_a_chunked_body_is_sent_again_too(kept, client, origin):
    client.send(request("PUT", "/api/x", "Transfer-Encoding: chunked") + b"2\r\nhi\r\n0\r\n\r\n")
    assert kept.request().body == b"hi"
    kept.reset()
    far = origin.accept()
    assert far.request().body == b"hi"
    far.send(answer(200))
    assert client.answer().status == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_what_must_not_happen_twice_is_never_tried_twice(kept, client, origin, method, how):
    client.send(request(method, "/api/x", body=b"pay"))
    kept.request()
    getattr(kept, how)()
    assert client.answer().status == 502
    assert origin.is_untouched


def test_nor_what_has_no_body(kept, client, origin):
    client.send(post("/api/x"))
    kept.request()
    kept.close()
    assert client.answer().status == 502
    assert origin.is_untouched


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_was_dead_before_costs_nothing(kept, client, origin, method):
    kept.close()
    client.send(request(method, "/api/x", body=b"pay" if method == "POST" else b""))
    far = origin.accept()
    assert far.request().target == b"/x"
    far.send(answer(200, b"hello"))
    assert client.answer().body == b"hello"


def test_a_new_connection_is_not_tried_again(client, origin):
    client.send(get("/api/x"))
    origin.accept().close()
    assert client.answer().status == 502
    assert origin.is_untouched


def test_nor_is_a_second_one(kept, client, origin):
    client.send(get("/api/x"))
    kept.request()
    kept.close()
    origin.accept().close()
    assert client.answer().status == 502
    assert origin.is_untouched


def test_nor_where_an_answer_has_begun(kept, client, origin):
    client.send(get("/api/x"))
    kept.request()
    kept.send(b"HTTP/1.1 20")
    kept.close()
    assert client.answer().status == 502
    assert origin.is_untouched


def test_nor_a_body_that_is_not_here_any_more(kept, client, origin):
    client.send(request("PUT", "/api/x", "Content-Length: 200000") + b"x" * 100_000)
    kept.head()
    kept.read(100_000)
    kept.reset()
    assert client.answer().status == 502
    assert origin.is_untouched


# servers


def test_a_dead_server_is_a_502_at_once_and_served_again_as_soon_as_it_is_back(client, origin):
    origin.stop()
    try:
        with Stopwatch() as watch:
            assert client.ask(get("/api/x")).status == 502
        assert watch.seconds < 0.5
    finally:
        origin.listen()
    client.send(get("/api/y"))
    far = origin.accept()
    assert far.request().target == b"/y"
    far.send(answer(200))
    assert client.answer().status == 200


def test_several_servers_take_turns(client, origin, second):
    fars = []
    for number in range(4):
        client.send(get(f"/two/{number}"))
        if number < 2:
            fars.append((origin, second)[number].accept())
        far = fars[number % 2]
        assert far.request().target == b"/%d" % number
        far.send(answer(200))
        assert client.answer().status == 200


def test_the_next_one_is_tried_when_one_refuses(client, second):
    client.send(post("/one-dead/first", b"hello"))
    far = second.accept()
    for number in range(4):
        seen = far.request()
        assert seen.body == b"hello"
        far.send(answer(200, b"alive"))
        assert client.answer().body == b"alive"
        client.send(post(f"/one-dead/{number}", b"hello"))
    far.request()
    far.send(answer(200))
    client.answer()


def test_also_when_many_ask_at_the_same_time(gateway, second):
    clients = [gateway.connect() for _ in range(20)]
    for client in clients:
        client.send(get("/one-dead/x"))
    served = [second.accept() for _ in clients]
    for far in served:
        far.request()
        far.send(answer(200))
    assert [client.answer().status for client in clients] == [200] * 20


def test_502_when_all_refuse(client):
    assert client.ask(get("/all-dead/x")).status == 502


def test_a_name_is_looked_up(client, origin):
    client.send(get("/name/x"))
    far = origin.accept()
    assert far.request().target == b"/x"
    far.send(answer(200))
    assert client.answer().status == 200


# other ways


@pytest.fixture
def another(tmp_path: Path):
    """Starts gateways with one route, /x/, to ``to``."""
    gateways: list[GatewayProcess] = []

    def start(to: str, more: str = "", upstreams: str = "") -> GatewayProcess:
        text = f"gateway: {{access_log: off}}\nroutes: {{/x/: {{to: {to}{more}}}}}\n{upstreams}"
        gateways.append(GatewayProcess(tmp_path, text))
        return gateways[-1]

    yield start
    for gateway in gateways:
        try:
            gateway.stop()
        finally:
            gateway.kill()


def test_a_unix_socket(another, tmp_path):
    origin = Origin(unix=str(tmp_path / "app.sock"))
    client = another(f'"unix:{tmp_path}/app.sock"').connect()
    far = None
    for number in range(2):
        client.send(post(f"/x/{number}", b"hello"))
        far = far or origin.accept()
        seen = far.request()
        assert (seen.target, seen.body, seen.value(b"host")) == (
            b"/%d" % number, b"hello", b"gw.example",
        )  # fmt: skip
        far.send(answer(200, b"x" * 300_000))
        assert len(client.answer().body) == 300_000
    origin.close()
    got = client.ask(get("/x/y"))
    assert got.status == 502 and b"unix:" in got.body


def tls_origin(folder: Path) -> Origin:
    return Origin(tls=server_context(*make_certificate(folder)))


def test_an_https_server_whose_certificate_is_not_believed_is_a_502_with_the_reason(
    another, tmp_path
):
    origin = tls_origin(tmp_path)
    client = another(f'"{origin.url}"').connect()
    client.send(get("/x/y"))
    with pytest.raises(OSError):
        origin.accept().read(1)
    got = client.answer()
    assert got.status == 502
    assert b"has a certificate that it has signed itself" in got.body
    assert b"tls: of the upstream names what is believed" in got.body
    origin.close()


def test_an_https_server_that_need_not_be_believed(another, tmp_path):
    origin = tls_origin(tmp_path)
    upstreams = f'upstreams: {{app: {{servers: [{{url: "{origin.url}", verify: false}}]}}}}\n'
    client = another("app", upstreams=upstreams).connect()
    client.send(post("/x/y", b"hello"))
    far = origin.accept()
    for number in range(3):
        assert far.request().body == b"hello"
        far.send(answer(200, b"x" * 200_000))
        assert len(client.answer().body) == 200_000
        if number < 2:
            client.send(post("/x/y", b"hello"))
    assert origin.is_untouched
    client.close()
    origin.close()


def test_large_bodies_to_and_from_an_https_server(another, tmp_path):
    """They are encrypted to their end, as what is between the ends must not read them."""
    body = os.urandom(3 << 20)
    origin = tls_origin(tmp_path)
    upstreams = f'upstreams: {{app: {{servers: [{{url: "{origin.url}", verify: false}}]}}}}\n'
    client = another("app", upstreams=upstreams).connect()
    sender = threading.Thread(target=client.send, args=(post("/x/y", body),))
    sender.start()
    far = origin.accept()
    assert far.request().body == body
    sender.join()
    sender = threading.Thread(target=far.send, args=(answer(200, body),))
    sender.start()
    assert client.answer().body == body
    sender.join()
    client.close()
    origin.close()


def test_a_server_that_speaks_no_tls(another):
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()
        client = another(f'"https://127.0.0.1:{plain.getsockname()[1]}"').connect()
        client.send(get("/x/y"))
        sock, _ = plain.accept()
        with sock:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            got = client.answer()
    assert got.status == 502
    assert b"over TLS: " in got.body


def test_many_clients_at_once(gateway, origin):
    """Each gets its own answer, whatever connections they share."""
    done = threading.Event()

    def serve(far):
        while not done.is_set():
            try:
                seen = far.request()
            except (AssertionError, OSError):
                return
            far.send(answer(200, seen.target))

    def accept():
        while not done.is_set():
            try:
                far = origin.accept(0.2)
            except AssertionError:
                continue
            threading.Thread(target=serve, args=(far,), daemon=True).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    wrong = []

    def visit(number):
        client = gateway.connect()
        for turn in range(25):
            path = f"/{number}-{turn}"
            if client.ask(get(f"/api{path}")).body != path.encode():
                wrong.append(path)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(12)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(30)
    done.set()
    accepting.join()
    assert wrong == []

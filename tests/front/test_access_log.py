"""One line per exchange, in the file that the operator named (JSON), written within a second."""

import re
import signal

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, chunk, get, post, request
from tests.support.waiting import until

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
routes:
  /api/: {to: "${ORIGIN}"}
  /quiet/: {to: "${ORIGIN}", access_log: false}
  /down/: {to: "http://127.0.0.1:1"}
"""


def served(client, origin, data, said=None):
    client.send(data)
    far = origin.accept()
    far.request()
    far.send(said or answer(200, b"hello"))
    return client.answer(data.partition(b" ")[0].decode())


def test_a_line_says_what_was_asked_answered_and_by_whom(gateway, client, origin):
    got = served(client, origin, post("/api/told?a=1", b"body", "User-Agent: t/1", "Referer: r"))
    entry = gateway.entry(target="/api/told?a=1")
    assert {name: entry[name] for name in ("method", "version", "host", "status", "route")} == {
        "method": "POST", "version": "HTTP/1.1", "host": "gw.example", "status": 200,
        "route": "/api/",
    }  # fmt: skip
    assert (entry["bytes_received"], entry["bytes_sent"]) == (4, 5)
    assert entry["server"] == origin.url.removeprefix("http://")
    assert (entry["user_agent"], entry["referer"], entry["fault"]) == ("t/1", "r", "")
    assert entry["request_id"].encode() == got.value(b"x-request-id")
    assert entry["client"] == "127.0.0.1" and 0 < entry["seconds"] < 5


def test_bytes_are_those_of_bodies_whatever_frames_them(gateway, client, origin):
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hello") + b"0\r\n\r\n"
    data = (
        request("POST", "/api/chunks", "Transfer-Encoding: chunked") + chunk(b"abc") + b"0\r\n\r\n"
    )
    served(client, origin, data, said)
    entry = gateway.entry(target="/api/chunks")
    assert (entry["bytes_received"], entry["bytes_sent"]) == (3, 5)


@pytest.mark.parametrize(
    ("data", "status", "fault"),
    [
        (get("/unknown-1"), 404, "NOT_FOUND"),
        (get("/down/1"), 502, "UPSTREAM_REFUSED"),
        (get("/api/#x"), 400, "MALFORMED"),
        (request("POST", "/api/1", "Content-Length: 999999999"), 413, "BODY_TOO_LARGE"),
    ],
)
def test_a_refusal_is_logged_with_its_fault(gateway, client, data, status, fault):
    got = client.ask(data)
    entry = gateway.entry(request_id=got.value(b"x-request-id").decode())
    assert (entry["status"], entry["fault"]) == (status, fault)


def test_an_answer_that_broke_is_logged_as_such(gateway, client, origin):
    client.send(get("/api/broke"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    far.close()
    client.rest()
    entry = gateway.entry(target="/api/broke")
    assert (entry["status"], entry["fault"], entry["bytes_sent"]) == (200, "UPSTREAM_BROKE", 4)


def test_a_client_that_got_no_answer_is_status_0(gateway, client, origin):
    client.send(get("/api/gone"))
    origin.accept().request()
    client.reset()
    assert gateway.entry(target="/api/gone")["status"] == 0


def test_each_exchange_once(gateway, client, origin):
    client.send(get("/api/once"))
    far = origin.accept()
    for number in range(5):
        far.request()
        far.send(answer(200, b"%d" % number))
        client.answer()
        client.send(get("/api/once") if number < 4 else get("/unknown-2"))
    gateway.entry(target="/unknown-2")
    assert len([1 for entry in gateway.entries() if entry["target"] == "/api/once"]) == 5


def test_neither_the_health_check_nor_a_quiet_route_is_logged(gateway, client, origin):
    client.ask(get("/healthz"))
    client.ask(get("/healthz?x"))
    served(client, origin, get("/quiet/x"))
    client.ask(get("/unknown-3"))
    gateway.entry(target="/unknown-3")
    targets = [entry["target"] for entry in gateway.entries()]
    assert not [target for target in targets if target.startswith(("/healthz", "/quiet"))]


def test_nothing_secret_stands_in_it(gateway, client, origin):
    lines = ["Cookie: sid=secret-1", "Authorization: Bearer secret-2",
             "Referer: http://ann:secret-3@x/"]  # fmt: skip
    served(client, origin, get("/api/secrets", *lines))
    gateway.entry(target="/api/secrets")
    assert "secret-" not in (gateway.folder / "access.log").read_text()


def test_the_file_is_opened_again_on_sighup(gateway, client):
    client.ask(get("/unknown-4"))
    gateway.entry(target="/unknown-4")
    (gateway.folder / "access.log").rename(gateway.folder / "access.log.1")
    gateway.reload()
    client.ask(get("/unknown-5"))
    gateway.entry(target="/unknown-5")
    assert [entry["target"] for entry in gateway.entries()] == ["/unknown-5"]


def test_combined_on_standard_output_is_the_default(tmp_path):
    gateway = GatewayProcess(tmp_path, 'routes: {/down/: {to: "http://127.0.0.1:1"}}\n')
    try:
        client = gateway.connect()
        client.ask(get("/down/x", 'User-Agent: a"b'))
        until(lambda: "/down/x" in gateway.output)
        line = re.compile(
            r'^127\.0\.0\.1 - - \[../.../....:..:..:.. [+-]....\] "GET /down/x HTTP/1\.1" 502 \d+ '
            r'"-" "a\\x22b" request_id=\S+ route=/down/ upstream=/down/ server=127\.0\.0\.1:1 '
            r"seconds=\d+\.\d+ received=0 fault=UPSTREAM_REFUSED$",
            re.MULTILINE,
        )
        assert line.search(gateway.output)
        gateway.stop()
    finally:
        gateway.kill()


def test_what_is_not_written_yet_is_written_at_the_end(tmp_path):
    gateway = GatewayProcess(
        tmp_path,
        "gateway: {access_log: {format: json, file: access.log}}\n"
        'routes: {/down/: {to: "http://127.0.0.1:1"}}\n',
    )
    try:
        client = gateway.connect()
        client.ask(get("/down/last"))
        gateway.stop()
        assert [entry["target"] for entry in gateway.entries()] == ["/down/last"]
    finally:
        gateway.kill()


def test_a_second_sighup_does_no_harm(gateway, client):
    gateway.reload()
    gateway.process.send_signal(signal.SIGHUP)
    assert client.ask(get("/healthz")).body == b"OK"

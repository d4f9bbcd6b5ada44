"""The first thing that a new user does: the demo, and every row of the table answers."""

import http.client
import json
import threading

import pytest
from websockets.sync.client import connect

from tests.support.gateway import ANYWHERE, GatewayProcess, twistd

ROWS = [
    ("/healthz", 200, "OK"),
    ("/", 200, "microdao-api"),
    ("/api/", 200, "/echo"),
    ("/api/health", 200, "ok"),
    ("/api/echo?x=%2F", 200, "x=%2F"),
    ("/api/slow?s=0.05", 200, ""),
    ("/api/stream?n=2", 200, "line 2 of 2"),
    ("/matrix/_matrix/client/versions", 200, "versions"),
    ("/_matrix/client/versions", 200, "versions"),
    ("/_matrix/federation/v1/version", 200, "server"),
    ("/grafana/", 200, "/grafana/"),
    ("/grafana/api/health", 200, "ok"),
    ("/prometheus/graph", 200, "/prometheus/"),
    ("/prometheus/-/healthy", 200, ""),
    ("/prometheus/api/v1/query?query=up", 200, "success"),
    ("/rag/health", 200, "ok"),
    ("/notify/health", 200, "ok"),
    ("/prometheus/-/quit", 404, "keeps this path shut"),
    ("/nothing/here", 404, "no route"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    command = twistd("--demo", "--admin", "off", "--listen", ANYWHERE)
    gateway = GatewayProcess(tmp_path_factory.mktemp("demo"), "", command=command)
    yield gateway
    gateway.stop()


@pytest.mark.parametrize(("target", "status", "part"), ROWS, ids=[row[0] for row in ROWS])
def test_every_row_of_the_table_answers(demo, target, status, part):
    connection = http.client.HTTPConnection("127.0.0.1", demo.ports[0], timeout=10)
    connection.request("GET", target, headers={"Accept": "application/json"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    assert answer.status == status, body
    assert part in body


def test_a_websocket_client_echoes_through_ws(demo):
    with connect(f"ws://127.0.0.1:{demo.ports[0]}/ws/") as socket:
        socket.send("hello")
        assert socket.recv(timeout=10) == "hello"
        socket.send(bytes(range(256)) * 1000)
        assert socket.recv(timeout=10) == bytes(range(256)) * 1000


def test_the_clock_and_grafanas_live_socket_tick(demo):
    with connect(f"ws://127.0.0.1:{demo.ports[0]}/ws/clock") as socket:
        assert json.loads(socket.recv(timeout=10))
    origin = f"http://127.0.0.1:{demo.ports[0]}"
    with connect(f"ws://127.0.0.1:{demo.ports[0]}/grafana/api/live/ws", origin=origin) as socket:
        assert socket.recv(timeout=10)


def test_answers_come_while_others_wait(demo):
    slow = threading.Thread(target=_get, args=(demo.ports[0], "/api/slow?s=1"))
    slow.start()
    assert _get(demo.ports[0], "/api/health") == 200
    assert slow.is_alive()
    slow.join()


def _get(port, target):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", target)
    status = connection.getresponse().status
    connection.close()
    return status

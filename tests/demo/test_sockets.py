"""The WebSockets of the stand-ins, seen by a client that shares no code with them."""

import json
import os
import struct

import pytest

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@pytest.fixture
def port(stand_in):
    return stand_in("microdao-ws").port


@pytest.mark.parametrize("path", ["/", "/any/where?x=1"])
def test_echo_on_any_path(port, websocket, path):
    client = websocket(port, path)
    assert client.status == 101
    for opcode, payload in [(TEXT, "привіт".encode()), (BINARY, b"\0\xff"), (TEXT, b"")]:
        client.send(opcode, payload)
        assert client.receive() == (opcode, payload)


def test_echo_of_a_large_message(port, websocket):
    payload = os.urandom(5_000_000)
    client = websocket(port, "/")
    client.send(BINARY, payload)
    assert client.receive() == (BINARY, payload)


def test_ping_and_close_are_answered(port, websocket):
    client = websocket(port, "/")
    client.send(PING, b"beat")
    assert client.receive() == (PONG, b"beat")
    client.send(CLOSE, struct.pack("!H", 1000) + b"done")
    opcode, payload = client.receive()
    assert (opcode, payload[:2]) == (CLOSE, struct.pack("!H", 1000))
    assert client.file.read() == b""


def test_the_first_subprotocol_and_compression_are_agreed(port, websocket):
    client = websocket(
        port,
        "/",
        "Sec-WebSocket-Protocol: chat.v2, chat.v1",
        "Sec-WebSocket-Extensions: permessage-deflate",
        host="app.example.com",
    )
    assert client.status == 101
    assert client.headers["sec-websocket-protocol"] == "chat.v2"
    assert client.headers["sec-websocket-extensions"].startswith("permessage-deflate")


def test_what_is_not_read_is_not_piled_up(port, websocket, stand_in, deadline):
    client = websocket(port, "/")
    client.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 200_000_000:
            client.send(BINARY, bytes(1_000_000))
            sent += 1_000_000
    assert sent < 100_000_000


def test_the_clock_sends_the_time_each_second(port, websocket):
    client = websocket(port, "/clock")
    times = [json.loads(client.receive()[1])["time"] for _ in range(2)]
    assert times[0] < times[1]
    assert len(times[0]) == len("2026-01-01T00:00:00Z")


def test_a_plain_get_gets_the_console(stand_in):
    answer = stand_in("microdao-ws").get("/")
    assert answer.getheader("content-type") == "text/html; charset=utf-8"
    assert b"new WebSocket(" in answer.read()


def test_grafana_live_sends_numbers(stand_in, websocket):
    client = websocket(stand_in("grafana").port, "/grafana/api/live/ws")
    assert client.status == 101
    assert 0 <= json.loads(client.receive()[1])["value"] <= 100


@pytest.mark.parametrize(
    ("origin", "status"), [("http://app.example.com", 101), ("http://evil.example", 403)]
)
def test_grafana_live_wants_the_origin_to_be_its_host(stand_in, websocket, origin, status):
    client = websocket(
        stand_in("grafana").port,
        "/grafana/api/live/ws",
        f"Origin: {origin}",
        host="app.example.com",
    )
    assert client.status == status


def test_a_refused_handshake_is_http(port, websocket):
    client = websocket(port, "/", "Sec-WebSocket-Version: 99")
    assert client.status == 400

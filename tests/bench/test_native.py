"""The compiled load: echoes are whole, and a stall is seen by all who had to wait for it."""

import http.server
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from bench import native
from bench.native import Builder
from bench.processes import HOST, NotStartedError, free_port, start
from bench.raw_client import BrokenError

FIELDS = (
    "X-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
    "X-Forwarded-Host: a.example\r\nX-Request-Id: 12345678\r\n"
)
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
MASK = b"\x11\x22\x33\x44"


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("native"))


@pytest.fixture
def echo_port(builder, tmp_path):
    port = free_port()
    running = start("echo", [str(builder.build("echo_origin")), str(port)], port, tmp_path)
    yield port
    running.stop()


def shaken(port: int, fields: str) -> tuple[socket.socket, bytes]:
    near = socket.create_connection((HOST, port), timeout=10)
    near.sendall(f"{HANDSHAKE}{fields}\r\n".encode())
    return near, near.recv(4096)


def test_the_origin_answers_with_the_key_of_rfc_6455(echo_port):
    near, answer = shaken(echo_port, FIELDS)
    near.close()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


@pytest.mark.parametrize("lost", [line.split(":")[0] for line in FIELDS.split("\r\n")[:-1]])
def test_a_handshake_without_one_of_the_fields_is_refused(echo_port, lost):
    kept = "".join(f"{line}\r\n" for line in FIELDS.split("\r\n") if line and lost not in line)
    near, answer = shaken(echo_port, kept)
    near.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(lost.encode())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_every_byte_comes_back(echo_port, size):
    payload = bytes(number * 7 % 251 for number in range(size))
    masked = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    marked = 0x80 if size < 126 else 0xFE if size < 65536 else 0xFF
    length = b"" if marked == 0x80 else size.to_bytes(2 if marked == 0xFE else 8)
    first = bytes([0x82, marked | size if marked == 0x80 else marked])
    near, _ = shaken(echo_port, FIELDS)
    with near:
        # In pieces that end nowhere near the end of anything, twice over.
        whole = (first + length + MASK + masked) * 2
        for place in range(0, len(whole), 9_999):
            near.sendall(whole[place : place + 9_999])
        expected = (bytes([0x82, first[1] & 0x7F]) + length + payload) * 2
        received = b""
        while len(received) < len(expected):
            piece = near.recv(1 << 20)
            assert piece
            received += piece
    assert received == expected


def test_load_that_is_refused_gives_no_figure(builder, echo_port):
    with pytest.raises(BrokenError, match="no X-Real-IP"):
        native.run(builder.build("echo_load"), echo_port, "/", 2, 125, 0.2)


@contextmanager
def a_server(answer):
    class Small(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Small) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def answered(request, status=200):
    request.send_response(status)
    request.send_header("Content-Length", "2")
    request.end_headers()
    request.wfile.write(b"OK")


def test_the_rate_is_kept_and_an_even_delay_is_seen(builder):
    def slow(request):
        time.sleep(0.02)
        answered(request)

    with a_server(slow) as port:
        begun = time.monotonic()
        said = native.run(builder.build("pace"), port, "/", 16, 100, 1)
        took = time.monotonic() - begun
    assert said["requests"] == 100
    assert 20_000 <= said["p50"] < 200_000
    assert 0.6 < took < 5


def test_a_stall_counts_for_all_that_were_due_meanwhile(builder):
    count = 0

    def stalling(request):
        nonlocal count
        count += 1
        if count == 10:
            time.sleep(0.8)
        answered(request)

    # One connection: a closed loop would have seen one slow answer of a hundred, no more.
    with a_server(stalling) as port:
        said = native.run(builder.build("pace"), port, "/", 1, 100, 1)
    assert said["p99"] > 400_000
    assert said["p50"] > 100_000


def test_wrong_answers_give_no_figure(builder):
    with (
        a_server(lambda request: answered(request, 503)) as port,
        pytest.raises(BrokenError, match="'wrong': 10"),
    ):
        native.run(builder.build("pace"), port, "/", 2, 100, 0.1)


def test_no_compiler_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NotStartedError, match="no C compiler"):
        Builder(tmp_path).build("pace")

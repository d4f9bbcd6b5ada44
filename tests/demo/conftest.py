"""Stand-ins in processes of their own, and a WebSocket client of forty lines to talk to them."""

import base64
import http.client
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

Frame = tuple[int, bytes]


class StandIn:
    """One running stand-in."""

    def __init__(self, name: str) -> None:
        script = f"from daarion_gw.demo.stand_in import main; main({name!r}, 0, '127.0.0.1')"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        found = re.search(
            rf"stand-in {name} is ready at http://127\.0\.0\.1:(\d+)$", self.ready_line
        )
        if not found:
            self.stop()
            pytest.fail(f"no ready line, but {self.ready_line!r}")
        self.port = int(found[1])

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        # One request per connection: then the answer owns the socket and closes it.
        connection.request(method, path, body, {"Connection": "close", **(headers or {})})
        return connection.getresponse()

    def get(self, path: str) -> http.client.HTTPResponse:
        return self.ask("GET", path)

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class WebSocket:
    """A client that sends whole frames and shows what came: enough to be sure, no more."""

    def __init__(self, port: int, path: str, *lines: str, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *lines,
        ]
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        # The mask is zero: legal, and the payload stays as it is.
        self.socket.sendall(head + bytes(4) + payload)

    def receive(self) -> Frame:
        first, second = self.file.read(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.file.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.file.read(8))
        return first & 0x0F, self.file.read(size)

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Callable[[str], StandIn]]:
    """A function that gives the running stand-in of a name; each is started once."""
    running: dict[str, StandIn] = {}

    def start(name: str) -> StandIn:
        if name not in running:
            running[name] = StandIn(name)
        return running[name]

    yield start
    codes = {name: one.stop() for name, one in running.items()}
    assert set(codes.values()) <= {0}, codes


@pytest.fixture
def websocket() -> Iterator[Callable[..., WebSocket]]:
    """A function that opens a WebSocket; all are closed at the end."""
    opened: list[WebSocket] = []

    def connect(port: int, path: str, *lines: str, host: str = "127.0.0.1") -> WebSocket:
        opened.append(WebSocket(port, path, *lines, host=host))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def deadline() -> Callable[[Callable[[], bool]], None]:
    """Poll until a condition holds; fail after ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "it did not happen within ten seconds"
            time.sleep(0.02)

    return wait

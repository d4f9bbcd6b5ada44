"""What connections cost that do nothing: memory, and the time until a proxy answers at all."""

import resource
import socket
import struct
import time
from contextlib import ExitStack

from bench.peers import Ground, Peer, peer_of
from bench.processes import HOST, Running
from bench.raw_client import BrokenError
from bench.websocket import PATH
from bench.works import Effort, Work, check_small

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_GET = "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"


def raise_limit() -> int:
    """Allow this process and its children all descriptors they may have; returns how many."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def open_one(port: int, websocket: bool) -> socket.socket:
    """A connection that has had its answer and now stays open. Raises BrokenError."""
    text, path, status = _GET, "/bench/small", b" 200 "
    if websocket:
        text, path, status = _HANDSHAKE, PATH, b" 101 "
    # Not create_connection: its timeout would make every socket poll before each call.
    near = socket.socket()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10, 0))
    near.connect((HOST, port))
    near.sendall(text.format(path=path, host=HOST, port=port).encode())
    received = b""
    while b"\r\n\r\n" not in received or (not websocket and not received.endswith(b"}")):
        piece = near.recv(4096)
        if not piece:
            raise BrokenError(f"closed after {received[:200]!r}")
        received += piece
        if status not in received[:20]:
            raise BrokenError(f"an odd answer: {received[:200]!r}")
    return near


class IdleMemory(Work):
    """Memory of a freshly started proxy per open connection, or per WebSocket and its upstream."""

    unit = "KiB"

    def __init__(self, name: str, counts: tuple[int, ...], websocket: bool) -> None:
        self.name = name
        self._counts = counts
        self._websocket = websocket

    def _steps(self, effort: Effort) -> tuple[int, ...]:
        return (200,) if effort.quick else self._counts

    def rows(self, effort: Effort) -> tuple[str, ...]:
        """One for each number of connections."""
        return tuple(f"{self.name}, {count:,} open" for count in self._steps(effort))

    def obstacle(self, ground: Ground) -> str:
        """A proxy needs two descriptors for each WebSocket."""
        needed = self._counts[-1] * (2 if self._websocket else 1) + 200
        allowed = raise_limit()
        if allowed < needed:
            return f"{needed:,} descriptors are needed, {allowed:,} are allowed (ulimit -Hn)"
        return ground.origin.without_echo if self._websocket else ""

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Bytes per connection, beyond what the proxy had after some work."""
        found = []
        fresh = peer_of(proxy).start(ground)
        try:
            with ExitStack() as held:
                for _ in range(100):
                    open_one(fresh.port, self._websocket).close()
                time.sleep(0.5)
                before = fresh.memory()
                opened = 0
                for count in self._steps(effort):
                    while opened < count:
                        held.enter_context(open_one(fresh.port, self._websocket))
                        opened += 1
                    # What was only needed while they were opened may go.
                    time.sleep(1)
                    found.append((fresh.memory() - before) / count)
        finally:
            fresh.stop()
        return tuple(found)


class Start(Work):
    """From the start of the program to its first right answer."""

    name = "start to first answer"
    unit = "ms of time"

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """Variants start alike."""
        return peer.works is None

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Asked every two milliseconds. Time, not processor time."""
        launch = peer_of(proxy).prepare(ground)
        begun = time.monotonic()
        running = launch()
        try:
            while True:
                try:
                    check_small(running.port)
                    return (time.monotonic() - begun,)
                except (OSError, BrokenError) as error:
                    ended = running.process.poll() is not None
                    if ended or time.monotonic() - begun > 20:
                        raise BrokenError(f"never answered: {error}") from error
                    time.sleep(0.002)
        finally:
            running.stop()

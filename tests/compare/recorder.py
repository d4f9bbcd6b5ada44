"""An upstream on raw sockets: writes down what came, byte by byte, and answers as told.

One `Recorder` stands for all upstreams, with a listener of its own for each name. The cases run
one after another, so whatever arrives belongs to the case that is running.
"""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Script:
    """What the upstream does with each request of a case.

    `interim` is sent before the body is read, `when_expected` too but only to a request with
    `Expect: 100-continue`, `raw` after it; the word UPSTREAM in it becomes the
    upstream's port. `frames` is what a WebSocket
    upstream sends after it has read as many bytes as `tunnel` says.
    """

    raw: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
    interim: bytes = b""
    when_expected: bytes = b""
    close: bool = False
    reset: bool = False
    tunnel: int = 0
    frames: bytes = b""


@dataclass
class Seen:
    """One request as it came. `framing` is none, length or chunked; `body` is without chunking."""

    upstream: str
    line: bytes
    fields: list[tuple[bytes, bytes]]
    framing: str = "none"
    body: bytes = b""
    trailers: bytes = b""
    whole: bool = False
    tunnelled: bytes = b""


@dataclass
class Stream:
    """A socket with what was read too early."""

    socket: socket.socket
    early: bytes = b""

    def until(self, mark: bytes) -> bytes | None:
        """Return everything through `mark`, None when the peer ended before."""
        while mark not in self.early:
            if not self._more():
                return None
        found, _, self.early = self.early.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes, or fewer when the peer ended before."""
        while len(self.early) < size and self._more():
            pass
        found, self.early = self.early[:size], self.early[size:]
        return found

    def rest(self) -> bytes:
        """Return everything until the peer ends."""
        while self._more():
            pass
        found, self.early = self.early, b""
        return found

    def _more(self) -> bool:
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionError:
            return False
        self.early += piece
        return bool(piece)


def split_head(head: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return (first line, fields in order); blanks around a value are cut, nothing else."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    pairs = [line.partition(b":") for line in lines]
    return first, [(name, value.strip(b" \t")) for name, _, value in pairs]


def values(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All values of one field."""
    return [value for key, value in fields if key.lower() == name]


def read_chunked(stream: Stream) -> tuple[bytes, bytes, bool]:
    """Return (body, trailer section, whether it ended as it should)."""
    body = b""
    while True:
        line = stream.until(b"\r\n")
        if line is None:
            return body, b"", False
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return body, b"", False
        if size == 0:
            break
        piece = stream.exactly(size)
        body += piece
        if len(piece) < size or stream.exactly(2) != b"\r\n":
            return body, b"", False
    trailers = b""
    while (line := stream.until(b"\r\n")) is not None:
        if line == b"\r\n":
            return body, trailers, True
        trailers += line
    return body, trailers, False


@dataclass
class Recorder:
    """All upstreams. `ports` gives the port of each name; `down` is a port nobody listens on."""

    names: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)
    down: int = 0
    _script: Script = field(default_factory=Script)
    _seen: list[Seen] = field(default_factory=list)
    _busy: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _sockets: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        """Listen for every name."""
        for name in self.names:
            listener = socket.create_server((HOST, 0), backlog=64)
            self.ports[name] = listener.getsockname()[1]
            self._sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener, name), daemon=True).start()
        # Bound and never listening: nobody else gets the port, and connecting is refused.
        closed = socket.socket()
        closed.bind((HOST, 0))
        self.down = closed.getsockname()[1]
        self._sockets.append(closed)

    def stop(self) -> None:
        """Close all sockets."""
        for each in self._sockets:
            # Wakes a thread that sits in accept() or recv().
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def begin(self, script: Script) -> None:
        """Forget what was seen; from now on answer with this script."""
        with self._changed:
            self._script = script
            self._seen = []

    def finish(self) -> list[Seen]:
        """Return what was seen, once no request is half read."""
        deadline = time.monotonic() + 2
        with self._changed:
            while self._busy and time.monotonic() < deadline:
                self._changed.wait(0.1)
            return list(self._seen)

    def _accept(self, listener: socket.socket, name: str) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            threading.Thread(target=self._connection, args=(near, name), daemon=True).start()

    def _connection(self, near: socket.socket, name: str) -> None:
        stream = Stream(near)
        with near:
            going_on = True
            while going_on:
                try:
                    stream.early = stream.early or near.recv(1 << 16)
                except OSError:
                    return
                if not stream.early:
                    return
                self._count(1)
                try:
                    going_on = self._request(stream, name)
                except OSError:
                    return
                finally:
                    self._count(-1)

    def _count(self, step: int) -> None:
        with self._changed:
            self._busy += step
            self._changed.notify_all()

    def _request(self, stream: Stream, name: str) -> bool:
        """Read, write down and answer one request; whether the connection goes on."""
        script = self._script
        head = stream.until(b"\r\n\r\n")
        if head is None:
            self._keep(Seen(name, stream.early, []))
            return False
        seen = Seen(name, *split_head(head))
        self._keep(seen)
        if script.interim:
            stream.socket.sendall(script.interim)
        if script.when_expected and values(seen.fields, b"expect") == [b"100-continue"]:
            stream.socket.sendall(script.when_expected)
        _read_body(stream, seen)
        if not seen.whole:
            return False
        if script.reset:
            # Lingering for no time turns the close into a reset.
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        port = b"%d" % self.ports[name]
        stream.socket.sendall(script.raw.replace(b"UPSTREAM", port))
        if script.tunnel:
            seen.tunnelled = stream.exactly(script.tunnel)
            stream.socket.sendall(script.frames)
            return False
        return not script.close

    def _keep(self, seen: Seen) -> None:
        with self._changed:
            self._seen.append(seen)


def _read_body(stream: Stream, seen: Seen) -> None:
    codings = values(seen.fields, b"transfer-encoding")
    lengths = values(seen.fields, b"content-length")
    if codings:
        seen.framing = "chunked"
        seen.body, seen.trailers, seen.whole = read_chunked(stream)
    elif lengths:
        seen.framing = "length"
        seen.body = stream.exactly(int(lengths[0]))
        seen.whole = len(seen.body) == int(lengths[0])
    else:
        seen.whole = True

"""A client on a raw socket: says exactly what came back, and whether the connection lives on."""

import socket
from dataclasses import dataclass, field

from tests.compare.case import Case
from tests.compare.recorder import HOST, Stream, read_chunked, split_head, values

PROBE = b"GET /healthz HTTP/1.1\r\nHost: probe.example.test\r\n\r\n"
# Longer than the gateway waits for an upstream's 100 (one second).
PATIENCE = 2.0


@dataclass
class Got:
    """One answer as it came. `framing` is none, length, chunked or close."""

    line: bytes
    fields: list[tuple[bytes, bytes]]
    interim: list[bytes] = field(default_factory=list)
    framing: str = "none"
    body: bytes = b""
    trailers: bytes = b""
    whole: bool = True

    @property
    def status(self) -> bytes:
        """Three digits, or nothing when this is no HTTP."""
        return self.line.split(b" ")[1] if self.line.startswith(b"HTTP/1.") else b""


@dataclass
class Told:
    """All that a client was told on one connection. `after` is kept, closed or silent."""

    answers: list[Got]
    after: str
    tunnelled: bytes = b""


def drive(port: int, case: Case) -> Told:
    """Send the case's bytes and read what comes."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(near)
        told = Told([], "closed")
        try:
            near.sendall(case.raw)
        except ConnectionError:
            # The answer may have come before all was sent.
            pass
        try:
            for number, method in enumerate(case.methods):
                got = _read_answer(stream, method, case.then if number == 0 else b"")
                if got is None:
                    return told
                told.answers.append(got)
            if case.frames and told.answers[-1].status == b"101":
                near.sendall(case.frames)
                told.tunnelled = stream.exactly(len(case.script.frames))
                return told
            told.after = _afterwards(stream, told.answers[-1])
        except TimeoutError:
            told.after = "silent"
        return told


def _read_answer(stream: Stream, method: bytes, then: bytes) -> Got | None:
    interim = []
    while True:
        head = stream.until(b"\r\n\r\n")
        if head is None:
            return None
        line, fields = split_head(head)
        if not line.startswith(b"HTTP/1.1 1") or line.startswith(b"HTTP/1.1 101"):
            break
        interim.append(line)
        if then:
            stream.socket.sendall(then)
            then = b""
    got = Got(line, fields, interim)
    _read_body(stream, got, method)
    return got


def _read_body(stream: Stream, got: Got, method: bytes) -> None:
    lengths = values(got.fields, b"content-length")
    if not got.status:
        got.framing, got.body = "close", stream.rest()
        return
    if method == b"HEAD" or got.status in (b"101", b"204", b"304"):
        return
    if values(got.fields, b"transfer-encoding"):
        got.framing = "chunked"
        got.body, got.trailers, got.whole = read_chunked(stream)
    elif lengths:
        got.framing = "length"
        got.body = stream.exactly(int(lengths[0]))
        got.whole = len(got.body) == int(lengths[0])
    else:
        got.framing = "close"
        got.body = stream.rest()


def _afterwards(stream: Stream, last: Got) -> str:
    """Ask once more on the same connection: that tells without waiting whether it lives."""
    if last.framing == "close" or not last.whole:
        return "closed"
    try:
        stream.socket.sendall(PROBE)
        head = stream.until(b"\r\n\r\n")
    except (ConnectionError, BrokenPipeError):
        return "closed"
    return "kept" if head is not None and b" 200 " in head.partition(b"\r\n")[0] else "closed"

"""A small HTTP/1.1 client on a raw socket: one kept-alive connection, bodies only counted."""

import hashlib
import os
import socket
from dataclasses import dataclass

from bench.processes import HOST

PIECE = 1 << 20
# What uploads are made of: cheap to send, and no run of zeroes that anybody could special-case.
_BLOCK = os.urandom(PIECE)


class BrokenError(Exception):
    """An answer was not what an honest proxy gives."""


@dataclass
class Answer:
    """`body` is kept only when it was asked for; `size` is its length in bytes."""

    status: int
    fields: list[tuple[str, str]]
    size: int
    body: bytes

    def all(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return [value for key, value in self.fields if key == name.lower()]


class Client:
    """One connection to one proxy."""

    def __init__(self, port: int) -> None:
        self.authority = f"{HOST}:{port}"
        self._socket = socket.create_connection((HOST, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(PIECE)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str, keep: bool = False) -> Answer:
        """Ask for `path`; keep the body or only count it."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.authority}\r\n\r\n".encode())
        return self._answer(keep)

    def upload(self, path: str, size: int) -> Answer:
        """Send `size` bytes with a declared length and return the answer with its body."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self.authority}\r\nContent-Length: {size}\r\n\r\n"
        self._socket.sendall(head.encode())
        block = memoryview(_BLOCK)
        for start in range(0, size, PIECE):
            self._socket.sendall(block[: min(PIECE, size - start)])
        return self._answer(True)

    def _answer(self, keep: bool) -> Answer:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self._socket.recv(65536)
            if not piece:
                raise BrokenError(f"closed before the end of a head: {received[:200]!r}")
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        answer = Answer(
            int(first.split()[1]),
            [(name.lower(), value.strip()) for name, _, value in pairs],
            0,
            b"",
        )
        lengths = answer.all("Content-Length")
        if len(lengths) != 1:
            raise BrokenError(f"an answer of known length was expected, not {answer.fields}")
        self._body(answer, body, int(lengths[0]), keep)
        return answer

    def _body(self, answer: Answer, body: bytes, length: int, keep: bool) -> None:
        kept = bytearray(body)
        size = len(body)
        # MSG_TRUNC drops the bytes in the kernel: the client takes as little time as it can.
        flags = 0 if keep else socket.MSG_TRUNC
        while size < length:
            count = self._socket.recv_into(self._buffer, min(PIECE, length - size), flags)
            if not count:
                raise BrokenError(f"closed after {size} of {length} bytes")
            if keep:
                kept += memoryview(self._buffer)[:count]
            size += count
        if size != length:
            raise BrokenError(f"{size} bytes came where {length} were declared")
        answer.size = size
        answer.body = bytes(kept) if keep else b""


def digest(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()

"""A blocking socket that is read with a deadline, and that tells how its other end ended it."""

import select
import socket
import ssl
import struct
import time

from tests.support.message import Message
from tests.support.waiting import PATIENCE


class CutError(AssertionError):
    """The other end was gone before what was waited for had come."""


class Stream:
    """One connection. ``ending`` is None while it is open, then ``"closed"`` or ``"reset"``."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(PATIENCE)
        self.buffer = b""
        self.ending: str | None = None
        # A reset that was met in sending is the end, but what came before it can be read.
        self._is_read_out = False

    # speaking

    def send(self, data: bytes) -> None:
        """Send all of ``data``; a connection that is gone by then swallows it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.ending = self.ending or "reset"

    def send_some(self, data: bytes, within: float) -> int:
        """Send what the other end takes in ``within`` seconds without taking any; its size."""
        sent = 0
        self.socket.setblocking(False)
        try:
            while sent < len(data) and select.select([], [self.socket], [], within)[1]:
                sent += self.socket.send(data[sent : sent + 65536])
        except (BrokenPipeError, ConnectionResetError):
            self.ending = "reset"
        finally:
            self.socket.settimeout(PATIENCE)
        return sent

    def finish(self) -> None:
        """Say that nothing more comes (FIN), and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Go away with RST."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    # listening

    def more(self, within: float = PATIENCE) -> bool:
        """Take the next piece into the buffer; False when there will be none."""
        if self._is_read_out:
            return False
        self.socket.settimeout(within)
        try:
            data = self.socket.recv(65536)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # Under TLS a close without TLS's own is what a reset is without.
            self.ending = "reset"
            self._is_read_out = True
            return False
        except TimeoutError:
            raise AssertionError(
                f"nothing came within {within:g} s after {self.buffer[-300:]!r}"
            ) from None
        if not data:
            self.ending = self.ending or "closed"
            self._is_read_out = True
            return False
        self.buffer += data
        return True

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        pieces, here = [], 0
        while here + len(self.buffer) < size:
            pieces.append(self.buffer)
            here += len(self.buffer)
            self.buffer = b""
            if not self.more():
                self.buffer = b"".join(pieces)
                raise CutError(f"{self.ending} after {self.buffer[-300:]!r}, {size} expected")
        left = size - here
        pieces.append(self.buffer[:left])
        self.buffer = self.buffer[left:]
        return b"".join(pieces)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with ``mark``."""
        while mark not in self.buffer:
            if not self.more():
                raise CutError(f"{self.ending} after {self.buffer[-300:]!r}, no {mark!r}")
        return self.read(self.buffer.index(mark) + len(mark))

    def rest(self) -> bytes:
        """Everything up to the end of the connection; `ending` says how that was."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def says_nothing(self, during: float = 0.05) -> bool:
        """Whether the connection is open and brings nothing for a while."""
        if self.buffer or self.ending is not None:
            return False
        return not select.select([self.socket], [], [], during)[0]

    def skip(self, size: int) -> None:
        """Read ``size`` bytes and forget them: for bodies too large to keep."""
        left = size - len(self.buffer)
        self.buffer = b""
        assert left >= 0
        while left:
            data = self.socket.recv(min(left, 1 << 20))
            if not data:
                raise CutError(f"closed with {left} bytes to come")
            left -= len(data)

    # HTTP

    def head(self) -> Message:
        """The next head, whatever it is."""
        return Message(self.read_until(b"\r\n\r\n"))

    def body_of(self, head: Message, bodiless: bool = False) -> Message:
        """``head`` with its body, as its own fields frame it."""
        length = head.value(b"content-length")
        if bodiless:
            return head
        if head.value(b"transfer-encoding") is not None:
            body, trailers = self._chunks()
            return Message(head.raw, body, trailers)
        if length is not None:
            return Message(head.raw, self.read(int(length)))
        if head.line.startswith(b"HTTP/"):
            return Message(head.raw, self.rest())
        return head

    def _chunks(self) -> tuple[bytes, bytes]:
        body = b""
        while size := int(self.read_until(b"\r\n"), 16):
            body += self.read(size)
            assert self.read(2) == b"\r\n"
        trailers = b""
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            trailers += line
        return body, trailers

    def gone_within(self, seconds: float) -> bool:
        """Whether the other end goes away in ``seconds``, whatever it says before."""
        deadline = time.monotonic() + seconds
        try:
            while self.more(max(deadline - time.monotonic(), 0.001)):
                pass
        except AssertionError:
            return False
        return True


class Client(Stream):
    """The near side: a client of the gateway's."""

    def answer(self, method: str = "GET") -> Message:
        """The next final answer, whole. What came before it with 1xx is in `informational`."""
        self.informational: list[Message] = []
        while True:
            head = self.head()
            if head.status >= 200 or head.status == 101:
                break
            self.informational.append(head)
        bodiless = method == "HEAD" or head.status in (101, 204, 304)
        return self.body_of(head, bodiless)

    def ask(self, data: bytes, method: str | None = None) -> Message:
        """Send a request and read its answer."""
        self.send(data)
        return self.answer(method or data.partition(b" ")[0].decode())


class Far(Stream):
    """The far side: one connection that the gateway made to an upstream."""

    def request(self) -> Message:
        """The next request, whole."""
        return self.body_of(self.head())

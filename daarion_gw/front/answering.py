"""An answer's bytes for one client: its framing, and the fields that say so (RFC 9112 6).

It does not know where answers come from, nor what the connection does after one.
"""

from typing import Any

from daarion_gw.wire.answer import Framing
from daarion_gw.wire.request import RequestHead

# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_NONE = Framing.NONE


class Answering:
    """The part of a client's connection that answers. Head first, then the body's pieces.

    head: of the request that is answered.
    """

    transport: Any
    head: RequestHead | None = None
    _has_answered = False
    _keep_alive = True
    _chunking = False
    # An answer's head that waits for its body's first piece, to go out in one segment.
    _pending = b""

    def send_informational(self, status: int, reason: bytes, block: bytes) -> None:
        """A 1xx answer; a 1.0 client gets none (RFC 9110 15.2)."""
        assert self.head is not None
        if self.head.minor:
            self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, block))

    def send_head(
        self, status: int, reason: bytes, block: bytes, framing: Framing, length: int | None
    ) -> None:
        """The answer's head: ``block`` has all fields but those of framing and connection.

        length: of the body in bytes where ``framing`` is LENGTH; with NONE it is said where
        it is known (HEAD, 304).
        """
        assert self.head is not None
        lines = b""
        if length is not None:
            lines = b"Content-Length: %d\r\n" % length
        elif framing is not _NONE:
            if self.head.minor:
                lines = b"Transfer-Encoding: chunked\r\n"
                self._chunking = True
            else:
                self._keep_alive = False
        if not self._keep_alive:
            lines += b"Connection: close\r\n"
        elif not self.head.minor:
            lines += b"Connection: keep-alive\r\n"
        self._has_answered = True
        self._pending = b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, reason, block, lines)

    def send_body(self, data: bytes) -> None:
        """A piece of the answer's body, not empty."""
        if self._chunking:
            data = b"%b%x\r\n%b\r\n" % (self._pending, len(data), data)
            self._pending = b""
        elif self._pending:
            data = self._pending + data
            self._pending = b""
        self.transport.write(data)

    def flush(self) -> None:
        """No more comes for now: a head must not wait for a body that takes its time."""
        if self._pending:
            pending, self._pending = self._pending, b""
            self.transport.write(pending)

    def finish_answer(self, trailers: bytes) -> None:
        """The answer is complete. trailers: a checked field block."""
        pending, self._pending = self._pending, b""
        if self._chunking:
            pending = b"%b0\r\n%b\r\n" % (pending, trailers)
            self._chunking = False
        if pending:
            self.transport.write(pending)

    def no_keep_alive(self) -> None:
        """The answer that comes is the last on this connection."""
        self._keep_alive = False

    def let_go(self) -> None:
        """There is too much to do: end the connection where its client loses nothing by it."""
        self._keep_alive = False

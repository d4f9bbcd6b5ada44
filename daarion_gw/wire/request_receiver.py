"""A client's bytes to events: requests one after the other, whatever pieces they come in."""

from enum import Enum, auto
from typing import Protocol

from .chunked import ChunkedReader
from .faults import WireError
from .limits import DEFAULT, Limits
from .receiver import HeadBuffer
from .request import Known, RequestHead, parse_head

# How much of a request that is none is told for the log, in bytes.
LINE_AT_MOST = 256


class RequestSink(Protocol):
    """Who is told. ``body_ended`` comes only for a request whose head ``has_body``."""

    def request_received(self, head: RequestHead) -> None: ...
    def body_received(self, data: bytes) -> None: ...
    def body_ended(self) -> None: ...
    def request_refused(self, error: WireError) -> None: ...


class Reading(Enum):
    """What the next byte from the client belongs to."""

    HEAD = auto()
    LENGTH = auto()
    CHUNKS = auto()
    # To a request that must wait until the one before it is answered.
    HELD = auto()
    # To nobody: refused, or given to another protocol.
    NOTHING = auto()


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_HEAD, _LENGTH, _CHUNKS, _HELD, _NOTHING = Reading


class RequestReceiver:
    """The server's side of HTTP/1.1, without sockets and clock.

    Give it bytes with `receive`; it calls the sink. After a request it holds back what
    follows until `next_request` says that the answer is complete. ``left``: how many bytes of
    a body of known length are still to come.
    """

    __slots__ = ("_blank_lines", "_buffer", "_busy", "_chunks", "_known", "_limits", "_sink",
                 "left", "state")  # fmt: skip

    def __init__(self, sink: RequestSink, limits: Limits = DEFAULT) -> None:
        self._sink = sink
        self._limits = limits
        self._buffer = HeadBuffer(limits)
        self._known = Known()
        self._chunks: ChunkedReader | None = None
        self.left = 0
        self._blank_lines = 0
        self._busy = False
        self.state = _HEAD

    @property
    def held(self) -> int:
        """How many bytes have been read ahead and wait, or belong to a head not yet whole."""
        return len(self._buffer.data)

    @property
    def is_idle(self) -> bool:
        """Whether not a byte of a next request has come."""
        return self.state is _HEAD and not self._buffer.data

    def receive(self, data: bytes) -> None:
        """Take the next bytes. The sink is called for all that is complete in them."""
        state = self.state
        if state is _LENGTH:
            data = self._read_length(data)
        elif state is _CHUNKS:
            data = self._read_chunks(data)
        if data and self.state is not _NOTHING:
            self._buffer.add(data)
            self._read_heads()

    def skip(self, size: int) -> bool:
        """``size`` bytes of a body of known length passed elsewhere. Whether it has ended."""
        self.left -= size
        if self.left or not size:
            return False
        self.state = _HELD
        return True

    def next_request(self) -> None:
        """The request at hand was answered: go on with what was read ahead, if anything."""
        if self.state is _HELD:
            self.state = _HEAD
            self._read_heads()

    def detach(self) -> bytes:
        """Stop reading HTTP; give what was read ahead."""
        self.state = _NOTHING
        return self._buffer.take_all()

    def _read_heads(self) -> None:
        # A sink that answers at once calls next_request from within: the loop that is
        # running goes on then, so that a thousand pipelined requests need no stack.
        if self._busy:
            return
        self._busy = True
        try:
            while self.state is _HEAD and self._buffer.data and self._read_head():
                pass
        finally:
            self._busy = False

    def _read_head(self) -> bool:
        buffer = self._buffer
        if buffer.data[0] == 0x0D and not self._skip_blank_line():
            return False
        head = None
        try:
            head = buffer.take_head()
            if head is None:
                return False
            request = parse_head(head, self._limits, self._known)
        except WireError as error:
            error.line = (head or buffer.data)[:LINE_AT_MOST].partition(b"\r\n")[0]
            self._refuse(error)
            return False
        self._blank_lines = 0
        fields = request.fields
        if request.chunked:
            self.state = _CHUNKS
            self._chunks = ChunkedReader(self._limits)
        elif fields.content_length:
            self.state = _LENGTH
            self.left = fields.content_length
        else:
            self.state = _HELD
        self._sink.request_received(request)
        if self.state is _LENGTH or self.state is _CHUNKS:
            rest = buffer.take_all()
            if rest:
                read = self._read_length if self.state is _LENGTH else self._read_chunks
                buffer.add(read(rest))
        return True

    def _skip_blank_line(self) -> bool:
        """Ignore up to two empty lines before a request (RFC 9112 2.2). False: wait for more."""
        buffer = self._buffer
        while buffer.data.startswith(b"\r\n") and self._blank_lines < 2:
            self._blank_lines += 1
            buffer.data = buffer.data[2:]
        return bool(buffer.data) and (buffer.data != b"\r" or self._blank_lines >= 2)

    def _read_length(self, data: bytes) -> bytes:
        """Pass on what belongs to the body; give the rest."""
        left = self.left - len(data)
        if left > 0:
            self.left = left
            self._sink.body_received(data)
            return b""
        rest = data[len(data) + left :] if left else b""
        self.left = 0
        self.state = _HELD
        self._sink.body_received(data[: len(data) + left] if left else data)
        self._sink.body_ended()
        return rest

    def _read_chunks(self, data: bytes) -> bytes:
        assert self._chunks is not None
        try:
            payload, rest = self._chunks.read(data)
        except WireError as error:
            self._refuse(error)
            return b""
        if rest is not None:
            self.state = _HELD
        if payload:
            self._sink.body_received(payload)
        if rest is None:
            return b""
        # What a client says after its body has no taker: an upstream never asks for trailers.
        self._chunks = None
        self._sink.body_ended()
        return rest

    def _refuse(self, error: WireError) -> None:
        self.state = _NOTHING
        self._buffer.take_all()
        self._sink.request_refused(error)

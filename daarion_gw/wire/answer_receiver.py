"""An upstream's bytes to events: one answer for each request that was sent."""

from enum import Enum, auto
from typing import Protocol

from .answer import AnswerHead, Framing, Known
from .chunked import ChunkedReader
from .faults import WireError
from .limits import DEFAULT, Limits
from .receiver import HeadBuffer


class AnswerSink(Protocol):
    """Who is told. Every answer ends with exactly one of the last two."""

    def informational_received(self, head: AnswerHead) -> None: ...
    def answer_received(self, head: AnswerHead) -> None: ...
    def answer_body_received(self, data: bytes) -> None: ...
    def answer_ended(self, trailers: bytes) -> None: ...
    def answer_broken(self, detail: str) -> None: ...


class Awaiting(Enum):
    """What the next byte from the upstream belongs to."""

    # Looked up for each answer, and Enum's own hash is written in Python.
    __hash__ = object.__hash__

    NOTHING = auto()
    HEAD = auto()
    LENGTH = auto()
    CHUNKS = auto()
    CLOSE = auto()
    # To another protocol: the upstream said 101.
    SWITCHED = auto()
    # The connection is of no use any more.
    BROKEN = auto()


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_NOTHING, _HEAD, _LENGTH, _CHUNKS, _CLOSE, _SWITCHED, _BROKEN = Awaiting

_STATE_AFTER_HEAD = {
    Framing.LENGTH: _LENGTH,
    Framing.CHUNKED: _CHUNKS,
    Framing.UNTIL_CLOSE: _CLOSE,
}


class AnswerReceiver:
    """The client's side of HTTP/1.1, without sockets and clock.

    `expect` an answer, `receive` bytes, tell it of the `end` of the stream. ``is_reusable``
    says whether the connection may carry another request; ``left`` how many bytes of a body
    of known length are still to come.
    """

    __slots__ = (
        "_buffer",
        "_chunks",
        "_keep_alive",
        "_known",
        "_limits",
        "_method",
        "_upgrade",
        "has_begun",
        "left",
        "sink",
        "state",
    )  # fmt: skip

    def __init__(self, sink: AnswerSink, limits: Limits = DEFAULT) -> None:
        self.sink = sink
        self._limits = limits
        self._buffer = HeadBuffer(limits)
        self._known = Known()
        self._chunks: ChunkedReader | None = None
        self.left = 0
        self._method = b""
        self._upgrade = False
        self._keep_alive = True
        self.has_begun = False
        self.state = _NOTHING

    @property
    def is_reusable(self) -> bool:
        return self.state is _NOTHING and self._keep_alive

    def expect(self, method: bytes, upgrade: bool = False) -> None:
        """A request with ``method`` was sent; ``upgrade`` tells that 101 is welcome."""
        self._method = method
        self._upgrade = upgrade
        self.has_begun = False
        self.state = _HEAD

    def receive(self, data: bytes) -> None:
        """Take the next bytes. The sink is called for all that is complete in them."""
        self.has_begun = True
        if self.state is _HEAD:
            # The one turn that nearly every answer takes.
            data = self._head(data)
        while data:
            data = self._READ[self.state](self, data)

    def skip(self, size: int) -> bool:
        """``size`` bytes of a body of known length passed elsewhere. Whether it has ended."""
        self.left -= size
        if self.left:
            return False
        self.state = _NOTHING
        return True

    def end(self, whole: bool = True) -> None:
        """The upstream closed its side; ``whole`` is False when it was a reset."""
        state = self.state
        if state is _CLOSE and whole:
            self.state = _NOTHING
            self._keep_alive = False
            self.sink.answer_ended(b"")
        elif state in (_HEAD, _LENGTH, _CHUNKS, _CLOSE):
            self._break("the connection was closed before the end of the answer")

    def detach(self) -> bytes:
        """After 101: what the upstream sent behind its head."""
        return self._buffer.take_all()

    # Each reader takes what belongs to it and gives the rest.

    def _excess(self, data: bytes) -> bytes:
        # More than was declared, or bytes nobody asked for. The answer at hand, if there was
        # one, is whole; the connection can't be trusted with another.
        self._keep_alive = False
        self.state = _BROKEN
        return b""

    def _discard(self, data: bytes) -> bytes:
        return b""

    def _head(self, data: bytes) -> bytes:
        buffer = self._buffer
        buffer.add(data)
        try:
            head = buffer.take_head()
            if head is None:
                return b""
            answer = self._known.parse(head, self._method, self._limits)
        except WireError as error:
            self._break(error.detail)
            return b""
        if answer.status < 200:
            return self._informational(answer)
        self._keep_alive = answer.keep_alive
        state = _STATE_AFTER_HEAD.get(answer.framing)
        if state is None:
            self.state = _NOTHING
            rest = buffer.take_all()
            if rest:
                self._excess(rest)
            self.sink.answer_received(answer)
            self.sink.answer_ended(b"")
            return b""
        self.state = state
        if state is _LENGTH:
            self.left = answer.content_length or 0
        elif state is _CHUNKS:
            self._chunks = ChunkedReader(self._limits)
        self.sink.answer_received(answer)
        return buffer.take_all()

    def _informational(self, answer: AnswerHead) -> bytes:
        if answer.status == 101:
            if not self._upgrade:
                self._break("101 to a request that asked for no upgrade")
                return b""
            self.state = _SWITCHED
            self.sink.answer_received(answer)
            return b""
        self.sink.informational_received(answer)
        return self._buffer.take_all() if self.state is _HEAD else b""

    def _length(self, data: bytes) -> bytes:
        left = self.left - len(data)
        if left > 0:
            self.left = left
            self.sink.answer_body_received(data)
            return b""
        self.left = 0
        self.state = _NOTHING
        if left:
            self._excess(data)
            data = data[:left]
        self.sink.answer_body_received(data)
        self.sink.answer_ended(b"")
        return b""

    def _chunked(self, data: bytes) -> bytes:
        chunks = self._chunks
        assert chunks is not None
        try:
            payload, rest = chunks.read(data)
        except WireError as error:
            self._break(error.detail)
            return b""
        if rest is not None:
            self._chunks = None
            self.state = _NOTHING
            if rest:
                self._excess(rest)
        if payload:
            self.sink.answer_body_received(payload)
        if rest is not None:
            self.sink.answer_ended(chunks.trailers)
        return b""

    def _until_close(self, data: bytes) -> bytes:
        self.sink.answer_body_received(data)
        return b""

    def _switched(self, data: bytes) -> bytes:
        self._buffer.add(data)
        return b""

    def _break(self, detail: str) -> None:
        self.state = _BROKEN
        self._keep_alive = False
        self._buffer.take_all()
        self.sink.answer_broken(detail)

    _READ = {  # noqa: RUF012
        _NOTHING: _excess,
        _HEAD: _head,
        _LENGTH: _length,
        _CHUNKS: _chunked,
        _CLOSE: _until_close,
        _SWITCHED: _switched,
        _BROKEN: _discard,
    }

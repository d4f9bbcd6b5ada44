"""The gateway's half of an HTTP/2 connection: bodies through the client's windows (RFC 9113 5.2).

What fits goes out at once, the rest waits with its stream. Streams that wait take turns, a frame
each. It knows neither sockets nor what the bytes mean: ``write`` takes them.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from . import http2_frames as h2
from .hpack import Encoder, Field
from .http2_frames import FRAME_SIZE, ConnectionFault, ErrorCode, StreamFault, frame_head

# How many bytes are written at once, so that a full transport can say so in between.
_AT_ONCE: Final = 64 * 1024
# A frame that a window has cut smaller than this is no use to anybody (CVE-2019-9511).
_DRIBBLE: Final = 1024


class Outlet(Protocol):
    """One stream, as far as it sends.

    window: what the client takes yet (bytes; below 0 after it was made smaller). waiting: what
    has not gone out. ends: whether the body is complete. trailers: what stands behind it.
    is_queued: whether it waits for its turn. went_out: how many bytes have.
    """

    id: int
    window: int
    waiting: bytes
    ends: bool
    trailers: list[Field]
    is_queued: bool
    went_out: int

    def drained(self) -> None:
        """Nothing waits any more."""

    def sent(self) -> None:
        """The last frame has gone out."""


class Outflow:
    """All that goes out on one connection.

    is_full: to be set while the transport takes no more; then `pump`. new_window: of each new
    stream (bytes). useful: called for each frame of a body.
    """

    def __init__(self, write: Callable[[bytes], object], useful: Callable[[], object]) -> None:
        self.encoder = Encoder()
        self.window = h2.WINDOW
        self.new_window = h2.WINDOW
        self.is_full = False
        # Bytes of bodies that have gone out, for whoever asks whether it goes on.
        self.went_out = 0
        self._write = write
        self._useful = useful
        self._queue: deque[Any] = deque()
        self._is_pumping = False

    # What streams send.

    def head(self, stream: Any, block: bytes, ends: bool) -> None:
        """An encoded header block; it is in no window's way."""
        self._write(h2.headers(stream.id, block, ends))
        if ends:
            stream.sent()

    def body(self, stream: Any, data: bytes, ends: bool, before: bytes = b"") -> None:
        """A piece of a body. before: frames to go out together with it.

        What does not go out now is in ``stream.waiting`` afterwards.
        """
        size = len(data)
        if (
            size <= stream.window
            and size <= self.window
            and size <= FRAME_SIZE
            and not (self.is_full or stream.waiting)
        ):
            stream.window -= size
            self.window -= size
            self.went_out += size
            stream.went_out += size
            self._useful()
            head = frame_head(size, h2.DATA, h2.END_STREAM if ends else 0, stream.id)
            self._write(before + head + data)
            if ends:
                stream.sent()
            return
        if before:
            self._write(before)
        stream.waiting += data
        stream.ends = ends
        self._enqueue(stream)
        self.pump()

    def end(self, stream: Any, trailers: list[Field], before: bytes = b"") -> None:
        """Nothing more comes but ``trailers``, and no body with them."""
        if stream.waiting:
            stream.ends = True
            stream.trailers = trailers
            return
        if before:
            self._write(before)
        self._finish(stream, trailers)

    def _finish(self, stream: Any, trailers: list[Field]) -> None:
        if trailers:
            self._write(h2.headers(stream.id, self.encoder.encode(trailers), True))
        else:
            self._write(h2.frame(h2.DATA, h2.END_STREAM, stream.id))
        stream.sent()

    # Turns.

    def _enqueue(self, stream: Any) -> None:
        if not stream.is_queued and stream.window > 0:
            stream.is_queued = True
            self._queue.append(stream)

    def pump(self) -> None:
        """Send what the windows and the transport allow, a frame of each stream in turn."""
        if self._is_pumping:
            return
        self._is_pumping = True
        done: list[Any] = []
        try:
            while self._queue and self.window > 0 and not self.is_full:
                pieces = self._round(done)
                self._write(b"".join(pieces))
        finally:
            self._is_pumping = False
        for stream in done:
            if stream.ends:
                self._ended(stream)
            else:
                stream.drained()

    def _round(self, done: list[Any]) -> list[bytes]:
        """Frames for one write; those whose bytes have all gone out are added to ``done``."""
        queue = self._queue
        pieces: list[bytes] = []
        size = 0
        while queue and self.window > 0 and size < _AT_ONCE:
            stream = queue.popleft()
            stream.is_queued = False
            waiting = stream.waiting
            if not waiting or stream.window <= 0:
                # It was reset, or its window made smaller.
                continue
            taken = min(len(waiting), stream.window, self.window, FRAME_SIZE)
            rest = stream.waiting = waiting[taken:]
            ends = not rest and stream.ends and not stream.trailers
            flags = h2.END_STREAM if ends else 0
            pieces.append(frame_head(taken, h2.DATA, flags, stream.id))
            pieces.append(waiting[:taken])
            size += taken
            self._count(stream, taken, bool(rest))
            if rest:
                self._enqueue(stream)
            else:
                done.append(stream)
        return pieces

    def _count(self, stream: Any, size: int, was_cut: bool) -> None:
        stream.window -= size
        stream.went_out += size
        self.window -= size
        self.went_out += size
        if not was_cut or size >= _DRIBBLE:
            self._useful()

    def _ended(self, stream: Any) -> None:
        if stream.trailers:
            self._finish(stream, stream.trailers)
        else:
            stream.sent()

    # Windows.

    def opened(self, increment: int) -> None:
        """The client takes ``increment`` bytes more on the connection."""
        self.window += increment
        if self.window > h2.LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than any")
        self.pump()

    def stream_opened(self, stream: Any, increment: int) -> None:
        """The client takes ``increment`` bytes more on one stream."""
        if stream.window + increment > h2.LARGEST_WINDOW:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than any")
        stream.window += increment
        if stream.waiting:
            self._enqueue(stream)
            self.pump()

    def windows_changed(self, size: int, streams: list[Any]) -> None:
        """Every window is to be ``size`` at first: those of now are moved by as much (6.9.2)."""
        change = size - self.new_window
        self.new_window = size
        for stream in streams:
            if stream.window + change > h2.LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than any")
            stream.window += change
            if stream.waiting:
                self._enqueue(stream)
        self.pump()

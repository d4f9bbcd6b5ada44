"""The client's half of an HTTP/2 connection: its bytes to frames, strictly (RFC 9113).

What a client may say about the connection as a whole is judged here; what it says about a stream
goes to `Streams`. What the gateway says to frames by itself (acknowledgements, window updates,
resets) goes to ``say``.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from . import http2_frames as h2
from .http2_frames import ConnectionFault, ErrorCode, StreamFault
from .http2_patience import Patience
from .http2_streams import CONNECTION_WINDOW, STREAM_WINDOW, STREAMS_AT_MOST, Streams
from .limits import DEFAULT, Limits

# How many requests are begun in one turn of the loop.
IN_A_ROW: Final = 32
_CHANGE_OF_SETTINGS: Final = 10

OUR_PREFACE: Final = h2.settings(
    max_concurrent_streams=STREAMS_AT_MOST,
    initial_window_size=STREAM_WINDOW,
    max_header_list_size=DEFAULT.head,
) + h2.window_update(0, CONNECTION_WINDOW - h2.WINDOW)

_PROTOCOL_ERROR: Final = ErrorCode.PROTOCOL_ERROR


class ConnectionSink(Protocol):
    """What concerns all streams; and who makes new ones."""

    def new_stream(self, stream_id: int) -> Any: ...
    def window_opened(self, stream_id: int, increment: int) -> None: ...
    def settings_received(self, settings: dict[int, int]) -> None: ...
    def client_leaves(self) -> None: ...


class HTTP2Receiver:
    """The server's side of HTTP/2 as far as it listens, without sockets and clock."""

    def __init__(
        self, sink: ConnectionSink, say: Callable[[bytes], object], now: float,
        limits: Limits = DEFAULT,
    ) -> None:  # fmt: skip
        self.patience = Patience(now)
        self.streams = Streams(sink.new_stream, say, self.patience, limits)
        self._sink = sink
        self._say = say
        self._limits = limits
        self._buffer = b""
        self._is_prefaced = False
        self._is_settled = False
        # The header block that has begun and not ended: its stream, END_STREAM, its pieces.
        self._block: tuple[int, bool, list[bytes]] | None = None

    @property
    def awaits_head(self) -> bool:
        """Whether the preface or a header block has begun and not ended."""
        buffer = self._buffer
        if self._block is not None or not self._is_settled:
            return True
        return bool(buffer) and (len(buffer) < 4 or buffer[3] == h2.HEADERS)

    @property
    def held(self) -> int:
        """How many bytes wait: of a frame that is not whole, or for the next turn."""
        return len(self._buffer)

    # Bytes.

    def receive(self, data: bytes, now: float) -> bool:
        """Take the next bytes; True when there is more to do in another turn (give ``b""``).

        now: in seconds, of any one clock. Raises `ConnectionFault`.
        """
        self.patience.now = now
        if self._buffer:
            data = self._buffer + data
        at = 0
        if not self._is_prefaced:
            at = self._read_preface(data)
            if not at:
                self._buffer = data
                return False
        end = len(data)
        self.streams.begun = 0
        while end - at >= h2.HEAD_SIZE:
            high, low, kind, flags, stream = h2.read_head(data, at)
            length = high << 8 | low
            if length > h2.FRAME_SIZE:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame larger than agreed")
            start = at + h2.HEAD_SIZE
            if end - start < length:
                break
            if self.streams.begun >= IN_A_ROW:
                self._buffer = data[at:]
                return True
            at = start + length
            self._frame(kind, flags, stream & 0x7FFFFFFF, data[start:at])
        self._buffer = data[at:]
        return False

    def _read_preface(self, data: bytes) -> int:
        """RFC 9113 3.4; how many bytes of it have been read."""
        if not h2.PREFACE.startswith(data[: len(h2.PREFACE)]):
            raise ConnectionFault(_PROTOCOL_ERROR, "no HTTP/2 preface")
        if len(data) < len(h2.PREFACE):
            return 0
        self._is_prefaced = True
        return len(h2.PREFACE)

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != h2.CONTINUATION or stream != self._block[0]):
            # 6.10
            raise ConnectionFault(_PROTOCOL_ERROR, "a frame inside a header block")
        if not self._is_settled:
            if kind != h2.SETTINGS or flags & h2.ACK:
                raise ConnectionFault(_PROTOCOL_ERROR, "no SETTINGS after the preface")
            self._is_settled = True
        read = _READERS.get(kind)
        if read is None:
            # 4.1: what nobody knows is ignored.
            self.patience.trifle()
            return
        try:
            read(self, flags, stream, payload)
        except StreamFault as fault:
            self.streams.end(stream, fault.code, fault.detail)

    # HEADERS, CONTINUATION (6.2, 6.10).

    def _read_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1:
            raise ConnectionFault(_PROTOCOL_ERROR, "HEADERS on a stream that no client opens")
        if flags & (h2.PADDED | h2.PRIORITISED):
            payload = _bare(flags, payload)
        ends = bool(flags & h2.END_STREAM)
        if flags & h2.END_HEADERS:
            self.streams.headers(stream, ends, payload)
        else:
            self._block = (stream, ends, [payload])

    def _read_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(_PROTOCOL_ERROR, "CONTINUATION without a header block")
        self.patience.trifle()
        _, ends, pieces = self._block
        pieces.append(payload)
        if sum(map(len, pieces)) > self._limits.head:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block that does not end")
        if flags & h2.END_HEADERS:
            self._block = None
            self.streams.headers(stream, ends, b"".join(pieces))

    # On streams: DATA, RST_STREAM, PRIORITY, WINDOW_UPDATE (6.1, 6.4, 6.3, 6.9).

    def _read_data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        if flags & h2.PADDED:
            payload = _bare(h2.PADDED, payload)
        self.streams.data(stream, payload, size - len(payload), bool(flags & h2.END_STREAM))

    def _read_reset(self, flags: int, stream: int, payload: bytes) -> None:
        _check_size(payload, 4)
        self.streams.reset(stream)

    def _read_priority(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream:
            raise ConnectionFault(_PROTOCOL_ERROR, "PRIORITY without a stream")
        self.patience.trifle()
        if len(payload) != 5:
            if stream > self.streams.highest:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY frame of odd size")
            raise StreamFault(ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY frame of odd size")

    def _read_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        _check_size(payload, 4)
        self.patience.trifle()
        increment = int.from_bytes(payload, "big") & h2.LARGEST_WINDOW
        if stream:
            self.streams.check_begun(stream)
            if stream not in self.streams.under_way:
                return
        if not increment:
            if not stream:
                raise ConnectionFault(_PROTOCOL_ERROR, "a window update of nothing")
            raise StreamFault(_PROTOCOL_ERROR, "a window update of nothing")
        self._sink.window_opened(stream, increment)

    # On the connection: SETTINGS, PING, GOAWAY, PUSH_PROMISE (6.5 to 6.8).

    def _read_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(_PROTOCOL_ERROR, "SETTINGS on a stream")
        if flags & h2.ACK:
            _check_size(payload, 0)
            self.patience.trifle()
            return
        if len(payload) % 6:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a SETTINGS frame of odd size")
        # The windows of all streams may change with them.
        self.patience.trifle(_CHANGE_OF_SETTINGS + len(payload) // 6)
        told: dict[int, int] = {}
        for at in range(0, len(payload), 6):
            number = int.from_bytes(payload[at : at + 2], "big")
            told[number] = int.from_bytes(payload[at + 2 : at + 6], "big")
            _check_setting(number, told[number])
        self._sink.settings_received(told)
        self._say(h2.SETTINGS_TAKEN)

    def _read_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(_PROTOCOL_ERROR, "PING on a stream")
        _check_size(payload, 8)
        self.patience.trifle()
        if not flags & h2.ACK:
            self._say(h2.frame(h2.PING, h2.ACK, 0, payload))

    def _read_goaway(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(_PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY frame that is too short")
        self.patience.trifle()
        self._sink.client_leaves()

    def _read_push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        # 8.4: clients push nothing.
        raise ConnectionFault(_PROTOCOL_ERROR, "PUSH_PROMISE from a client")


_READERS: Final = {
    h2.DATA: HTTP2Receiver._read_data,
    h2.HEADERS: HTTP2Receiver._read_headers,
    h2.PRIORITY: HTTP2Receiver._read_priority,
    h2.RST_STREAM: HTTP2Receiver._read_reset,
    h2.SETTINGS: HTTP2Receiver._read_settings,
    h2.PUSH_PROMISE: HTTP2Receiver._read_push_promise,
    h2.PING: HTTP2Receiver._read_ping,
    h2.GOAWAY: HTTP2Receiver._read_goaway,
    h2.WINDOW_UPDATE: HTTP2Receiver._read_window_update,
    h2.CONTINUATION: HTTP2Receiver._read_continuation,
}


def _bare(flags: int, payload: bytes) -> bytes:
    """The payload without padding and priority (6.1, 6.2)."""
    start, end = 0, len(payload)
    if flags & h2.PADDED:
        if not payload:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame without its padding's size")
        start = 1
        end -= payload[0]
    if flags & h2.PRIORITISED:
        start += 5
    if start > end:
        raise ConnectionFault(_PROTOCOL_ERROR, "padding as long as the frame, or longer")
    return payload[start:end]


def _check_size(payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of odd size")


def _check_setting(number: int, value: int) -> None:
    """6.5.2; what nobody knows is ignored."""
    if number == h2.ENABLE_PUSH and value > 1:
        raise ConnectionFault(_PROTOCOL_ERROR, "ENABLE_PUSH that is neither 0 nor 1")
    if number == h2.INITIAL_WINDOW_SIZE and value > h2.LARGEST_WINDOW:
        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than any")
    if number == h2.MAX_FRAME_SIZE and not h2.FRAME_SIZE <= value <= h2.LARGEST_FRAME:
        raise ConnectionFault(_PROTOCOL_ERROR, "a frame size that is not allowed")

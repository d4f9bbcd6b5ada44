"""The streams of an HTTP/2 connection as the client fills them (RFC 9113 5.1, 8.1).

Which stream a frame may belong to, whether a request's head, body and end agree, and how much of
bodies may be on its way. Frames are whole when they come here; who answers is the stream itself.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from daarion_gw.errors import Fault

from . import http2_frames as h2
from .faults import WireError
from .hpack import Decoder, Field, HPACKError
from .http2_frames import ConnectionFault, ErrorCode, StreamFault
from .http2_patience import Patience
from .http2_request import MalformedError, check_trailers, stream_head
from .limits import Limits
from .request import Known, RequestHead

# How many requests of one client are under way at a time; a browser has about a hundred.
STREAMS_AT_MOST: Final = 128
# How much of a body may be on its way to a server that does not take it: of one stream, and of
# all streams of a connection (bytes). A window is also the most that comes in one round trip.
STREAM_WINDOW: Final = 256 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024
# Windows are opened again in pieces of a quarter.
_STREAM_PIECE: Final = STREAM_WINDOW // 4
_CONNECTION_PIECE: Final = CONNECTION_WINDOW // 4
# Of how many streams that we reset it is known; twice as many at most.
_REMEMBERED: Final = 256

_PROTOCOL_ERROR: Final = ErrorCode.PROTOCOL_ERROR
_STREAM_CLOSED: Final = ErrorCode.STREAM_CLOSED
_FLOW_CONTROL_ERROR: Final = ErrorCode.FLOW_CONTROL_ERROR


class Stream(Protocol):
    """One stream, as it is told. After `reset` it hears nothing more.

    credit: what the client may still send (bytes). owed: what of that came and was given back
    in no window update yet. left: what of the declared body is still to come, None where its
    length was not declared. is_open: whether the client has not ended its half.
    """

    id: int
    credit: int
    owed: int
    left: int | None
    is_open: bool

    def request_received(self, head: RequestHead) -> None: ...
    def request_refused(self, error: WireError) -> None: ...
    def body_received(self, data: bytes) -> None: ...
    def body_ended(self) -> None: ...
    def reset(self, detail: str) -> None: ...


class Streams:
    """All streams of one connection.

    under_way: those that neither side has ended or reset. last: the highest that was taken on.
    takes_new: whether new ones are (not after GOAWAY). begun: how many requests were, for
    whoever counts. make: gives the `Stream` for a number.
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        say: Callable[[bytes], object],
        patience: Patience,
        limits: Limits,
    ) -> None:
        self.under_way: dict[int, Any] = {}
        self.last = 0
        self.takes_new = True
        self.begun = 0
        self._make = make
        self._say = say
        self._patience = patience
        self._limits = limits
        self._decoder = Decoder(limits.head)
        self._known = Known()
        self.highest = -1
        self._credit = CONNECTION_WINDOW
        self._owed = 0
        # Those that we have reset: what the client sent before it knew is to be ignored.
        self._reset: set[int] = set()
        self._reset_before: set[int] = set()
        # Between these two, both left out, the client has opened none.
        self._skipped = (0, 0)
        # The last request's block and END_STREAM, the table's state then, and the head.
        self._last: tuple[bytes, bool, int, RequestHead] | None = None

    # Header blocks.

    def headers(self, stream: int, ends: bool, block: bytes) -> None:
        """A header block: a request's, or the trailers behind one."""
        if stream > self.highest:
            if stream != self.highest + 2:
                self._skipped = (self.highest, stream)
            self.highest = stream
            self._request(stream, ends, block)
            return
        fields = self._decode(block)
        known = self.under_way.get(stream)
        if known is not None:
            self._trailers(known, ends, fields)
            return
        low, high = self._skipped
        if low < stream < high:
            # 5.1.1: streams are opened in order.
            raise ConnectionFault(_PROTOCOL_ERROR, "a stream lower than one before it")
        self._patience.trifle()
        self._check_reset(stream)

    def _decode(self, block: bytes) -> list[Field] | None:
        try:
            return self._decoder.decode(block)
        except HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(error)) from None

    def _request(self, stream: int, ends: bool, block: bytes) -> None:
        last, decoder = self._last, self._decoder
        if last is not None and block == last[0] and ends is last[1] and (
            decoder.changes == last[2]
        ):  # fmt: skip
            # The table is as it was then: the same bytes say the same.
            self._open(stream, ends, last[3])
            return
        changes = decoder.changes
        fields = self._decode(block)
        try:
            if fields is None:
                raise WireError(Fault.FIELDS_TOO_LARGE, "more fields than may be")
            head = stream_head(fields, ends, self._limits, self._known)
        except WireError as error:
            self._refuse(stream, ends, error)
            return
        if decoder.changes == changes:
            self._last = (block, ends, changes, head)
        self._open(stream, ends, head)

    def _admits(self, stream: int) -> bool:
        if not self.takes_new:
            # 6.8: it was told, and will ask somebody else.
            self._patience.trifle()
            return False
        if len(self.under_way) >= STREAMS_AT_MOST:
            self._patience.reset()
            self._remember(stream)
            self._say(h2.reset(stream, ErrorCode.REFUSED_STREAM))
            return False
        self.last = stream
        self.begun += 1
        return True

    def _new(self, stream: int, ends: bool) -> Any:
        made = self.under_way[stream] = self._make(stream)
        made.is_open = not ends
        return made

    def _open(self, stream: int, ends: bool, head: RequestHead) -> None:
        if not self._admits(stream):
            return
        made = self._new(stream, ends)
        if not ends:
            made.left = head.fields.content_length
        made.request_received(head)

    def _refuse(self, stream: int, ends: bool, error: WireError) -> None:
        """It gets an answer; where it was no request of HTTP/2, an error as well (8.1.1)."""
        if not self._admits(stream):
            return
        is_malformed = isinstance(error, MalformedError)
        made = self._new(stream, ends or is_malformed)
        made.request_refused(error)
        if is_malformed:
            self.end(stream, _PROTOCOL_ERROR, error.detail)
        else:
            self._patience.reset()

    def _trailers(self, stream: Any, ends: bool, fields: list[Field] | None) -> None:
        if not stream.is_open:
            raise StreamFault(_STREAM_CLOSED, "HEADERS behind the end of a stream")
        try:
            if not ends:
                # 8.1
                raise MalformedError("trailers that do not end the stream")
            if fields is None:
                raise WireError(Fault.FIELDS_TOO_LARGE, "more trailer fields than may be")
            check_trailers(fields)
            self._check_length(stream)
        except WireError as error:
            self._break(stream, error)
        else:
            self._ended_by_client(stream)

    # Bodies.

    def data(self, stream: int, payload: bytes, padding: int, ends: bool) -> None:
        """A piece of a body; padding: bytes beside it that count for the windows."""
        size = len(payload) + padding
        self._credit -= size
        if self._credit < 0:
            raise ConnectionFault(_FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        known = self.under_way.get(stream)
        if known is None or not known.is_open:
            self._stray_data(stream, size, known is not None)
            return
        known.credit -= size
        if known.credit < 0:
            self.give_back(size)
            raise StreamFault(_FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if padding:
            known.owed += padding
            self.give_back(padding)
        if payload:
            self._body(known, payload)
        elif not ends:
            self._patience.trifle()
        if ends and known.is_open and stream in self.under_way:
            self._body_end(known)

    def _stray_data(self, stream: int, size: int, is_known: bool) -> None:
        """DATA for a stream on which none may come; for the connection's window it counts."""
        self.give_back(size)
        if is_known:
            raise StreamFault(_STREAM_CLOSED, "DATA behind the end of a stream")
        self.check_begun(stream)
        self._patience.trifle()
        self._check_reset(stream)

    def _body(self, stream: Any, payload: bytes) -> None:
        left = stream.left
        if left is not None:
            stream.left = left = left - len(payload)
            if left < 0:
                self.give_back(len(payload))
                self._break(stream, MalformedError("a body longer than its Content-Length"))
                return
        stream.owed += len(payload)
        stream.body_received(payload)

    def _body_end(self, stream: Any) -> None:
        try:
            self._check_length(stream)
        except WireError as error:
            self._break(stream, error)
        else:
            self._ended_by_client(stream)

    @staticmethod
    def _check_length(stream: Any) -> None:
        if stream.left:
            raise MalformedError("a body shorter than its Content-Length")

    def _ended_by_client(self, stream: Any) -> None:
        stream.is_open = False
        stream.body_ended()

    def _break(self, stream: Any, error: WireError) -> None:
        """What follows the head is not what it said (8.1.1)."""
        stream.is_open = False
        stream.request_refused(error)
        self.end(stream.id, _PROTOCOL_ERROR, error.detail)

    def taken(self, stream: Any, size: int) -> None:
        """The server takes what came on ``stream``: ``size`` bytes of it, for now or for ever."""
        self.give_back(size)
        if stream.is_open and stream.owed >= _STREAM_PIECE:
            self._say(h2.window_update(stream.id, stream.owed))
            stream.credit += stream.owed
            stream.owed = 0

    def give_back(self, size: int) -> None:
        """``size`` bytes are out of the way, for the connection's window alone."""
        self._owed += size
        if self._owed >= _CONNECTION_PIECE:
            self._say(h2.window_update(0, self._owed))
            self._credit += self._owed
            self._owed = 0

    # The ends of streams.

    def end(self, stream: int, code: ErrorCode, detail: str) -> None:
        """End it because of what the client did: that costs as much as if it had done so.

        Whoever makes us reset gets no further than who resets (CVE-2025-8671).
        """
        self._patience.reset()
        known = self.under_way.get(stream)
        if known is not None:
            known.reset(detail)
        self.close(stream, was_reset=True)
        self._say(h2.reset(stream, code))

    def close(self, stream: int, was_reset: bool = False) -> None:
        """It is over. was_reset: by us, so that the client may not know yet."""
        self.under_way.pop(stream, None)
        if was_reset:
            self._remember(stream)

    def _remember(self, stream: int) -> None:
        self._reset.add(stream)
        if len(self._reset) >= _REMEMBERED:
            self._reset_before, self._reset = self._reset, set()

    def check_begun(self, stream: int) -> None:
        if stream > self.highest or not stream & 1:
            # 5.1: idle
            raise ConnectionFault(_PROTOCOL_ERROR, "a frame on a stream that nobody has opened")

    def _check_reset(self, stream: int) -> None:
        """5.1: what was on its way when we reset a stream is ignored, anything else is not."""
        if self.takes_new and stream not in self._reset and stream not in self._reset_before:
            raise ConnectionFault(_STREAM_CLOSED, "a frame on a stream that has ended")

    def reset(self, stream: int) -> None:
        """The client gives it up (6.4)."""
        self.check_begun(stream)
        known = self.under_way.get(stream)
        if known is None:
            # It crossed our own end.
            self._patience.trifle()
            return
        self.close(stream)
        known.reset("the client reset the stream")
        self._patience.reset()

"""One stream of an HTTP/2 connection: the near side of one request.

It holds what is the single request's: windows, what waits for them, who has the request. What
the frames are, `wire` knows; what concerns all streams is `HTTP2Connection`'s.
"""

from typing import TYPE_CHECKING, Any

from daarion_gw.net.sweep import NEVER
from daarion_gw.wire.answer import Framing
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.hpack import Field
from daarion_gw.wire.http2_answer import fields_of
from daarion_gw.wire.http2_frames import ErrorCode, headers
from daarion_gw.wire.http2_streams import STREAM_WINDOW
from daarion_gw.wire.request import RequestHead

from .conversation import Conversation, Why

if TYPE_CHECKING:
    from .http2 import HTTP2Connection


class HTTP2Stream:
    """For the wire it is a `Stream` and an `Outlet`, for a conversation the near side."""

    __slots__ = (
        "_answer",
        "_connection",
        "_has_answered",
        "_held",
        "_last_moved",
        "_paused_for",
        "_untaken",
        "conversation",
        "credit",
        "deadline",
        "ends",
        "head",
        "id",
        "is_blocked",
        "is_gone",
        "is_open",
        "is_queued",
        "is_secure",
        "left",
        "owed",
        "peer",
        "trailers",
        "waiting",
        "went_out",
        "window",
    )

    def __init__(self, connection: "HTTP2Connection", stream_id: int) -> None:
        self._connection = connection
        self.id = stream_id
        self.peer = connection.peer
        self.is_secure = True
        # The request, as `Streams` fills it.
        self.credit = STREAM_WINDOW
        self.owed = 0
        self.left: int | None = None
        self.is_open = False
        self.head: RequestHead | None = None
        self.conversation: Conversation | None = None
        self._paused_for = 0
        # Of the body, what the server has not taken: no window is opened for it.
        self._untaken = 0
        # The answer, as `Outflow` empties it.
        self.window = connection.outflow.new_window
        self.waiting = b""
        self.ends = False
        self.trailers: list[Field] = []
        self.is_queued = False
        self.went_out = 0
        # A head that waits for its body's first piece, and a piece that waits for the next:
        # the last of them says that it is.
        self._answer: tuple[int, bytes, int | None] | None = None
        self._held = b""
        self._has_answered = False
        self.is_blocked = False
        self.is_gone = False
        self._last_moved = -1
        self.deadline = NEVER
        connection.reception.sweep.watched.add(self)

    @property
    def transport(self) -> Any:
        return self._connection.transport

    # Called by the wire: the request.

    def request_received(self, head: RequestHead) -> None:
        self.head = head
        if self.is_open:
            self._connection.fed.add(self)
        reception = self._connection.reception
        try:
            reception.receive(self, head)
        except Exception:
            self._fell_over(head)

    def _fell_over(self, head: RequestHead) -> None:
        """A mistake of ours must not leave the client without an answer."""
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.near_lost()
        if self._has_answered or self.is_gone:
            self.cut()
        else:
            self._connection.reception.fell_over(self, head)

    def request_refused(self, error: WireError) -> None:
        """The request, or what follows its head, cannot be passed on."""
        if self.conversation is not None:
            self.conversation.request_broken(error)
        elif self.head is None:
            self._connection.reception.refuse_early(self, error)

    def body_received(self, data: bytes) -> None:
        connection = self._connection
        if self.conversation is None:
            # Answered already: what was on its way is dropped, and no more of it wanted.
            connection.streams.give_back(len(data))
            return
        connection.fed.add(self)
        self.conversation.body_received(data)
        if self._paused_for and not self.is_gone:
            self._untaken += len(data)
        else:
            connection.streams.taken(self, len(data))

    def body_ended(self) -> None:
        if self.conversation is not None:
            self.conversation.body_ended()

    def reset(self, detail: str) -> None:
        """The stream is over before its time: nothing is sent on it any more."""
        self._let_go()
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.near_lost()

    # Called by the conversation: reading.

    @property
    def request_complete(self) -> bool:
        return not self.is_open

    def pause_reading(self, why: Why) -> None:
        """No window is opened until `resume_reading`: the client stops by itself."""
        self._paused_for |= why

    def resume_reading(self, why: Why) -> None:
        self._paused_for &= ~why
        if not self._paused_for and self._untaken:
            untaken, self._untaken = self._untaken, 0
            self._connection.streams.taken(self, untaken)

    # Called by the conversation: the answer.

    def send_informational(self, status: int, reason: bytes, block: bytes) -> None:
        if self.is_gone:
            return
        outflow = self._connection.outflow
        fields = [(b":status", b"%d" % status), *fields_of(block)]
        outflow.head(self, outflow.encoder.encode(fields), ends=False)

    def send_head(
        self, status: int, reason: bytes, block: bytes, framing: Framing, length: int | None
    ) -> None:
        # Encoded only when it goes out: the blocks of a connection build on each other.
        self._answer = (status, block, length)
        self._has_answered = True

    def send_body(self, data: bytes) -> None:
        if self._held:
            self._emit(ends=False)
        self._held = data

    def flush(self) -> None:
        if self._answer is not None or self._held:
            self._emit(ends=False)

    def _emit(self, ends: bool) -> None:
        data, self._held = self._held, b""
        if self.is_gone:
            # Somebody who was told goes on all the same.
            return
        connection = self._connection
        before = b""
        if self._answer is not None:
            block = connection.writer.head(*self._answer)
            self._answer = None
            if not data:
                connection.outflow.head(self, block, ends)
                return
            before = headers(self.id, block, ends=False)
        connection.outflow.body(self, data, ends, before)
        if self.waiting and not self.is_blocked:
            self.is_blocked = True
            if self.conversation is not None:
                self.conversation.near_blocked()

    def end(self, trailers: bytes = b"") -> None:
        self.conversation = None
        if self.is_gone:
            return
        if trailers or not (self._answer is not None or self._held):
            self.flush()
            self._connection.outflow.end(self, fields_of(trailers))
        else:
            self._emit(ends=True)
        if not self.is_gone:
            # What waits for a window is nobody else's now.
            self.is_moving()
            self.deadline = self._connection.time_to_take

    def cut(self) -> None:
        if not self.is_gone:
            self.conversation = None
            self._let_go()
            self._connection.reset_stream(self, ErrorCode.INTERNAL_ERROR)

    def no_keep_alive(self) -> None:
        """Nothing follows on a stream anyway."""

    # Called by the wire: what has gone out.

    def drained(self) -> None:
        self.is_blocked = False
        if self.conversation is not None:
            self.conversation.near_drained()

    def sent(self) -> None:
        """The answer is out. A request that has not ended by then has nobody to hear it."""
        self._let_go()
        if self.is_open:
            # RFC 9113 8.1
            self._connection.reset_stream(self, ErrorCode.NO_ERROR)
        else:
            self._connection.stream_ended(self)

    def is_moving(self) -> bool:
        """Whether a client that is full has taken anything since this was asked last.

        Where not its own window keeps the stream, what the connection sends is its doing too.
        """
        moved = self.went_out
        if self.window > 0:
            moved += self._connection.progress
        last, self._last_moved = self._last_moved, moved
        return last != moved

    def _let_go(self) -> None:
        self.is_gone = True
        self.deadline = NEVER
        self.waiting = self._held = b""
        self._answer = None
        self._connection.reception.sweep.watched.discard(self)
        if self._untaken:
            untaken, self._untaken = self._untaken, 0
            self._connection.streams.taken(self, untaken)

    # Called by the sweep.

    def deadline_passed(self, now: float) -> None:
        """With nobody who has the request any more, the client is late in taking its answer."""
        self.deadline = NEVER
        if self.conversation is not None:
            self.conversation.deadline_passed(now)
        elif self.is_moving():
            self.deadline = self._connection.time_to_take
        else:
            self.cut()

"""HTTP/2 towards clients: the shell of one connection, between Twisted's transport and the wire.

It keeps what all streams share: the transport, its fullness, the connection's time limits and
its end. It takes a connection over from `HTTP1Connection` when ALPN has agreed on ``h2``.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw.net.sweep import NEVER
from daarion_gw.net.transport import backlog
from daarion_gw.wire.client import Peer
from daarion_gw.wire.http2_answer import AnswerWriter
from daarion_gw.wire.http2_frames import (
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    ConnectionFault,
    ErrorCode,
    goaway,
    reset,
)
from daarion_gw.wire.http2_outflow import Outflow
from daarion_gw.wire.http2_receiver import OUR_PREFACE, HTTP2Receiver

from .http2_stream import HTTP2Stream

if TYPE_CHECKING:
    from .reception import Reception

# How much is gathered while frames are read, before the transport is asked to take it (bytes).
GATHER_AT_MOST = 64 * 1024
# How long a client that is still sending gets to see why it was sent away (seconds).
LINGER = 1.0
# GOAWAY with it turns no stream away: it only asks for no more (RFC 9113 6.8).
LAST_OF_ALL = 2**31 - 1


class Waiting(Enum):
    """What the connection's deadline is about."""

    # Streams are under way: they have deadlines of their own.
    NOTHING = auto()
    # A handshake, a preface or a header block has begun.
    HEAD = auto()
    REQUEST = auto()
    # The transport takes no more.
    ROOM = auto()
    # Closing: what still comes is thrown away.
    GOODBYE = auto()
    CLOSED = auto()


# In CPython 3.11 a member costs eight times a global each time it is read off its class.
_NOTHING, _HEAD, _REQUEST, _ROOM, _GOODBYE, _CLOSED = Waiting


@implementer(IPushProducer)
class HTTP2Connection:
    """One client connection and its streams. Towards it we are a producer."""

    _log = Logger()

    def __init__(self, reception: "Reception", transport: Any, peer: Peer) -> None:
        self.reception = reception
        self.transport = transport
        self.peer = peer
        self.receiver = HTTP2Receiver(self, self.write, reception.sweep.now)
        self.streams = self.receiver.streams
        self.outflow = Outflow(self.write, self.receiver.patience.useful)
        self.writer = AnswerWriter(self.outflow.encoder)
        # Streams whose requests' bodies got something from the bytes at hand.
        self.fed: set[HTTP2Stream] = set()
        self.deadline = NEVER
        self._waiting = _NOTHING
        self._gathered: list[bytes] | None = None
        self._gathered_size = 0
        self._written = 0
        self._last_progress = -1
        # The stream after which a head was waited for last.
        self._awaited = -2
        # Whether frames wait for another turn, and whether that is called for.
        self._has_more = False
        self._is_called = False
        self._is_paused = False

    def begin(self) -> None:
        """Say what we agree to (RFC 9113 3.4)."""
        self.write(OUR_PREFACE)
        self._settle()

    # Called by Twisted, or by who had the connection before.

    def dataReceived(self, data: bytes) -> None:
        if self._waiting is _GOODBYE or self._waiting is _CLOSED:
            return
        if self._gathered is None:
            self._gathered = []
        fault: ConnectionFault | None = None
        try:
            self._has_more = self.receiver.receive(data, self.reception.sweep.now)
            if self.fed:
                self._feeding_paused()
        except ConnectionFault as broken:
            fault = broken
        finally:
            self._flush()
            self._gathered = None
        if fault is not None:
            self._break(fault)
            return
        if self._has_more or self._is_paused:
            self._pace()
        self._settle()

    def _feeding_paused(self) -> None:
        fed = tuple(self.fed)
        self.fed.clear()
        for stream in fed:
            if stream.conversation is not None:
                stream.conversation.request_paused()

    def _go_on(self) -> None:
        """The rest of what came, in another turn of the loop."""
        self._is_called = False
        if self._has_more and not self.outflow.is_full:
            self.dataReceived(b"")

    def connectionLost(self, reason: Failure) -> None:
        self._waiting = _CLOSED
        self._gathered = None
        self.deadline = NEVER
        self._lose_streams("the client closed the connection")
        self.reception.connection_closed(self)

    def _lose_streams(self, detail: str) -> None:
        streams = tuple(self.streams.under_way.values())
        self.streams.under_way.clear()
        for stream in streams:
            stream.reset(detail)

    def pauseProducing(self) -> None:
        self.outflow.is_full = True
        self._pace()
        self._settle()

    def resumeProducing(self) -> None:
        self.outflow.is_full = False
        self.outflow.pump()
        self._pace()
        self._settle()

    def stopProducing(self) -> None:
        # connectionLost says it too, and better.
        pass

    def _pace(self) -> None:
        """Read only while what is answered can go out, and when all that came was looked at."""
        if self._waiting is _GOODBYE or self._waiting is _CLOSED:
            return
        is_full = self.outflow.is_full
        if self._has_more and not is_full and not self._is_called:
            self._is_called = True
            self.reception.reactor.callLater(0, self._go_on)
        pauses = is_full or self._has_more
        if pauses is not self._is_paused:
            self._is_paused = pauses
            if pauses:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    # Writing.

    def write(self, data: bytes) -> None:
        """Send frames; those of one turn of the loop go out together."""
        gathered = self._gathered
        if gathered is None:
            if len(self.streams.under_way) < 2 or self._waiting is _GOODBYE:
                # Nobody else has anything to say now.
                self._written += len(data)
                self.transport.write(data)
                return
            self._gathered = gathered = []
            self.reception.reactor.callLater(0, self._turn_ended)
        gathered.append(data)
        self._gathered_size += len(data)
        if self._gathered_size >= GATHER_AT_MOST:
            self._flush()

    def _flush(self) -> None:
        gathered = self._gathered
        if gathered:
            self._gathered = []
            self._gathered_size = 0
            data = b"".join(gathered)
            self._written += len(data)
            self.transport.write(data)

    def _turn_ended(self) -> None:
        if self._gathered is not None:
            self._flush()
            self._gathered = None
            self._settle()

    @property
    def progress(self) -> int:
        """How many bytes the kernel has taken."""
        return self._written - backlog(self.transport)

    @property
    def time_to_take(self) -> float:
        """By when a client that is sent something must have taken some of it."""
        return self.reception.sweep.now + self.reception.send_timeout

    # Called by the wire.

    def new_stream(self, stream_id: int) -> HTTP2Stream:
        return HTTP2Stream(self, stream_id)

    def window_opened(self, stream_id: int, increment: int) -> None:
        if stream_id:
            self.outflow.stream_opened(self.streams.under_way[stream_id], increment)
        else:
            self.outflow.opened(increment)

    def settings_received(self, settings: dict[int, int]) -> None:
        if HEADER_TABLE_SIZE in settings:
            self.outflow.encoder.resize(settings[HEADER_TABLE_SIZE])
        if INITIAL_WINDOW_SIZE in settings:
            streams = list(self.streams.under_way.values())
            self.outflow.windows_changed(settings[INITIAL_WINDOW_SIZE], streams)

    def client_leaves(self) -> None:
        """Its GOAWAY: no new stream will come."""
        self.streams.takes_new = False

    # Called by streams.

    def reset_stream(self, stream: HTTP2Stream, code: ErrorCode) -> None:
        self.streams.close(stream.id, was_reset=True)
        self.write(reset(stream.id, code))
        self._settle()

    def stream_ended(self, stream: HTTP2Stream) -> None:
        self.streams.close(stream.id)
        self._settle()

    # The connection's own time limits.

    def _settle(self) -> None:
        """What is waited for now; the deadline is set when that changes."""
        was = self._waiting
        if was is _GOODBYE or was is _CLOSED or self._gathered is not None:
            return
        if self.outflow.is_full:
            now = _ROOM
        elif self._has_more:
            now = _NOTHING
        elif self.receiver.awaits_head:
            now = _HEAD
            if self._awaited != self.streams.highest:
                # Not the one that was waited for before: a busy client always has one half sent.
                self._awaited = self.streams.highest
                was = _NOTHING
        elif self.streams.under_way:
            now = _NOTHING
        elif not self.streams.takes_new:
            self.close()
            return
        else:
            now = _REQUEST
        if now is not was:
            self._waiting = now
            self.deadline = self._deadline_of(now)

    def _deadline_of(self, waiting: Waiting) -> float:
        reception = self.reception
        if waiting is _REQUEST:
            return reception.sweep.now + reception.keep_alive
        if waiting is _HEAD:
            return reception.sweep.now + reception.head_timeout
        if waiting is _ROOM:
            self._is_moving()
            return self.time_to_take
        return NEVER

    def deadline_passed(self, now: float) -> None:
        """What is late depends on what was waited for."""
        waiting = self._waiting
        self.deadline = NEVER
        if waiting is _HEAD:
            self._break(ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a head that took too long"))
        elif waiting is _REQUEST:
            self.close()
        elif backlog(self.transport) and self._is_moving():
            # Slow, and not gone.
            self.deadline = self.time_to_take
        else:
            self.abort()

    def _is_moving(self) -> bool:
        last, self._last_progress = self._last_progress, self.progress
        return last != self._last_progress

    # The end.

    @property
    def is_idle(self) -> bool:
        return not self.streams.under_way

    def announce_end(self) -> None:
        """Ask for no more streams; those that are on their way are taken (RFC 9113 6.8)."""
        if self.streams.takes_new:
            self.write(goaway(LAST_OF_ALL, ErrorCode.NO_ERROR))

    def no_keep_alive(self) -> None:
        """Take no more streams; the connection ends with the last one (RFC 9113 6.8)."""
        if self.streams.takes_new:
            self.streams.takes_new = False
            self.write(goaway(max(self.streams.last, 0), ErrorCode.NO_ERROR))

    def let_go(self) -> None:
        """There is too much to do: no more streams, but for a client that has had none yet."""
        if self.streams.last > 0:
            self.no_keep_alive()
            self._settle()

    def close(self) -> None:
        """Close after what was written; nothing is under way."""
        if self._waiting in (_GOODBYE, _CLOSED):
            return
        self.no_keep_alive()
        self._say_goodbye(self.time_to_take)
        self.transport.loseConnection()

    def _break(self, fault: ConnectionFault) -> None:
        """The client broke the rules: say which, and go, but not before it could read it."""
        self._log.info(
            "HTTP/2 connection of {client} ended with {code}: {detail}",
            client=self.peer.address.decode(), code=fault.code.name, detail=fault.detail,
        )  # fmt: skip
        self.write(goaway(max(self.streams.last, 0), fault.code))
        self._say_goodbye(self.reception.sweep.now + LINGER)
        self._lose_streams(fault.detail)

    def _say_goodbye(self, deadline: float) -> None:
        self._flush()
        self._gathered = None
        self._waiting = _GOODBYE
        self.deadline = deadline
        self.transport.unregisterProducer()
        if self._is_paused:
            self._is_paused = False
            self.transport.resumeProducing()

    def abort(self) -> None:
        """End the connection at once, with a reset."""
        # Twisted's TLS says goodbye even then.
        self.transport.transport.abortConnection()

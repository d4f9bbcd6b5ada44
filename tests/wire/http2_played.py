"""An HTTP/2 connection played without sockets: what a client's bytes became, and what was said."""

from dataclasses import dataclass, field
from typing import Any

import hpack

from daarion_gw.wire import http2_frames as h2
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.http2_frames import ConnectionFault, ErrorCode, frame
from daarion_gw.wire.http2_receiver import HTTP2Receiver
from daarion_gw.wire.http2_streams import STREAM_WINDOW
from daarion_gw.wire.request import RequestHead

PREFACE = h2.PREFACE + h2.settings()
GET = [(":method", "GET"), (":scheme", "https"), (":authority", "gw.example"), (":path", "/")]
POST = [(":method", "POST"), *GET[1:]]
END_STREAM, END_HEADERS = h2.END_STREAM, h2.END_HEADERS


def headers(number: int = 1, fields=GET, flags: int = END_STREAM | END_HEADERS) -> bytes:
    return frame(h2.HEADERS, flags, number, block(fields))


def block(fields) -> bytes:
    """A header block without indexing, so that it stands for itself."""
    return hpack.Encoder().encode([(name, value, True) for name, value in fields])


def data(number: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return frame(h2.DATA, flags, number, payload)


@dataclass(eq=False)
class PlayedStream:
    """A stream that answers nothing. takes: whether what comes is taken at once."""

    connection: "Played"
    id: int
    credit: int = STREAM_WINDOW
    owed: int = 0
    left: int | None = None
    is_open: bool = False

    def request_received(self, head: RequestHead) -> None:
        method, target = head.method.decode(), head.target.decode()
        self.connection.events.append((self.id, "request", method, target, head.chunked))
        self.connection.heads.append(head)

    def request_refused(self, error: WireError) -> None:
        self.connection.events.append((self.id, "refused", error.fault.name))

    def body_received(self, data: bytes) -> None:
        events, size = self.connection.events, len(data)
        if events and events[-1][:2] == (self.id, "body"):
            data = events.pop()[2] + data
        events.append((self.id, "body", data))
        if self.connection.takes:
            self.connection.receiver.streams.taken(self, size)

    def body_ended(self) -> None:
        self.connection.events.append((self.id, "end"))

    def reset(self, detail: str) -> None:
        self.connection.events.append((self.id, "reset"))


@dataclass
class Played:
    """events: what the streams were told. said: what the gateway sent, frame by frame."""

    takes: bool = True
    events: list[tuple[Any, ...]] = field(default_factory=list)
    heads: list[RequestHead] = field(default_factory=list)
    said: list[tuple[int, int, bytes]] = field(default_factory=list)
    fault: ErrorCode | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        self.receiver = HTTP2Receiver(self, self._say, self.now)

    def _say(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            high, low, kind, _, number = h2.read_head(data, at)
            at += 9 + (high << 8 | low)
            self.said.append((kind, number, data[at - (high << 8 | low) : at]))

    def feed(self, *pieces: bytes) -> "Played":
        for piece in pieces:
            if self.fault is not None:
                break
            try:
                more = self.receiver.receive(piece, self.now)
                while more:
                    more = self.receiver.receive(b"", self.now)
            except ConnectionFault as fault:
                self.fault = fault.code
        return self

    def resets(self) -> list[tuple[int, ErrorCode]]:
        """(stream, code) of each RST_STREAM that was said."""
        return [
            (number, ErrorCode(int.from_bytes(payload, "big")))
            for kind, number, payload in self.said
            if kind == h2.RST_STREAM
        ]

    def windows(self) -> list[tuple[int, int]]:
        """(stream, increment) of each WINDOW_UPDATE that was said."""
        return [
            (number, int.from_bytes(payload, "big"))
            for kind, number, payload in self.said
            if kind == h2.WINDOW_UPDATE
        ]

    # ConnectionSink

    def new_stream(self, stream_id: int) -> PlayedStream:
        return PlayedStream(self, stream_id)

    def window_opened(self, stream_id: int, increment: int) -> None:
        self.events.append((stream_id, "window", increment))

    def settings_received(self, settings: dict[int, int]) -> None:
        if settings:
            self.events.append((0, "settings", settings))

    def client_leaves(self) -> None:
        self.events.append((0, "leaves"))


def played(*frames: bytes, takes: bool = True) -> Played:
    """What these frames behind a preface became."""
    return Played(takes).feed(PREFACE + b"".join(frames))

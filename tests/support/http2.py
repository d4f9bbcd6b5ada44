"""HTTP/2 as tests write and read it: a whole client on the library h2, and frames by hand.

`HTTP2Client` keeps the rules and says what came; `Raw` breaks those that a test wants broken.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack

from daarion_gw.wire import http2_frames as frames
from tests.support.stream import Client
from tests.support.waiting import PATIENCE

PREFACE = frames.PREFACE + frames.settings()
Fields = list[tuple[bytes, bytes]]


def request_fields(method: str, path: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        (":method", method),
        (":scheme", "https"),
        (":authority", "gw.example"),
        (":path", path),
        *more,
    ]


@dataclass
class Answer:
    """What has come on one stream. ended: whether it has, and properly; reset: by which code."""

    informational: list[Fields] = field(default_factory=list)
    fields: Fields = field(default_factory=list)
    # Grown in place: a large one would be copied for each frame otherwise.
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields)[b":status"])

    def value(self, name: bytes) -> bytes | None:
        found = [value for known, value in self.fields if known == name]
        assert len(found) < 2, f"{name!r} stands there {len(found)} times"
        return found[0] if found else None


class HTTP2Client:
    """Speaks over a connected stream. window: what it takes of bodies before it is asked to."""

    def __init__(self, stream: Client, takes: bool = True, **settings: int) -> None:
        self.stream = stream
        self.takes = takes
        config = h2.config.H2Configuration(client_side=True, header_encoding=False)
        self.h2 = h2.connection.H2Connection(config)
        if settings:
            codes = {name: getattr(h2.settings.SettingCodes, name.upper()) for name in settings}
            self.h2.initiate_connection()
            self.h2.update_settings({codes[name]: settings[name] for name in settings})
        else:
            self.h2.initiate_connection()
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        self.goaway_last: int | None = None
        self.events: list[Any] = []
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.stream.send(data)

    # speaking

    def begin(self, fields: list[tuple[str, str]], ends: bool = False) -> int:
        """Send a request's head, to be followed by its body; the stream's number."""
        number = self.h2.get_next_available_stream_id()
        self.answers[number] = Answer()
        self.h2.send_headers(number, fields, end_stream=ends)
        self.flush()
        return number

    def ask(self, fields: list[tuple[str, str]], body: bytes | None = None) -> int:
        """Send a request, with a body if there is one; the stream's number."""
        number = self.begin(fields, ends=body is None)
        if body is not None:
            self.send(number, body, ends=True)
        return number

    def send(self, number: int, body: bytes, ends: bool = False) -> None:
        """Send a piece of a body, as the windows allow."""
        left = memoryview(body)
        while left:
            room = min(self.h2.local_flow_control_window(number), 16384, len(left))
            if not room:
                self.more()
                continue
            self.h2.send_data(number, bytes(left[:room]))
            left = left[room:]
            self.flush()
        if ends:
            self.h2.end_stream(number)
            self.flush()

    def give_up(self, number: int, code: int = 8) -> None:
        self.h2.reset_stream(number, code)
        self.flush()

    def take(self, number: int, size: int) -> None:
        """Open the windows by what was taken of a body."""
        self.h2.acknowledge_received_data(size, number)
        self.flush()

    # listening

    def more(self, within: float = PATIENCE) -> bool:
        """Hear what comes next; False when the connection has ended."""
        self.stream.buffer = b""
        if not self.stream.more(within):
            return False
        for event in self.h2.receive_data(self.stream.buffer):
            self.events.append(event)
            self._hear(event)
        self.stream.buffer = b""
        self.flush()
        return True

    def _hear(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
            self.goaway_last = event.last_stream_id
        elif answer is None:
            return
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(list(map(tuple, event.headers)))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.fields = list(map(tuple, event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = list(map(tuple, event.headers))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.takes and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def hear_until(self, heard: Callable[[], object]) -> None:
        """Listen until ``heard`` says so."""
        while not heard():
            assert self.more(), f"the connection ended: {self.answers}"

    def answer(self, number: int) -> Answer:
        """The whole answer on a stream, or what there was of it when it was reset."""
        answer = self.answers[number]
        self.hear_until(lambda: answer.ended or answer.reset is not None)
        return answer

    def head(self, number: int) -> Answer:
        """The answer on a stream as soon as its head is there."""
        answer = self.answers[number]
        self.hear_until(lambda: answer.fields)
        return answer

    def get(self, path: str, *more: tuple[str, str]) -> Answer:
        return self.answer(self.ask(request_fields("GET", path, *more)))

    def post(self, path: str, body: bytes, *more: tuple[str, str]) -> Answer:
        return self.answer(self.ask(request_fields("POST", path, *more), body))


@dataclass(frozen=True)
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of an RST_STREAM or a GOAWAY."""
        return int.from_bytes(self.payload[-4:], "big")


class Raw:
    """Frames by hand, with the preface said."""

    def __init__(self, stream: Client, preface: bytes = PREFACE) -> None:
        self.stream = stream
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        stream.send(preface)

    def send(self, kind: int, flags: int, number: int, payload: bytes = b"") -> None:
        self.stream.send(frames.frame(kind, flags, number, payload))

    def block(self, *fields: tuple[str, str]) -> bytes:
        return self.encoder.encode(fields)

    def headers(self, number: int, *fields: tuple[str, str], flags: int = 5) -> None:
        """A request's head; without ``fields`` a GET of the health check."""
        wanted = fields or tuple(request_fields("GET", "/healthz"))
        self.send(frames.HEADERS, flags, number, self.block(*wanted))

    def frame(self) -> Frame:
        """The next frame."""
        high, low, kind, flags, number = frames.read_head(self.stream.read(9), 0)
        return Frame(kind, flags, number, self.stream.read(high << 8 | low))

    def until(self, kind: int, number: int | None = None) -> Frame:
        """The next frame of this kind; others are read and forgotten."""
        while True:
            frame = self.frame()
            if frame.kind in (frames.HEADERS, frames.CONTINUATION):
                self.last_fields = self.decoder.decode(frame.payload, raw=True)
            if frame.kind == kind and number in (None, frame.stream):
                return frame
            assert frame.kind != frames.GOAWAY, f"{frame.code} instead of {kind}"

    def is_alive(self) -> bool:
        """Whether it still answers to a PING."""
        self.send(frames.PING, 0, 0, b"are you?")
        return self.until(frames.PING).payload == b"are you?"

    def ended_with(self) -> int:
        """The error code that the connection ends with."""
        return self.until(frames.GOAWAY).code

"""Sinks that write down what they are told, and the ways to feed a receiver."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from daarion_gw.errors import Fault
from daarion_gw.wire.answer import AnswerHead
from daarion_gw.wire.answer_receiver import AnswerReceiver
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.limits import DEFAULT, Limits
from daarion_gw.wire.request import RequestHead
from daarion_gw.wire.request_receiver import Reading, RequestReceiver

Event = tuple[Any, ...]


class Lines:
    """A list of events in which the pieces of one body are one entry."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, *event: Any) -> None:
        last = self.events[-1] if self.events else ("",)
        if event[0] == "body" and last[0] == "body":
            self.events[-1] = ("body", last[1] + event[1])
        else:
            self.events.append(event)

    def heads(self) -> list[Any]:
        return [event[1] for event in self.events if event[0] == "head"]


class RequestTranscript(Lines):
    """A `RequestSink`. ``then`` is called at the end of each request, from within."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.then = then
        self.errors: list[WireError] = []

    def request_received(self, head: RequestHead) -> None:
        self.add("head", head)
        if not head.has_body and self.then:
            self.then()

    def body_received(self, data: bytes) -> None:
        assert data
        self.add("body", data)

    def body_ended(self) -> None:
        self.add("end")
        if self.then:
            self.then()

    def request_refused(self, error: WireError) -> None:
        self.add("refused", error.fault)
        self.errors.append(error)

    @property
    def fault(self) -> Fault | None:
        last = self.events[-1] if self.events else ("",)
        return last[1] if last[0] == "refused" else None


class AnswerTranscript(Lines):
    """An `AnswerSink`."""

    def informational_received(self, head: AnswerHead) -> None:
        self.add("informational", head.status)

    def answer_received(self, head: AnswerHead) -> None:
        self.add("head", head)

    def answer_body_received(self, data: bytes) -> None:
        assert data
        self.add("body", data)

    def answer_ended(self, trailers: bytes) -> None:
        self.add("end", trailers)

    def answer_broken(self, detail: str) -> None:
        self.add("broken", detail)


def read_requests(pieces: Iterator[bytes] | list[bytes], limits: Limits = DEFAULT):
    """Requests answered after each piece, as a front does that waits for its upstream."""
    sink = RequestTranscript()
    receiver = RequestReceiver(sink, limits)
    for piece in pieces:
        receiver.receive(piece)
        while receiver.state is Reading.HELD:
            receiver.next_request()
    return sink


def read_requests_answered_at_once(pieces: Iterator[bytes] | list[bytes], limits: Limits = DEFAULT):
    """Requests answered from within the sink, as a resource of the gateway itself does."""
    sink = RequestTranscript()
    receiver = RequestReceiver(sink, limits)
    sink.then = receiver.next_request
    for piece in pieces:
        receiver.receive(piece)
    return sink


def read_answer(
    pieces: Iterator[bytes] | list[bytes],
    method: bytes = b"GET",
    upgrade: bool = False,
    ended: bool = False,
    limits: Limits = DEFAULT,
):
    """The answer to one request: (what was told, the receiver). ``ended``: then a close."""
    sink = AnswerTranscript()
    receiver = AnswerReceiver(sink, limits)
    receiver.expect(method, upgrade)
    for piece in pieces:
        receiver.receive(piece)
    if ended:
        receiver.end()
    return sink, receiver


def whole(raw: bytes) -> list[bytes]:
    return [raw]


def byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def torn(seed: int) -> Callable[[bytes], list[bytes]]:
    """A way to cut ``raw`` in pieces of random sizes, the same ones for the same seed."""

    def cut(raw: bytes) -> list[bytes]:
        dice = random.Random(seed)
        pieces = []
        while raw:
            size = dice.choice((1, 2, 3, 5, 17, 64, 500, 5000))
            pieces.append(raw[:size])
            raw = raw[size:]
        return pieces

    return cut


FEEDINGS = {
    "whole": whole,
    "byte by byte": byte_by_byte,
    **{f"torn {seed}": torn(seed) for seed in range(4)},
}


def written_request(head: RequestHead) -> Event:
    """A request head as plain values, for comparing."""
    fields = head.fields
    return (
        head.method,
        head.target,
        head.minor,
        head.host,
        fields.kept,
        fields.content_length,
        head.chunked,
        head.keep_alive,
        fields.connection,
        fields.identity,
    )


def written_answer(head: AnswerHead) -> Event:
    return (
        head.status,
        head.reason,
        head.minor,
        head.kept,
        head.content_length,
        head.framing,
        head.keep_alive,
    )


def written(events: list[Event]) -> list[Event]:
    """The events with heads as plain values."""
    return [
        (
            event[0],
            written_request(event[1])
            if isinstance(event[1], RequestHead)
            else written_answer(event[1]),
        )
        if event[0] == "head"
        else event
        for event in events
    ]

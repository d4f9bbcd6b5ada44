"""The sizes that a message may have, and that reading it slowly costs no more than reading it."""

import pytest

from daarion_gw.errors import Fault
from daarion_gw.wire import fields, receiver
from daarion_gw.wire.answer_receiver import AnswerReceiver
from daarion_gw.wire.limits import DEFAULT, Limits
from daarion_gw.wire.request_receiver import RequestReceiver
from tests.wire.answer_samples import ok
from tests.wire.sample import CHUNKED, get, head, post
from tests.wire.transcript import (
    AnswerTranscript,
    RequestTranscript,
    byte_by_byte,
    read_answer,
    read_requests,
)

SMALL = Limits(request_line=32, head=128, fields=4, chunk_extension=4)


def test_limits_are_those_of_the_rules():
    assert DEFAULT.request_line == 16 * 1024
    assert DEFAULT.head == 64 * 1024
    assert DEFAULT.fields == 200
    assert DEFAULT.chunk_extension == 256


def line_of(size: int) -> bytes:
    return b"GET /" + b"a" * (size - len("GET / HTTP/1.1")) + b" HTTP/1.1"


def head_of(size: int) -> bytes:
    return get(b"A: " + b"b" * (size - len(get(b"A: "))))


CASES = {
    "line of 32": (head(line_of(32), b"Host: a"), None),
    "line of 33": (head(line_of(33), b"Host: a"), Fault.TARGET_TOO_LONG),
    "line of 33 without end": (line_of(33) + b"\r", Fault.TARGET_TOO_LONG),
    "line of 200": (head(line_of(200), b"Host: a"), Fault.TARGET_TOO_LONG),
    "head of 128": (head_of(128), None),
    "head of 129": (head_of(129), Fault.FIELDS_TOO_LARGE),
    "head of 129 without end": (head_of(131)[:-2], Fault.FIELDS_TOO_LARGE),
    "4 fields": (get(*(b"A: b",) * 3), None),
    "5 fields": (get(*(b"A: b",) * 4), Fault.FIELDS_TOO_LARGE),
    "extension of 4": (post(CHUNKED) + b"1;abcd\r\na\r\n0\r\n\r\n", None),
    "extension of 5": (post(CHUNKED) + b"1;abcde\r\na\r\n0\r\n\r\n", Fault.MALFORMED),
    "trailers of 128": (post(CHUNKED) + b"0\r\nA: %b\r\n\r\n" % (b"b" * 121), None),
    "trailers of 129": (
        post(CHUNKED) + b"0\r\nA: %b\r\n\r\n" % (b"b" * 122),
        Fault.FIELDS_TOO_LARGE,
    ),
    "5 trailers": (post(CHUNKED) + b"0\r\n" + b"A: b\r\n" * 5 + b"\r\n", Fault.FIELDS_TOO_LARGE),
}


@pytest.mark.parametrize("name", CASES)
def test_size_to_the_byte(name: str):
    raw, fault = CASES[name]
    for pieces in ([raw], byte_by_byte(raw), [raw[:-1], raw[-1:]], [raw[:40], raw[40:]]):
        sink = read_requests(pieces, SMALL)
        assert sink.fault is fault
        if fault is None:
            assert len(sink.heads()) == 1


ANSWERS = {
    "line of 32": (ok(b"A: b").replace(b"OK", b"O" * 19), True),
    "line of 33": (ok(b"A: b").replace(b"OK", b"O" * 20), False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_status_line_is_judged_alike_whole_and_in_pieces(name: str):
    raw, passes = ANSWERS[name]
    assert len(raw.partition(b"\r\n")[0]) == int(name.split()[-1])
    for pieces in ([raw], byte_by_byte(raw), [raw[:-1], raw[-1:]]):
        sink, _ = read_answer(pieces, limits=SMALL)
        assert [event[0] for event in sink.events] == (["head"] if passes else ["broken"])


class Counted(bytes):
    """Bytes that count how many of them are searched."""

    scanned = 0

    def __add__(self, other: bytes) -> "Counted":
        return Counted(bytes.__add__(self, other))

    def __getitem__(self, key):
        found = bytes.__getitem__(self, key)
        return Counted(found) if isinstance(key, slice) else found

    def find(self, sub, start=0, end=None):
        end = len(self) if end is None else min(end, len(self))
        at = bytes.find(self, sub, start, end)
        Counted.scanned += max(0, (end if at < 0 else at) - start)
        return at


@pytest.fixture
def scanned(monkeypatch):
    """A function that gives how many bytes were searched since the test began."""
    real = fields.check_begun

    def counting(begun, start=0):
        Counted.scanned += len(begun) - start
        real(begun, start)

    monkeypatch.setattr(receiver, "check_begun", counting)
    monkeypatch.setattr(fields, "check_begun", counting)
    Counted.scanned = 0
    return lambda: Counted.scanned


# Each piece of one byte is searched twice, with the three bytes before it.
AT_MOST = 2 * 4 * 65536 + 100_000


def test_size_dripping_a_head_of_64_kib_costs_in_proportion(scanned):
    filler = b"b" * (64 * 1024 - len(get(b"A: ")))
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    for piece in byte_by_byte(get(b"A: " + filler)):
        receiver.receive(Counted(piece))
    assert len(sink.heads()) == 1
    assert scanned() < AT_MOST


def test_size_dripping_a_long_request_line_costs_in_proportion(scanned):
    filler = b"b" * (64 * 1024 - len(head(line_of(16384), b"Host: a", b"A: ")))
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    for piece in byte_by_byte(head(line_of(16384), b"Host: a", b"A: " + filler)):
        receiver.receive(Counted(piece))
    assert len(sink.heads()) == 1
    assert scanned() < AT_MOST


def test_size_dripping_trailers_costs_in_proportion(scanned):
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    receiver.receive(post(CHUNKED))
    for piece in byte_by_byte(b"0\r\nA: %b\r\n\r\n" % (b"b" * 60_000)):
        receiver.receive(Counted(piece))
    assert sink.events[-1] == ("end",)
    assert scanned() < AT_MOST


def test_size_dripping_an_answer_costs_in_proportion(scanned):
    sink = AnswerTranscript()
    receiver = AnswerReceiver(sink)
    receiver.expect(b"GET")
    for piece in byte_by_byte(ok(b"Content-Length: 0", b"A: " + b"b" * 60_000)):
        receiver.receive(Counted(piece))
    assert sink.events[-1] == ("end", b"")
    assert scanned() < AT_MOST


def test_chunks_of_one_byte_are_one_piece_when_they_come_as_one():
    told = []

    class Counting(RequestTranscript):
        def body_received(self, data: bytes) -> None:
            told.append(data)

    receiver = RequestReceiver(Counting())
    receiver.receive(post(CHUNKED) + b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n")
    assert told == [b"a" * 10_000]

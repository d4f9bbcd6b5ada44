"""What must hold for any bytes whatsoever: one check for each way into the wire.

A check is a function of bytes that returns when all is well and raises when it is not. It knows
nothing of who makes the bytes: atheris (`target`), the corpus, or a test. Judges are h11, the
library hpack, a parser of whole WebSocket frames, and the wire itself, told the same otherwise.
"""

import gc
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, Final

import hpack

from daarion_gw.wire.answer_receiver import AnswerReceiver, Awaiting
from daarion_gw.wire.frames import FrameFollower
from daarion_gw.wire.hpack import Decoder, Encoder, HPACKError
from daarion_gw.wire.http2_frames import FRAME_SIZE
from daarion_gw.wire.limits import DEFAULT, Limits
from daarion_gw.wire.proxy_header import SIZE_AT_MOST, header_for, parse
from daarion_gw.wire.request_receiver import Reading, RequestReceiver
from tests.wire.http2_played import PREFACE, Played
from tests.wire.oracle import h11_answer, h11_requests
from tests.wire.passing import STRANGER, WHOLE
from tests.wire.test_answers_against_h11 import body_of, is_whole
from tests.wire.test_frames import read_whole
from tests.wire.test_proxy_header import VERSIONS, outcome
from tests.wire.test_requests_against_h11 import (
    check_forwarded,
    forwarded,
    is_in_step,
    our_requests,
)
from tests.wire.transcript import (
    AnswerTranscript,
    Event,
    RequestTranscript,
    byte_by_byte,
    torn,
    written,
)

# So small that inputs reach them.
SMALL: Final = Limits(request_line=64, head=512, fields=12, chunk_extension=16)
# What a receiver keeps of a head, of the block that it remembers, and of what it cut out of it.
_KEPT_AT_MOST: Final = 8 * SMALL.head
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"CONNECT")


def bytes_kept(root: Any, *but: Any) -> int:
    """How many bytes all byte strings hold that ``root`` leads to, ``but`` left out."""
    seen = {id(each) for each in but}
    found, size = [root], 0
    while found:
        each = found.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, bytes | bytearray):
            size += len(each)
        found.extend(gc.get_referents(each))
    return size


def comparable(events: list[Event]) -> list[Event]:
    """What must be the same however the bytes were cut.

    Of a message that is refused in its body it depends on the pieces how much of the body is told;
    and of two faults in one message, which of them is seen first.
    """
    told = written(events)
    if told and told[-1][0] in ("refused", "broken"):
        told[-1] = told[-1][:1]
        if len(told) > 1 and told[-2][0] == "body":
            del told[-2]
    return told


# Requests.


def _requests(pieces: list[bytes], limits: Limits) -> RequestTranscript:
    sink = RequestTranscript()
    receiver = RequestReceiver(sink, limits)
    for piece in pieces:
        receiver.receive(piece)
        while receiver.state is Reading.HELD:
            receiver.next_request()
        assert receiver.held <= limits.head, "more is held than a head may have"
        if receiver.state is Reading.NOTHING:
            assert not receiver.held, "a receiver that reads no more keeps bytes"
    if limits is SMALL:
        assert bytes_kept(receiver, sink, limits) <= _KEPT_AT_MOST, "bytes pile up"
    return sink


def check_requests(data: bytes) -> None:
    """data: a seed for the cutting (one byte), then what a client sends."""
    seed, raw = data[:1], data[1:]
    cut = torn(seed[0] if seed else 0)
    for limits in (SMALL, DEFAULT):
        sink = _requests([raw], limits)
        for pieces in (cut(raw), byte_by_byte(raw)):
            assert comparable(_requests(pieces, limits).events) == comparable(sink.events)
    assert [event[0] for event in sink.events].count("refused") <= 1
    ours = our_requests(sink)
    assert is_in_step(ours, h11_requests(raw)), "h11 reads other messages"
    for message in ours.messages:
        sent = forwarded(message, STRANGER, WHOLE)
        check_forwarded(sent, STRANGER)
        again = our_requests(_requests([sent], DEFAULT))
        assert not again.refused, "what is forwarded is refused when it is read again"
        assert [(m[0], m[1], m[3]) for m in again.messages] == [
            (message[0], WHOLE.target(message[1]), message[3])
        ]


# Answers.


def _answer(
    pieces: list[bytes], method: bytes, upgrade: bool, ended: bool, limits: Limits
) -> tuple[AnswerTranscript, AnswerReceiver]:
    sink = AnswerTranscript()
    receiver = AnswerReceiver(sink, limits)
    receiver.expect(method, upgrade)
    for piece in pieces:
        receiver.receive(piece)
    if limits is SMALL and receiver.state is not Awaiting.SWITCHED:
        assert bytes_kept(receiver, sink, limits) <= _KEPT_AT_MOST, "bytes pile up"
    if ended:
        receiver.end()
    return sink, receiver


def check_answers(data: bytes) -> None:
    """data: how the request was and how to cut (two bytes), then what an upstream sends."""
    if len(data) < 2:
        return
    kind, raw = data[0], data[2:]
    method = _METHODS[kind & 3]
    upgrade, ended = bool(kind & 4), bool(kind & 8)
    for limits in (SMALL, DEFAULT):
        sink, receiver = _answer([raw], method, upgrade, ended, limits)
        for pieces in (torn(data[1])(raw), byte_by_byte(raw)):
            other, its = _answer(pieces, method, upgrade, ended, limits)
            assert [e[0] for e in comparable(other.events)] == [
                e[0] for e in comparable(sink.events)
            ]
            assert its.is_reusable is receiver.is_reusable
            if is_whole(sink):
                assert written(other.events) == written(sink.events)
    ends = [event[0] for event in sink.events if event[0] in ("end", "broken")]
    assert len(ends) <= 1, "an answer ends twice"
    if receiver.is_reusable:
        assert is_whole(sink), "a connection is used again before its answer has ended"
    if is_whole(sink) and method != b"CONNECT" and not upgrade:
        _check_with_h11(sink, raw, method, ended)


def _check_with_h11(sink: AnswerTranscript, raw: bytes, method: bytes, ended: bool) -> None:
    theirs = h11_answer(raw, method, ended)
    if not theirs.refused:
        assert theirs.ended
        assert theirs.body == body_of(sink), "h11 reads another body"
        assert theirs.head is not None
        assert theirs.head[0] == sink.heads()[0].status


# WebSocket.

_EXTENSIONS: Final = ((), (b"permessage-deflate",), (b"x-other",))


def _followed(follower: FrameFollower, pieces: list[bytes]) -> bytes:
    passed = b""
    for piece in pieces:
        passed += follower.follow(piece)
        assert bytes_kept(follower._begun) < 14, "more is kept than a header has"
    return passed


def check_frames(data: bytes) -> None:
    """data: what was agreed and how to cut (two bytes), then frames."""
    if len(data) < 2:
        return
    kind, raw = data[0], data[2:]
    masked, limit = bool(kind & 1), (None, 100)[kind >> 1 & 1]
    extensions = _EXTENSIONS[(kind >> 2) % 3]
    reference = read_whole(raw, masked, extensions, limit)
    for pieces in ([raw], torn(data[1])(raw), byte_by_byte(raw)):
        follower = FrameFollower(masked, list(extensions), limit)
        assert _followed(follower, pieces) == raw[: reference.passed]
        assert (follower.fault and follower.fault.code) == reference.fault
        assert follower.closed is reference.closed
        assert follower.messages == reference.messages
        assert follower.between_frames is reference.between


# HTTP/2.


def _played(pieces: list[bytes], takes: bool) -> Played:
    played = Played(takes).feed(PREFACE)
    for piece in pieces:
        played.feed(piece)
        if played.fault is None:
            assert played.receiver.held < 9 + FRAME_SIZE, "more is held than a frame has"
            assert bytes_kept(played.receiver, played, DEFAULT) < 8 * DEFAULT.head
    return played


def check_http2(data: bytes) -> None:
    """data: whether bodies are taken and how to cut (two bytes), then frames behind a preface."""
    if len(data) < 2:
        return
    takes, raw = bool(data[0] & 1), data[2:]
    played = _played([raw], takes)
    for pieces in (torn(data[1])(raw), byte_by_byte(raw) if len(raw) < 500 else [raw]):
        other = _played(pieces, takes)
        assert other.fault == played.fault
        assert other.events == played.events
        assert other.said == played.said
    for head in played.heads:
        # What came in frames goes upstream as exactly one message of HTTP/1.1.
        body = b"" if head.chunked else b"x" * min(head.fields.content_length or 0, 1000)
        if (head.fields.content_length or 0) > 1000:
            continue
        sent = forwarded((head.method, head.target, head, body), STRANGER, WHOLE)
        check_forwarded(sent, STRANGER)
        again = our_requests(_requests([sent], DEFAULT))
        assert [m[:2] for m in again.messages] == [(head.method, WHOLE.target(head.target))]


def check_header_blocks(data: bytes) -> None:
    """data: header blocks of one connection, each behind its length (one byte)."""
    ours, theirs = Decoder(DEFAULT.head), hpack.Decoder(DEFAULT.head)
    writer, reader = Encoder(), Decoder(DEFAULT.head)
    at = 0
    while at < len(data):
        block = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        changes = ours.changes
        try:
            fields = ours.decode(block)
        except HPACKError:
            return
        assert bytes_kept(ours) < 20_000, "a table larger than agreed"
        try:
            read = [(bytes(name), bytes(value)) for name, value in theirs.decode(block, raw=True)]
        except hpack.HPACKError:
            return
        assert fields == read, "another end reads other fields"
        assert reader.decode(writer.encode(fields)) == fields
        if ours.changes == changes:
            assert ours.decode(block) == fields, "the same block, read again, says something else"


def check_proxy_headers(data: bytes) -> None:
    """data: the beginning of a connection; what it is must be decided once, at one byte."""
    seen = [outcome(data[:end]) for end in range(min(len(data), 5000) + 1)]
    decided = [each for each in seen if each is not None]
    assert seen == [None] * (len(seen) - len(decided)) + decided[:1] * len(decided)
    if not decided or isinstance(decided[0], str):
        return
    header = decided[0]
    assert header.size == len(seen) - len(decided) <= SIZE_AT_MOST
    if header.source is None or header.destination is None:
        return
    ends = header.source, header.destination
    for version in VERSIONS:
        again = parse(header_for(version, *ends))
        assert again is not None
        assert (again.source, again.destination) == ends


CHECKS: Final[dict[str, Callable[[bytes], None]]] = {
    "requests": check_requests,
    "answers": check_answers,
    "frames": check_frames,
    "http2": check_http2,
    "header_blocks": check_header_blocks,
    "proxy_headers": check_proxy_headers,
}

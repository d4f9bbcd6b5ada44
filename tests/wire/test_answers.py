"""Every sample of an answer, fed in every way: the same events, and the same trust."""

import pytest

from daarion_gw.errors import Fault
from daarion_gw.wire import answer as answers
from daarion_gw.wire.answer import Framing, Has
from daarion_gw.wire.answer_receiver import AnswerReceiver, Awaiting
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.limits import DEFAULT
from tests.wire import rules
from tests.wire.answer_samples import ANSWER_SAMPLES, AnswerSample, ok
from tests.wire.sample import head
from tests.wire.transcript import FEEDINGS, AnswerTranscript, read_answer


def plain(events):
    return [("head", event[1].status) if event[0] == "head" else event for event in events]


@pytest.mark.parametrize("sample", ANSWER_SAMPLES, ids=str)
def test_sample(sample: AnswerSample):
    for feeding, cut in FEEDINGS.items():
        if feeding == "byte by byte" and len(sample.raw) > 20_000:
            continue
        sink, receiver = read_answer(cut(sample.raw), sample.method, sample.upgrade, sample.ended)
        told = plain(sink.events)
        if sample.is_broken:
            # How much of a body was told before it broke depends on the pieces it came in.
            told = [(event[0],) if event[0] == "broken" else event for event in told]
            told = [event for event in told if event[0] != "body"]
        assert told == list(sample.told), feeding
        assert receiver.is_reusable is sample.reusable, feeding


@pytest.mark.parametrize("rule", [*rules.ANSWERS])
def test_every_rule_has_samples_on_both_sides(rule: str):
    of_rule = [sample for sample in ANSWER_SAMPLES if sample.rule == rule]
    assert any(sample.reusable for sample in of_rule)
    assert any(not sample.reusable for sample in of_rule)


def test_every_sample_names_a_rule():
    assert {sample.rule for sample in ANSWER_SAMPLES} == set(rules.ANSWERS)


@pytest.mark.parametrize(
    "sample", [s for s in ANSWER_SAMPLES if s.reusable and not s.ended], ids=str
)
def test_a_reusable_connection_carries_the_next_answer(sample: AnswerSample):
    for cut in FEEDINGS.values():
        sink = AnswerTranscript()
        receiver = AnswerReceiver(sink)
        for method, upgrade, raw in (
            (sample.method, sample.upgrade, sample.raw),
            (b"GET", False, ok(b"Content-Length: 4") + b"next"),
        ):
            receiver.expect(method, upgrade)
            assert not receiver.has_begun
            for piece in cut(raw):
                receiver.receive(piece)
            assert receiver.has_begun
        assert plain(sink.events)[-3:] == [("head", 200), ("body", b"next"), ("end", b"")]
        assert receiver.is_reusable


def test_excess_when_idle_is_never_the_next_answer():
    sink = AnswerTranscript()
    receiver = AnswerReceiver(sink)
    receiver.receive(ok(b"Content-Length: 0"))
    assert sink.events == []
    assert receiver.state is Awaiting.BROKEN
    assert not receiver.is_reusable


def test_excess_told_before_the_end_is():
    # A pool that is given the connection back from within the last call must see it.
    seen = []
    receiver = None

    class Looking(AnswerTranscript):
        def answer_ended(self, trailers: bytes) -> None:
            seen.append(receiver.is_reusable)

    for raw in (
        ok(b"Content-Length: 1") + b"ab",
        ok(b"Content-Length: 0") + b"b",
        ok(b"Transfer-Encoding: chunked") + b"0\r\n\r\nb",
    ):
        receiver = AnswerReceiver(Looking())
        receiver.expect(b"GET")
        receiver.receive(raw)
    assert seen == [False, False, False]


def test_a_broken_connection_says_so_once():
    sink, receiver = read_answer([b"nonsense\r\n\r\n", b"more", b"\r\n\r\n"], ended=True)
    assert [event[0] for event in sink.events] == ["broken"]
    assert not receiver.is_reusable


def test_close_between_answers_is_silent():
    sink, _ = read_answer([ok(b"Content-Length: 0")], ended=True)
    assert [event[0] for event in sink.events] == ["head", "end"]


def test_until_close_a_reset_is_no_end():
    sink, receiver = read_answer([ok() + b"abc"])
    receiver.end(whole=False)
    assert [event[0] for event in sink.events] == ["head", "body", "broken"]
    assert not receiver.is_reusable


@pytest.mark.parametrize("feeding", FEEDINGS)
def test_switched_bytes_are_kept_for_the_other_protocol(feeding: str):
    raw = head(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket") + b"\x81\x02hi\r\n\r\n"
    sink, receiver = read_answer(FEEDINGS[feeding](raw), upgrade=True)
    assert sink.heads()[0].upgrade == [b"websocket"]
    assert receiver.state is Awaiting.SWITCHED
    assert receiver.detach() == b"\x81\x02hi\r\n\r\n"


def parsed(*lines: bytes, method: bytes = b"GET"):
    return answers.parse_head(head(*lines)[:-2], method, DEFAULT)


def test_no_body_keeps_its_length_on_304_and_head_only():
    length = b"Content-Length: 5"
    assert parsed(b"HTTP/1.1 304 Not Modified", length).content_length == 5
    assert parsed(b"HTTP/1.1 200 OK", length, method=b"HEAD").content_length == 5
    assert parsed(b"HTTP/1.1 204 No Content", length).content_length is None
    assert parsed(b"HTTP/1.1 103 Early Hints", length).content_length is None


def test_no_body_drops_its_coding_on_1xx_and_204_only():
    coding = b"Transfer-Encoding: chunked"
    assert not parsed(b"HTTP/1.1 204 No Content", coding).chunked
    assert not parsed(b"HTTP/1.1 103 Early Hints", coding).chunked
    assert parsed(b"HTTP/1.1 304 Not Modified", coding).chunked
    assert parsed(b"HTTP/1.1 200 OK", coding, method=b"HEAD").chunked


def test_hop_by_hop_fields_of_an_answer_stay_behind():
    found = parsed(
        b"HTTP/1.1 200 OK",
        b"Server: s",
        b"Connection: Keep-Alive, X-Hop",
        b"keep-alive: timeout=5",
        b"X-HOP: 1",
        b"Proxy-Authenticate: Basic",
        b"Proxy-Authorization: Basic",
        b"Proxy-Connection: close",
        b"TE: trailers",
        b"Trailer: A",
        b"Upgrade: h2c",
        b"Transfer-Encoding: chunked",
        b"X-Request-Id: theirs",
        b"Set-Cookie: a=b",
        b"set-cookie: c=d",
        b"Connection: x-other, set-cookie",
        b"X-Other: 2",
        b"X-Last: 3",
    )
    assert found.kept == b"Server: s\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nX-Last: 3\r\n"
    assert found.framing is Framing.CHUNKED
    assert found.keep_alive


def test_connection_names_nothing_that_was_noted():
    # Or the note would say that a field is there which is gone.
    named = b"Connection: X-Frame-Options, Date"
    found = parsed(b"HTTP/1.1 200 OK", named, b"X-Frame-Options: DENY", b"Date: x")
    assert found.kept == b"X-Frame-Options: DENY\r\nDate: x\r\n"
    assert found.has == Has.FRAME_OPTIONS | Has.DATE


@pytest.mark.parametrize(
    ("line", "has"),
    [
        (b"X-CONTENT-TYPE-OPTIONS: nosniff", Has.NOSNIFF),
        (b"x-frame-options: SAMEORIGIN", Has.FRAME_OPTIONS),
        (b"Referrer-policy: no-referrer", Has.REFERRER_POLICY),
        (b"DATE: x", Has.DATE),
        (b"Location: /", Has.PLACE),
        (b"Content-location: /", Has.PLACE),
        (b"Refresh: 0", Has.PLACE),
        (b"Set-Cookie: a", Has.PLACE),
        (b"Locations: /", Has.NOTHING),
        (b"X-Date: /", Has.NOTHING),
    ],
)
def test_what_an_answer_has(line, has):
    found = parsed(b"HTTP/1.1 200 OK", b"A: b", line)
    assert found.has == has
    assert found.kept == b"A: b\r\n" + line + b"\r\n"


def test_an_answer_head_that_is_known_is_read_once():
    known = answers.Known()
    raw = ok(b"Content-Length: 5")[:-2]
    first = known.parse(raw, b"GET", DEFAULT)
    assert known.parse(bytes(bytearray(raw)), b"GET", DEFAULT) is first
    to_head = known.parse(raw, b"HEAD", DEFAULT)
    assert (first.framing, to_head.framing) == (Framing.LENGTH, Framing.NONE)
    with pytest.raises(WireError) as raised:
        known.parse(b"nonsense", b"GET", DEFAULT)
    assert raised.value.fault is Fault.UPSTREAM_NONSENSE
    assert known.parse(raw, b"HEAD", DEFAULT) is to_head

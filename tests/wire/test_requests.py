"""Every sample of a request, fed in every way: the same messages, or the same refusal."""

import pytest

from daarion_gw.errors import Fault
from daarion_gw.wire.request_receiver import Reading, RequestReceiver
from tests.wire import rules
from tests.wire.request_samples import REQUEST_SAMPLES
from tests.wire.sample import Sample, get, head, post
from tests.wire.transcript import (
    FEEDINGS,
    RequestTranscript,
    byte_by_byte,
    read_requests,
    read_requests_answered_at_once,
    written,
)


def messages_of(sink: RequestTranscript) -> list[tuple[bytes, bytes, bytes]]:
    """The whole messages as (method, target, body)."""
    found: list[tuple[bytes, bytes, bytes]] = []
    events = sink.events
    for at, event in enumerate(events):
        if event[0] != "head":
            continue
        message = event[1]
        body = b""
        if message.has_body:
            following = [*events[at + 1 : at + 3], ("",)]
            if following[0][0] == "body":
                body = following.pop(0)[1]
            if following[0][0] != "end":
                continue
        found.append((message.method, message.target, body))
    return found


def feedings_of(sample: Sample):
    # Byte by byte is slow where size is the point: there it has tests of its own.
    return [name for name in FEEDINGS if len(sample.raw) < 20_000 or name != "byte by byte"]


@pytest.mark.parametrize("sample", REQUEST_SAMPLES, ids=str)
def test_sample(sample: Sample):
    for feeding in feedings_of(sample):
        for read in (read_requests, read_requests_answered_at_once):
            sink = read(FEEDINGS[feeding](sample.raw))
            assert messages_of(sink) == list(sample.messages), feeding
            assert sink.fault is sample.fault, feeding
            # Nothing is told after a refusal.
            told = [event[0] for event in sink.events]
            assert told.count("refused") == (sample.fault is not None)


NEXT = head(b"DELETE /next HTTP/1.1", b"Host: next")


@pytest.mark.parametrize("sample", [s for s in REQUEST_SAMPLES if s.fault is None], ids=str)
def test_what_follows_a_message_is_the_next_message(sample: Sample):
    for feeding in feedings_of(sample):
        sink = read_requests(FEEDINGS[feeding](sample.raw + NEXT))
        assert messages_of(sink) == [*sample.messages, (b"DELETE", b"/next", b"")], feeding


@pytest.mark.parametrize(
    "sample", [s for s in REQUEST_SAMPLES if s.fault is not None], ids=str
)  # fmt: skip
def test_nothing_is_read_after_a_refusal(sample: Sample):
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    receiver.receive(sample.raw)
    receiver.next_request()
    told = len(sink.events)
    receiver.receive(NEXT)
    receiver.next_request()
    assert receiver.state is Reading.NOTHING
    assert len(sink.events) == told
    assert receiver.held == 0


@pytest.mark.parametrize("rule", [*rules.REQUESTS])
def test_every_rule_has_samples_on_both_sides(rule: str):
    of_rule = [sample for sample in REQUEST_SAMPLES if sample.rule == rule]
    if rule != "method":
        assert any(sample.fault is None for sample in of_rule)
    assert any(sample.fault is not None for sample in of_rule)


def test_every_sample_names_a_rule():
    assert {sample.rule for sample in REQUEST_SAMPLES} == set(rules.REQUESTS)


def test_heads_are_the_same_however_they_come():
    raw = b"".join(sample.raw for sample in REQUEST_SAMPLES if sample.fault is None)
    first = written(read_requests([raw]).events)
    assert len(first) > 100
    for feeding in ("torn 0", "torn 1"):
        assert written(read_requests(FEEDINGS[feeding](raw)).events) == first


def test_pipelined_requests_wait_for_their_turn():
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    receiver.receive(get() * 3)
    assert len(sink.events) == 1
    assert receiver.state is Reading.HELD
    assert receiver.held == 2 * len(get())
    assert not receiver.is_idle
    receiver.next_request()
    receiver.next_request()
    assert len(sink.events) == 3
    assert receiver.held == 0
    receiver.next_request()
    assert receiver.is_idle


def test_pipelined_requests_need_no_stack():
    assert len(read_requests_answered_at_once([get() * 5000]).events) == 5000


def test_pipelined_behind_a_body_that_was_answered_early():
    # The answer may be complete before the body is: then the turn waits for the body.
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    receiver.receive(post(b"Content-Length: 3") + b"ab")
    receiver.next_request()
    assert receiver.state is Reading.LENGTH
    receiver.receive(b"c" + get())
    assert [event[0] for event in sink.events] == ["head", "body", "end"]
    receiver.next_request()
    assert [event[0] for event in sink.events] == ["head", "body", "end", "head"]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 3", b"abc"),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\nA: b\r\n\r\n"),
    ],
)
def test_pipelined_in_the_piece_that_ends_a_body(framing: bytes, body: bytes):
    raw = post(framing) + body
    for at in range(len(post(framing)), len(raw)):
        sink = read_requests([raw[:at], raw[at:] + NEXT])
        assert messages_of(sink) == [(b"POST", b"/", b"abc"), (b"DELETE", b"/next", b"")]


def test_detached_bytes_are_all_that_was_read_ahead():
    sink = RequestTranscript()
    receiver = RequestReceiver(sink)
    for piece in byte_by_byte(get() + b"\x81\x00"):
        receiver.receive(piece)
    assert receiver.detach() == b"\x81\x00"
    receiver.receive(b"GET")
    receiver.next_request()
    assert receiver.held == 0
    assert len(sink.events) == 1


def test_chunk_extension_is_not_forwarded():
    sink = read_requests([post(b"Transfer-Encoding: chunked") + b"1;secret\r\na\r\n0\r\n\r\n"])
    assert ("body", b"a") in sink.events


@pytest.mark.parametrize(
    ("fields", "expectation"),
    [
        ((), None),
        ((b"Expect: 100-continue",), b"100-continue"),
        ((b"Expect: 100-Continue ",), b"100-continue"),
        ((b"Expect: 200-ok",), b"200-ok"),
        ((b"Expect: 100-continue", b"Expect: 100-continue"), b"repeated"),
    ],
)
def test_expect_is_told(fields, expectation):
    assert read_requests([post(*fields)]).heads()[0].fields.expect == expectation


@pytest.mark.parametrize(
    ("raw", "kept_alive"),
    [
        (get(), True),
        (get(b"Connection: close"), False),
        (get(b"Connection: keep-alive, Close"), False),
        (head(b"GET / HTTP/1.0"), False),
        (head(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), True),
        (head(b"GET / HTTP/1.0", b"Connection: keep-alive, close"), False),
    ],
)
def test_http_10_is_kept_alive_only_when_asked_for(raw, kept_alive):
    assert read_requests([raw]).heads()[0].keep_alive is kept_alive


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (get(b"A: b", b" c"), "a folded field line"),
        (get(b"A : b"), "a blank before the colon of a field"),
        (get(b": b"), "a field without a name"),
        (get(b"A"), "a field line without a colon"),
        (get(b"A: \x00"), "a control byte in a field value"),
        (get(b"A(: b"), "a field name that is no token"),
        (b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", "a bare CR or LF in a field line"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", "a target with bytes that no URL has"),
        (b"G(T / HTTP/1.1\r\n\r\n", "a method that is no token"),
        (b"GET / HTTP/2.0\r\n\r\n", "an HTTP version other than 1.x"),
        (b"GET / FTP\r\n\r\n", "an HTTP version that is not HTTP/1.0 or HTTP/1.1"),
        (b"GET /\r\n\r\n", "a request line that has not three parts"),
    ],
)
def test_a_refusal_says_what_was_wrong(raw, detail):
    assert [error.detail for error in read_requests([raw]).errors] == [detail]


def test_a_method_has_no_side_that_is_refused_but_bad_tokens():
    refused = {s.fault for s in REQUEST_SAMPLES if s.rule == "method" and s.fault}
    assert refused == {Fault.MALFORMED}


@pytest.mark.parametrize(
    ("method", "is_idempotent"),
    [(b"GET", True), (b"HEAD", True), (b"OPTIONS", True), (b"PUT", True), (b"DELETE", True),
     (b"POST", False), (b"PATCH", False), (b"get", False), (b"LOCK", False)],
)  # fmt: skip
def test_only_idempotent_methods_may_be_sent_again(method: bytes, is_idempotent: bool):
    request = read_requests([head(method + b" / HTTP/1.1", b"Host: a")]).heads()[0]
    assert request.is_idempotent is is_idempotent


def test_a_field_that_passes_has_a_value():
    request = read_requests([get(b"X-A: 1 ", b"x-a: 2", b"X-Empty:")]).heads()[0]
    assert request.value(b"x-a") == b"1"
    assert request.value(b"x-empty") == b""
    assert request.value(b"x-b") is None
    # What is ours, or the next hop's, is no field that passes.
    assert request.value(b"host") is None


def test_a_refusal_tells_the_beginning_of_what_came():
    long = b"GET /" + b"a" * 20_000
    for raw, line in (
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.1"),
        (b"nonsense\r\n\r\n", b"nonsense"),
        (long, long[:256]),
    ):
        assert [error.line for error in read_requests([raw]).errors] == [line]

"""Answers read by two parsers that know nothing of each other: they must not come apart."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daarion_gw.wire.answer import Framing
from daarion_gw.wire.fields import pairs
from daarion_gw.wire.passage import answer_block
from tests.wire.oracle import answers, h11_answer, mutated
from tests.wire.passing import API, WHOLE, get
from tests.wire.transcript import read_answer, torn, written

METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST"])


def is_whole(sink) -> bool:
    return bool(sink.events) and sink.events[-1][0] == "end"


def body_of(sink) -> bytes:
    return b"".join(event[1] for event in sink.events if event[0] == "body")


@settings(max_examples=200, deadline=None)
@given(answers(), st.integers(0, 1000))
def test_valid_answers_are_read_alike(answer, seed):
    raw, content = answer
    sink, receiver = read_answer([raw], ended=True)
    theirs = h11_answer(raw, b"GET", closed=True)
    assert is_whole(sink)
    assert body_of(sink) == content
    head = sink.heads()[0]
    if not theirs.refused:
        assert theirs.ended
        assert theirs.body == content
        assert theirs.head[:2] == (head.status, head.reason)
        kept = pairs(head.kept)
        names = {name.lower() for name, _ in kept}
        assert [line for line in theirs.head[2] if line[0].lower() in names] == kept
    assert [e[1] for e in sink.events if e[0] == "informational"] == theirs.informational
    in_pieces, other = read_answer(torn(seed)(raw), ended=True)
    assert written(in_pieces.events) == written(sink.events)
    assert other.is_reusable is receiver.is_reusable


@settings(max_examples=600, deadline=None)
@given(
    mutated(answers().map(lambda answer: answer[0])), METHODS, st.booleans(), st.integers(0, 1000)
)
def test_mutated_answers_never_come_apart(raw, method, closed, seed):
    sink, receiver = read_answer([raw], method, ended=closed)
    theirs = h11_answer(raw, method, closed)
    if is_whole(sink) and not theirs.refused:
        assert theirs.ended
        assert theirs.body == body_of(sink)
        assert theirs.head[0] == sink.heads()[0].status
    if receiver.is_reusable:
        # Nothing is left over that could be taken for the next answer.
        assert is_whole(sink)
        assert theirs.refused or theirs.ended
    pieces, other = read_answer(torn(seed)(raw), method, ended=closed)
    assert is_whole(pieces) is is_whole(sink)
    assert other.is_reusable is receiver.is_reusable
    if is_whole(sink):
        assert written(pieces.events) == written(sink.events)


@settings(max_examples=200, deadline=None)
@given(
    answers().map(lambda answer: answer[0]) | mutated(answers().map(lambda answer: answer[0])),
    st.sampled_from([WHOLE, API]),
)
def test_what_is_passed_on_is_the_same_answer(raw, passage):
    sink, _ = read_answer([raw], ended=True)
    if not is_whole(sink) or not sink.heads():
        return
    head = sink.heads()[0]
    body, request = body_of(sink), get()
    framing = {
        Framing.CHUNKED: b"Transfer-Encoding: chunked\r\n",
        Framing.LENGTH: b"Content-Length: %d\r\n" % len(body),
        Framing.UNTIL_CLOSE: b"Transfer-Encoding: chunked\r\n",
        Framing.NONE: b"" if head.status in (204, 304) else b"Content-Length: 0\r\n",
    }[head.framing]
    if framing.startswith(b"T"):
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    block = answer_block(head, passage, request)
    assert not set(b"\r\n\x00") & set(block.replace(b"\r\n", b""))
    names = [name.lower() for name, _ in pairs(block)]
    assert not {b"content-length", b"connection", b"keep-alive", b"upgrade", b"te", b"trailer",
                b"x-request-id", b"proxy-authenticate"} & set(names)  # fmt: skip
    assert b"transfer-encoding" not in names or head.framing is Framing.NONE
    sent = b"HTTP/1.1 %d %b\r\n%b%b\r\n%b" % (head.status, head.reason, framing, block, body)
    again, receiver = read_answer([sent])
    assert is_whole(again)
    assert receiver.is_reusable
    assert again.heads()[0].status == head.status
    assert again.heads()[0].reason == head.reason
    assert body_of(again) == body_of(sink)
    theirs = h11_answer(sent, b"GET", closed=False)
    assert theirs.refused or theirs.ended
    assert theirs.refused or theirs.body == body_of(sink)

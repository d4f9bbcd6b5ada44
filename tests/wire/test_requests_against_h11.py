"""Requests read by two parsers that know nothing of each other: they must not come apart."""

from hypothesis import given, settings
from hypothesis import strategies as st

from daarion_gw.wire.fields import pairs
from daarion_gw.wire.passage import Passage, forwarding, request_bytes
from daarion_gw.wire.request import IDENTITY_NAMES, IDENTITY_PREFIXES
from tests.wire.oracle import Read, h11_requests, mutated, requests
from tests.wire.passing import API, PROXY, STRANGER, WHOLE
from tests.wire.transcript import FEEDINGS, RequestTranscript, read_requests, torn, written

MANY = settings(max_examples=200, deadline=None)
KEEPING = Passage(b"", b"", b"127.0.0.1:8000", b"ab12", keep_underscores=True)


def our_requests(sink: RequestTranscript) -> Read:
    """What `h11_requests` gives, with heads in place of fields."""
    read = Read(refused=sink.fault is not None)
    events = [*sink.events, ("",), ("",)]
    for at, event in enumerate(events):
        if event[0] != "head":
            continue
        head, body = event[1], b""
        if head.has_body:
            following = events[at + 1 : at + 3]
            if following[0][0] == "body":
                body = following.pop(0)[1]
            if following[0][0] != "end":
                continue
        read.messages.append((head.method, head.target, head, body))
    return read


def is_in_step(ours: Read, theirs: Read) -> bool:
    """Whether both read the same messages as far as both read."""
    for mine, other in zip(ours.messages, theirs.messages, strict=False):
        if mine[0] != other[0] or mine[3] != other[3]:
            return False
        if other[1][:1] == b"/" and mine[1] != other[1]:
            return False
    if len(ours.messages) > len(theirs.messages):
        return theirs.refused or theirs.stopped
    if len(ours.messages) < len(theirs.messages):
        return ours.refused
    return True


STREAMS = st.lists(requests(), min_size=1, max_size=3)


@MANY
@given(STREAMS, st.integers(0, 1000))
def test_valid_requests_are_read_alike(stream, seed):
    raw = b"".join(each for each, _ in stream)
    sink = read_requests([raw])
    ours, theirs = our_requests(sink), h11_requests(raw)
    assert not ours.refused
    assert [body for *_, body in ours.messages] == [content for _, content in stream]
    assert is_in_step(ours, theirs)
    assert written(read_requests(torn(seed)(raw)).events) == written(sink.events)
    assert written(read_requests(FEEDINGS["byte by byte"](raw)).events) == written(sink.events)


@MANY
@given(STREAMS)
def test_fields_that_pass_are_those_that_h11_reads(stream):
    raw = b"".join(each for each, _ in stream)
    ours, theirs = our_requests(read_requests([raw])), h11_requests(raw)
    for mine, other in zip(ours.messages, theirs.messages, strict=False):
        kept = pairs(mine[2].fields.kept)
        read = [(name, value) for name, value in other[2]]
        # In the same order, each as often as it was sent.
        at = 0
        for line in kept:
            at = read.index(line, at) + 1
        names = {name.lower() for name, _ in kept}
        assert [line for line in read if line[0].lower() in names] == kept


@settings(max_examples=600, deadline=None)
@given(mutated(st.lists(requests(b"1.1"), min_size=1, max_size=3).map(
    lambda stream: b"".join(each for each, _ in stream))), st.integers(0, 1000))  # fmt: skip
def test_mutated_requests_never_come_apart(raw, seed):
    sink = read_requests([raw])
    ours, theirs = our_requests(sink), h11_requests(raw)
    assert is_in_step(ours, theirs), (ours, theirs)
    # And however the bytes come, they mean the same.
    pieces = read_requests(torn(seed)(raw))
    assert our_requests(pieces).refused is ours.refused
    assert [m[:2] + m[3:] for m in our_requests(pieces).messages] == [
        m[:2] + m[3:] for m in ours.messages
    ]


def forwarded(message, peer, passage) -> bytes:
    """A message as it goes upstream, its body framed as its head says."""
    head, body = message[2], message[3]
    made = forwarding(head, peer, passage)
    raw = request_bytes(head, passage.target(head.target), made, b"id-1234567", False)
    if not head.chunked:
        return raw + body
    return raw + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


HOP_BY_HOP = {b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate",
              b"trailer", b"upgrade", b"proxy"}  # fmt: skip


def check_forwarded(raw: bytes, peer) -> None:
    head = raw[: raw.index(b"\r\n\r\n") + 2]
    assert not set(b"\r\n\x00") & set(head.replace(b"\r\n", b""))
    fields = [(name.lower(), value) for name, value in pairs(head.partition(b"\r\n")[2])]
    names = [name for name, _ in fields]
    for single in (b"host", b"content-length", b"transfer-encoding", b"x-request-id",
                   b"x-forwarded-for", b"x-real-ip", b"x-forwarded-proto"):  # fmt: skip
        assert names.count(single) <= 1
    assert not {b"content-length", b"transfer-encoding"} <= set(names)
    assert not HOP_BY_HOP & set(names)
    assert [v for n, v in fields if n == b"connection"] in ([], [b"TE"])
    assert [v for n, v in fields if n == b"te"] in ([], [b"trailers"])
    assert any(value == b"1.1 daarion (ab12)" for name, value in fields if name == b"via")
    if peer is STRANGER:
        said = [(n, v) for n, v in fields if n in IDENTITY_NAMES or n.startswith(IDENTITY_PREFIXES)]
        assert [n for n, _ in said[:3]] == [b"x-real-ip", b"x-forwarded-for", b"x-forwarded-proto"]
        assert [v for _, v in said[:3]] == [peer.address, peer.address, b"http"]
        assert {n for n, _ in said[3:]} <= {b"x-forwarded-host", b"x-forwarded-prefix"}


@MANY
@given(
    STREAMS | mutated(STREAMS.map(lambda stream: b"".join(each for each, _ in stream))).map(
        lambda raw: [(raw, b"")]
    ),
    st.sampled_from([STRANGER, PROXY]),
    st.sampled_from([WHOLE, API, KEEPING]),
)  # fmt: skip
def test_what_is_forwarded_is_exactly_one_message_and_the_same(stream, peer, passage):
    raw = b"".join(each for each, _ in stream)
    if passage is API:
        raw = raw.replace(b" /", b" /api/")
    for message in our_requests(read_requests([raw])).messages:
        if passage is API and not message[1].startswith(b"/api/"):
            continue
        sent = forwarded(message, peer, passage)
        check_forwarded(sent, peer)
        again = our_requests(read_requests([sent]))
        assert len(again.messages) == 1
        assert not again.refused
        method, target, head, body = again.messages[0]
        assert (method, body) == (message[0], message[3])
        assert target == passage.target(message[1])
        assert head.host == (message[2].host or passage.authority)
        assert head.fields.content_length == message[2].fields.content_length
        assert head.fields.kept.startswith(message[2].fields.kept)
        # Another reader agrees, where it reads such a method and target at all.
        theirs = h11_requests(sent)
        assert is_in_step(again, theirs)
        assert len(theirs.messages) == 1 or theirs.refused

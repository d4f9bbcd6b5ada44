"""h11 as an independent reader of the same bytes, and hypothesis' makings of messages."""

from dataclasses import dataclass, field

import h11
from hypothesis import strategies as st


@dataclass
class Read:
    """Whole messages in a stream; whether reading stopped at a fault, or at a close."""

    messages: list = field(default_factory=list)
    refused: bool = False
    stopped: bool = False


def h11_requests(raw: bytes) -> Read:
    """The requests as (method, target, fields, body), each answered at once."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
    reader.receive_data(raw)
    read = Read()
    request, body = None, b""
    try:
        while True:
            event = reader.next_event()
            if type(event) is h11.Request:
                request, body = event, b""
            elif type(event) is h11.Data:
                body += bytes(event.data)
            elif type(event) is h11.EndOfMessage:
                assert request is not None
                fields = request.headers.raw_items()
                read.messages.append((request.method, request.target, fields, body))
                reader.send(h11.Response(status_code=204, headers=[]))
                reader.send(h11.EndOfMessage())
                if reader.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    read.stopped = True
                    return read
                reader.start_next_cycle()
            else:
                return read
    except h11.ProtocolError:
        read.refused = True
        return read


@dataclass
class ReadAnswer:
    """One answer: informational statuses, then (status, reason, fields) and its body."""

    informational: list = field(default_factory=list)
    head: tuple | None = None
    body: bytes = b""
    ended: bool = False
    refused: bool = False


def h11_answer(raw: bytes, method: bytes, closed: bool) -> ReadAnswer:
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    read = ReadAnswer()
    try:
        reader.receive_data(raw)
        if closed:
            reader.receive_data(b"")
        while not read.ended:
            event = reader.next_event()
            if type(event) is h11.InformationalResponse:
                read.informational.append(event.status_code)
            elif type(event) is h11.Response:
                read.head = (event.status_code, bytes(event.reason), event.headers.raw_items())
            elif type(event) is h11.Data:
                read.body += bytes(event.data)
            elif type(event) is h11.EndOfMessage:
                read.ended = True
            else:
                return read
    except h11.ProtocolError:
        read.refused = True
    return read


TOKENS = st.text("abzAZ09!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
VALUES = st.lists(
    st.sampled_from([*b"\t \x21aZ,;=:\"\\/\x7e\x80\xff"]), max_size=12
).map(bytes)  # fmt: skip
NAMES = st.sampled_from(
    b"Accept accept Cookie Via X-A x-a X_A Connection Keep-Alive TE Trailer Upgrade Proxy "
    b"Proxy-Authorization X-Forwarded-For X-Real-IP Forwarded X-Request-Id Expect Max-Forwards "
    b"Remote-User X-WEBAUTH-USER X-Forwarded_For Location Set-Cookie Date X-Frame-Options "
    b"Refresh".split()
)
CHOSEN_VALUES = st.sampled_from(
    [b"close", b"keep-alive", b"X-A, x_a", b"Content-Length, Host", b"trailers", b"websocket",
     b"Upgrade", b"5", b"0", b"100-continue", b"/x", b"a=b; Path=/", b"1.2.3.4", b""]
)  # fmt: skip
PADDING = st.sampled_from([b"", b" ", b"\t ", b"  "])


@st.composite
def field_lines(draw) -> bytes:
    """Valid field lines, none of which frames the message."""
    lines = draw(st.lists(st.tuples(NAMES | TOKENS, PADDING, CHOSEN_VALUES | VALUES), max_size=8))
    return b"".join(
        b"%b:%b%b\r\n" % line
        for line in lines
        if line[0].lower() not in (b"host", b"content-length", b"transfer-encoding")
    )


@st.composite
def bodies(draw, codings: bool = True) -> tuple[bytes, bytes, bytes]:
    """A body as (framing lines, bytes on the wire, content)."""
    content = draw(st.binary(max_size=40) | st.binary(min_size=16, max_size=300))
    kind = draw(st.sampled_from(["none", "length", "chunks"] if codings else ["none", "length"]))
    if kind == "none":
        return b"", b"", b""
    if kind == "length":
        return b"Content-Length: %d\r\n" % len(content), content, content
    wire, left = b"", content
    while left:
        size = draw(st.integers(1, len(left)))
        extension = draw(st.sampled_from([b"", b"", b";a", b';a="b c"', b";"]))
        digits = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % size
        wire += digits + extension + b"\r\n" + left[:size] + b"\r\n"
        left = left[size:]
    wire += draw(st.sampled_from([b"0\r\n\r\n", b"00\r\n\r\n", b"0;a\r\nX-T: 1\r\n\r\n"]))
    return b"transfer-encoding: Chunked\r\n", wire, content


@st.composite
def requests(draw, version: bytes | None = None) -> tuple[bytes, bytes]:
    """A valid request as (bytes, content of its body)."""
    minor = version or draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PURGE", b"get"]))
    target = draw(
        st.sampled_from([b"/", b"/a?b=c", b"/%2F//.;a", b"//a", b"http://a/b", b"http://a?b"])
    )
    framing, wire, content = draw(bodies(codings=minor == b"1.1"))
    before, after = draw(field_lines()), draw(field_lines())
    blank = draw(st.sampled_from([b"", b"", b"", b"\r\n"]))
    head = b"%b%b %b HTTP/%b\r\n%bHost: a\r\n%b%b\r\n" % (
        blank, method, target, minor, before, framing, after
    )  # fmt: skip
    return head + wire, content


@st.composite
def answers(draw) -> tuple[bytes, bytes]:
    """A valid answer to GET as (bytes, content of its body); without length it needs a close."""
    status = draw(st.sampled_from([b"200 OK", b"404 Not Found", b"302 ", b"599 \xd1\x97", b"200"]))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n",
                                    b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n"]))  # fmt: skip
    framing, wire, content = draw(bodies())
    if not framing:
        wire = content = draw(st.binary(max_size=20))
    head = b"%bHTTP/1.1 %b\r\n%b%b%b\r\n" % (
        interim, status, draw(field_lines()), framing, draw(field_lines())
    )  # fmt: skip
    return head + wire, content


# Bytes with which parsers are told apart.
NASTY = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b",", b";", b"0", b"1", b"f", b"+", b"-",
     b"0x", b"_", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\xff", b"\r\n ", b"\r\n\r\n", b"chunked",
     b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"HTTP/1.1"]
)  # fmt: skip


NASTY_LINES = st.sampled_from(
    [b"Content-Length: 0", b"content-length: 1", b"Content-Length: 5", b"Content-Length: 1, 1",
     b"Content-Length: +1", b"Content-Length : 1", b"Content-Length:1 ", b"Content_Length: 1",
     b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding: identity",
     b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:",
     b"Host: b", b" folded", b"\tContent-Length: 1", b": a", b"A", b"", b"0", b"1", b"5;a",
     b"GET / HTTP/1.1", b"HTTP/1.1 204 No Content", b"Connection: close"]
)  # fmt: skip


@st.composite
def mutated(draw, originals) -> bytes:
    """Bytes of ``originals`` with a few of them changed, left out, put in or said again."""
    raw = draw(originals)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        until = min(len(raw), at + draw(st.integers(0, 4)))
        kind = draw(
            st.sampled_from(
                ["flip", "put in", "replace", "cut", "again", "line", "line", "line", "tail"]
            )
        )
        if kind == "flip" and at < len(raw):
            raw = raw[:at] + bytes([raw[at] ^ 1 << draw(st.integers(0, 7))]) + raw[at + 1 :]
        elif kind == "put in":
            raw = raw[:at] + draw(NASTY) + raw[at:]
        elif kind == "replace":
            raw = raw[:at] + draw(NASTY) + raw[until:]
        elif kind == "cut":
            raw = raw[:at] + raw[until:]
        elif kind == "again":
            raw = raw[:until] + raw[at:]
        elif kind == "line":
            lines = raw.split(b"\r\n")
            lines.insert(draw(st.integers(1, len(lines))), draw(NASTY_LINES))
            raw = b"\r\n".join(lines)
        elif kind == "tail":
            raw += draw(NASTY)
    return raw

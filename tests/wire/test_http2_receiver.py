"""What a client may say over HTTP/2, RFC 9113 section by section."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire import http2_frames as h2
from daarion_gw.wire.http2_frames import ErrorCode, frame
from daarion_gw.wire.http2_receiver import IN_A_ROW, OUR_PREFACE
from daarion_gw.wire.http2_streams import CONNECTION_WINDOW, STREAM_WINDOW, STREAMS_AT_MOST
from tests.wire.http2_played import (
    END_HEADERS,
    END_STREAM,
    GET,
    POST,
    PREFACE,
    Played,
    block,
    data,
    headers,
    played,
)

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR
STREAM_CLOSED = ErrorCode.STREAM_CLOSED
COMPRESSION_ERROR = ErrorCode.COMPRESSION_ERROR
ENHANCE_YOUR_CALM = ErrorCode.ENHANCE_YOUR_CALM

REQUEST = (1, "request", "GET", "/", False)
OPEN = headers(1, POST, END_HEADERS)


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def setting(name: int, value: int) -> bytes:
    return frame(h2.SETTINGS, 0, 0, name.to_bytes(2, "big") + number(value))


# what is understood


def test_a_request():
    told = played(headers())
    assert told.events == [REQUEST]
    assert told.heads[0].version == b"HTTP/2.0"
    assert told.said == [(h2.SETTINGS, 0, b"")], "the client's settings are acknowledged"


def test_what_we_agree_to_is_what_is_enforced():
    told = Played()
    told._say(OUR_PREFACE)
    (_, _, settings), (kind, stream, increment) = told.said
    values = {settings[at + 1]: int.from_bytes(settings[at + 2 : at + 6], "big")
              for at in range(0, len(settings), 6)}  # fmt: skip
    assert values == {
        h2.MAX_CONCURRENT_STREAMS: STREAMS_AT_MOST,
        h2.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        h2.MAX_HEADER_LIST_SIZE: 64 * 1024,
    }
    assert (kind, stream) == (h2.WINDOW_UPDATE, 0)
    assert int.from_bytes(increment, "big") == CONNECTION_WINDOW - 65_535


def test_a_body_in_pieces_padded_and_with_trailers():
    told = played(
        headers(1, POST, END_HEADERS),
        data(1, b"one"),
        frame(h2.DATA, h2.PADDED, 1, b"\x04two" + b"\0" * 4),
        frame(h2.HEADERS, END_STREAM | END_HEADERS, 1, block([("x-sum", "1")])),
    )
    assert told.events == [
        (1, "request", "POST", "/", True), (1, "body", b"onetwo"), (1, "end")]  # fmt: skip


def test_a_head_in_pieces_padded_and_with_a_priority():
    whole = block(GET)
    told = played(
        frame(h2.HEADERS, END_STREAM | h2.PADDED | h2.PRIORITISED, 1,
              b"\x02" + b"\0\0\0\0\xff" + whole[:3] + b"\0\0"),
        frame(h2.CONTINUATION, 0, 1, whole[3:4]),
        frame(h2.CONTINUATION, END_HEADERS, 1, whole[4:]),
    )  # fmt: skip
    assert told.events == [REQUEST]


def test_many_streams():
    told = played(*[headers(stream) for stream in (1, 3, 7, 9)])
    assert [event[0] for event in told.events] == [1, 3, 7, 9]
    assert told.fault is None


def test_a_request_repeated_in_the_same_bytes_is_known():
    told = played(*[headers(stream) for stream in (1, 3, 5)])
    assert told.heads[1] is told.heads[2]


def test_the_same_bytes_mean_something_else_when_the_table_has_changed():
    indexed = bytes([0x82, 0x87, 0x84, 0xBE])
    insert = b"\x40\x0a:authority\x03"
    one = bytes([0x82, 0x87, 0x84]) + insert + b"one"
    two = bytes([0x82, 0x87, 0x84]) + insert + b"two"
    flags = END_STREAM | END_HEADERS
    told = played(
        frame(h2.HEADERS, flags, 1, one),
        frame(h2.HEADERS, flags, 3, indexed),
        frame(h2.HEADERS, flags, 5, indexed),
        frame(h2.HEADERS, flags, 7, two),
        frame(h2.HEADERS, flags, 9, indexed),
    )
    assert [head.host for head in told.heads] == [b"one", b"one", b"one", b"two", b"two"]


def test_the_same_block_with_and_without_a_body_is_not_the_same():
    told = played(headers(1), headers(3), headers(5, GET, END_HEADERS))
    assert [head.chunked for head in told.heads] == [False, False, True]
    assert [head.has_body for head in told.heads] == [False, False, True]


def test_pings_are_answered_and_answers_are_not():
    told = played(frame(h2.PING, 0, 0, b"12345678"), frame(h2.PING, h2.ACK, 0, b"abcdefgh"))
    assert told.said[1:] == [(h2.PING, 0, b"12345678")]


def test_what_nobody_knows_is_ignored():
    told = played(frame(0x42, 0xFF, 7, b"?"), setting(0x99, 1), headers())
    assert told.events[-1] == REQUEST and told.fault is None


def test_priorities_are_ignored():
    told = played(frame(h2.PRIORITY, 0, 9, b"\0\0\0\3\1"), headers(1))
    assert told.events == [REQUEST]


def test_the_reserved_bit_is_ignored():
    told = played(h2.frame_head(len(block(GET)), h2.HEADERS, 5, 0x80000001) + block(GET))
    assert told.events == [REQUEST]


def test_settings_and_windows_are_told():
    told = played(setting(h2.INITIAL_WINDOW_SIZE, 9), OPEN,
                  frame(h2.WINDOW_UPDATE, 0, 0, number(5)),
                  frame(h2.WINDOW_UPDATE, 0, 1, number(0x80000006)),
                  h2.goaway(0, 0))  # fmt: skip
    assert told.events == [
        (0, "settings", {h2.INITIAL_WINDOW_SIZE: 9}), (1, "request", "POST", "/", True),
        (0, "window", 5), (1, "window", 6), (0, "leaves"),
    ]  # fmt: skip


def test_a_stream_given_up():
    told = played(OPEN, h2.reset(1, 8), headers(3))
    assert told.events[1] == (1, "reset")
    assert list(told.receiver.streams.under_way) == [3]


SAMPLE = b"".join([
    headers(1, POST, END_HEADERS), data(1, b"abc"), headers(3), data(1, b"def", END_STREAM),
    frame(h2.PING, 0, 0, b"12345678"), h2.window_update(0, 7), h2.reset(3, 8), headers(5),
])  # fmt: skip


@given(st.lists(st.integers(1, 40), max_size=60))
def test_the_pieces_that_bytes_come_in_mean_nothing(sizes):
    raw = PREFACE + SAMPLE
    pieces, at = [], 0
    for size in sizes:
        pieces.append(raw[at : at + size])
        at += size
    told = Played().feed(*pieces, raw[at:])
    whole = Played().feed(raw)
    assert (told.events, told.said, told.fault) == (whole.events, whole.said, None)


@given(st.binary(max_size=200))
def test_no_bytes_make_anything_else_than_a_fault(noise):
    Played().feed(PREFACE + noise)
    Played().feed(PREFACE + SAMPLE + noise)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255), st.integers(0, 6),
                          st.binary(max_size=20)), max_size=12))  # fmt: skip
def test_no_frames_make_anything_else_than_a_fault(frames):
    Played().feed(PREFACE + OPEN + b"".join(frame(*each) for each in frames))


def test_requests_that_come_together_are_begun_in_turns():
    told = Played()
    raw = PREFACE + b"".join(headers(2 * place + 1) for place in range(IN_A_ROW + 5))
    assert told.receiver.receive(raw, 0.0)
    assert len(told.events) == IN_A_ROW and told.receiver.held
    assert not told.receiver.receive(b"", 0.0)
    assert len(told.events) == IN_A_ROW + 5 and not told.receiver.held


@pytest.mark.parametrize(
    ("raw", "awaits"),
    [
        (b"", True),
        (PREFACE[:30], True),
        (PREFACE, False),
        (PREFACE + b"\0", True),
        (PREFACE + headers()[:9], True),
        (PREFACE + headers(flags=END_STREAM), True),
        (PREFACE + headers(), False),
        (PREFACE + OPEN + data(1, b"abc")[:11], False),
    ],
)
def test_whether_a_head_is_waited_for(raw, awaits):
    assert Played().feed(raw).receiver.awaits_head is awaits


# what ends the connection

BLOCK = block(GET)
BROKEN = {
    "3.4 not the preface": (b"GET / HTTP/1.1\r\n\r\n", PROTOCOL_ERROR),
    "3.4 a preface that goes wrong": (h2.PREFACE[:20] + b"!", PROTOCOL_ERROR),
    "3.4 no SETTINGS after it": (h2.PREFACE + headers(), PROTOCOL_ERROR),
    "3.4 an acknowledgement after it": (h2.PREFACE + h2.SETTINGS_TAKEN, PROTOCOL_ERROR),
    "4.2 a frame that is too large": (h2.frame_head(16_385, h2.DATA, 0, 1), FRAME_SIZE_ERROR),
    "4.3 a block that cannot be read": (frame(h2.HEADERS, 5, 1, b"\x80"), COMPRESSION_ERROR),
    "5.1 DATA on an idle stream": (data(1, b"x"), PROTOCOL_ERROR),
    "5.1 a reset of an idle stream": (h2.reset(1, 8), PROTOCOL_ERROR),
    "5.1 a window for an idle stream": (h2.window_update(1, 1), PROTOCOL_ERROR),
    "5.1 DATA behind a reset": (OPEN + h2.reset(1, 8) + data(1, b"x"), STREAM_CLOSED),
    "5.1 HEADERS behind a reset": (OPEN + h2.reset(1, 8) + headers(1), STREAM_CLOSED),
    "5.1.1 a stream that no client opens": (headers(2), PROTOCOL_ERROR),
    "5.1.1 a stream lower than one before": (headers(5) + headers(3), PROTOCOL_ERROR),
    "6.1 DATA on no stream": (data(0, b"x"), PROTOCOL_ERROR),
    "6.1 padding as long as the frame": (
        OPEN + frame(h2.DATA, h2.PADDED, 1, b"\x03abc"[:3]), PROTOCOL_ERROR),
    "6.1 padding without its size": (OPEN + frame(h2.DATA, h2.PADDED, 1), FRAME_SIZE_ERROR),
    "6.2 HEADERS on no stream": (headers(0), PROTOCOL_ERROR),
    "6.2 padding longer than the head": (
        frame(h2.HEADERS, 5 | h2.PADDED, 1, b"\xff" + BLOCK), PROTOCOL_ERROR),
    "6.2 no room for the priority": (
        frame(h2.HEADERS, 5 | h2.PRIORITISED, 1, b"1234"), PROTOCOL_ERROR),
    "6.3 PRIORITY on no stream": (frame(h2.PRIORITY, 0, 0, b"12345"), PROTOCOL_ERROR),
    "6.3 PRIORITY of odd size, idle": (frame(h2.PRIORITY, 0, 1, b"1234"), FRAME_SIZE_ERROR),
    "6.4 a reset of no stream": (h2.reset(0, 8), PROTOCOL_ERROR),
    "6.4 a reset of odd size": (OPEN + frame(h2.RST_STREAM, 0, 1, b"123"), FRAME_SIZE_ERROR),
    "6.5 SETTINGS on a stream": (frame(h2.SETTINGS, 0, 1), PROTOCOL_ERROR),
    "6.5 SETTINGS of odd size": (frame(h2.SETTINGS, 0, 0, b"12345"), FRAME_SIZE_ERROR),
    "6.5 an acknowledgement with settings": (
        frame(h2.SETTINGS, h2.ACK, 0, b"123456"), FRAME_SIZE_ERROR),
    "6.5.2 ENABLE_PUSH of 2": (setting(h2.ENABLE_PUSH, 2), PROTOCOL_ERROR),
    "6.5.2 a window of 2**31": (setting(h2.INITIAL_WINDOW_SIZE, 2**31), FLOW_CONTROL_ERROR),
    "6.5.2 frames too small": (setting(h2.MAX_FRAME_SIZE, 16_383), PROTOCOL_ERROR),
    "6.5.2 frames too large": (setting(h2.MAX_FRAME_SIZE, 2**24), PROTOCOL_ERROR),
    "6.6 a push": (frame(h2.PUSH_PROMISE, 4, 1, number(2)), PROTOCOL_ERROR),
    "6.7 PING on a stream": (frame(h2.PING, 0, 1, b"12345678"), PROTOCOL_ERROR),
    "6.7 PING of odd size": (frame(h2.PING, 0, 0, b"1234567"), FRAME_SIZE_ERROR),
    "6.8 GOAWAY on a stream": (frame(h2.GOAWAY, 0, 1, b"12345678"), PROTOCOL_ERROR),
    "6.8 GOAWAY too short": (frame(h2.GOAWAY, 0, 0, b"1234"), FRAME_SIZE_ERROR),
    "6.9 a window update of nothing": (h2.window_update(0, 0), PROTOCOL_ERROR),
    "6.9 a window update of odd size": (
        frame(h2.WINDOW_UPDATE, 0, 0, b"123"), FRAME_SIZE_ERROR),
    "6.9.1 more DATA than the connection takes": (
        b"".join(headers(2 * place + 1, POST, END_HEADERS)
                 + data(2 * place + 1, b"x" * 16_384) * 16 for place in range(5)),
        FLOW_CONTROL_ERROR),
    "6.10 CONTINUATION of nothing": (frame(h2.CONTINUATION, 4, 1), PROTOCOL_ERROR),
    "6.10 another frame inside a block": (
        headers(1, flags=END_STREAM) + frame(h2.PING, 0, 0, b"12345678"), PROTOCOL_ERROR),
    "6.10 an unknown frame inside a block": (
        headers(1, flags=END_STREAM) + frame(0x42, 0, 1), PROTOCOL_ERROR),
    "6.10 another stream's CONTINUATION": (
        headers(1, flags=END_STREAM) + frame(h2.CONTINUATION, 4, 3), PROTOCOL_ERROR),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_what_ends_the_connection(rule):
    raw, code = BROKEN[rule]
    told = Played(takes=False).feed(raw if rule.startswith("3.4") else PREFACE + raw)
    assert told.fault is code


# what ends a stream alone

LONG = [*POST, ("content-length", "5")]
LENGTHY = headers(1, LONG, END_HEADERS)
TRAILERS = END_STREAM | END_HEADERS
STREAM_FAULTS = {
    "5.1 DATA behind the end": (headers(1) + data(1, b"x"), STREAM_CLOSED),
    "5.1 HEADERS behind the end": (headers(1) + headers(1), STREAM_CLOSED),
    "6.3 PRIORITY of odd size": (OPEN + frame(h2.PRIORITY, 0, 1, b"1234"), FRAME_SIZE_ERROR),
    "6.9 a window update of nothing": (OPEN + h2.window_update(1, 0), PROTOCOL_ERROR),
    "6.9.1 more DATA than the stream takes": (
        OPEN + data(1, b"x" * 16_384) * 17, FLOW_CONTROL_ERROR),
    "8.1 trailers that end nothing": (
        OPEN + headers(1, [("x", "y")], END_HEADERS), PROTOCOL_ERROR),
    "8.1 a pseudo-field in trailers": (OPEN + headers(1, [(":path", "/")]), PROTOCOL_ERROR),
    "8.1 a trailer of a connection": (OPEN + headers(1, [("upgrade", "x")]), PROTOCOL_ERROR),
    "8.1.1 a body too long": (LENGTHY + data(1, b"123456"), PROTOCOL_ERROR),
    "8.1.1 a body too short": (LENGTHY + data(1, b"1234", END_STREAM), PROTOCOL_ERROR),
    "8.1.1 no body where one was declared": (headers(1, LONG), PROTOCOL_ERROR),
    "8.1.1 a body too short before trailers": (
        LENGTHY + data(1, b"1234") + headers(1, [("x", "y")], TRAILERS), PROTOCOL_ERROR),
    "8.2.1 a capital": (headers(1, [*GET, ("Accept", "x")]), PROTOCOL_ERROR),
}  # fmt: skip


@pytest.mark.parametrize("rule", STREAM_FAULTS)
def test_what_ends_a_stream_alone(rule):
    raw, code = STREAM_FAULTS[rule]
    told = played(raw, headers(3), takes=False)
    assert told.fault is None
    assert told.resets() == [(1, code)]
    assert list(told.receiver.streams.under_way) == [3]
    assert told.events[-1] == (3, "request", "GET", "/", False)


def test_what_is_no_request_is_refused_before_it_is_reset():
    told = played(headers(1, [*GET, ("connection", "close")]))
    assert told.events[0] == (1, "refused", "MALFORMED")


def test_what_is_a_request_and_not_for_us_is_refused_alone():
    told = played(headers(1, [(":method", "CONNECT"), (":authority", "x:1")]))
    assert told.events == [(1, "refused", "METHOD_NOT_ALLOWED")]
    assert told.resets() == []


def test_a_body_that_is_not_as_declared_breaks_its_request():
    told = played(LENGTHY, data(1, b"123456"))
    assert told.events[1:] == [(1, "refused", "MALFORMED"), (1, "reset")]


def test_a_list_that_is_too_long_is_refused_and_does_no_other_harm():
    big = [(f"x-{place}", "v" * 4000) for place in range(17)]
    flags = END_STREAM
    whole = block([*GET, *big])
    pieces = [whole[at : at + 16_000] for at in range(0, len(whole), 16_000)]
    told = played(
        frame(h2.HEADERS, flags, 1, pieces[0]),
        *[frame(h2.CONTINUATION, 0, 1, piece) for piece in pieces[1:]],
        frame(h2.CONTINUATION, END_HEADERS, 1),
        headers(3),
    )
    assert told.events == [(1, "refused", "FIELDS_TOO_LARGE"), (3, *REQUEST[1:])]


# streams that we have ended


def test_what_was_on_its_way_when_we_reset_a_stream_is_ignored():
    told = played(OPEN)
    told.receiver.streams.close(1, was_reset=True)
    told.feed(data(1, b"late"), headers(1, [("x", "y")]), h2.window_update(1, 5), h2.reset(1, 0))
    assert told.fault is None and len(told.events) == 1


def test_its_header_blocks_are_read_all_the_same():
    told = played(OPEN)
    told.receiver.streams.close(1, was_reset=True)
    insert = b"\x40\x01a\x01b"
    told.feed(frame(h2.HEADERS, TRAILERS, 1, insert))
    told.feed(frame(h2.HEADERS, TRAILERS, 3, BLOCK + b"\xbe"))
    assert b"a: b" in told.heads[-1].fields.kept


def test_after_goaway_new_streams_are_ignored_and_the_others_go_on():
    told = played(OPEN)
    told.receiver.streams.takes_new = False
    told.feed(headers(3, POST, END_HEADERS), data(3, b"x"), headers(3, [("x", "y")], TRAILERS))
    told.feed(h2.reset(3, 8), data(1, b"abc", END_STREAM))
    assert told.events[1:] == [(1, "body", b"abc"), (1, "end")]
    assert told.fault is None and told.resets() == []


def test_after_goaway_new_streams_are_not_asked_for_ever():
    told = played(h2.goaway(0, 0))
    told.receiver.streams.takes_new = False
    told.feed(*[headers(2 * place + 1) for place in range(1_100)])
    assert told.fault is ENHANCE_YOUR_CALM


def test_too_many_streams_are_refused_one_by_one():
    streams = [2 * place + 1 for place in range(STREAMS_AT_MOST + 2)]
    told = played(*[headers(stream) for stream in streams])
    assert told.resets() == [(stream, ErrorCode.REFUSED_STREAM) for stream in streams[-2:]]
    told.receiver.streams.close(1)
    told.feed(headers(streams[-1] + 2))
    assert told.events[-1][0] == streams[-1] + 2


# windows


def test_windows_are_opened_as_bodies_are_taken():
    told = played(OPEN, *[data(1, b"x" * 16_384)] * 64)
    assert told.fault is None
    stream = [increment for number, increment in told.windows() if number == 1]
    connection = [increment for number, increment in told.windows() if number == 0]
    assert sum(stream) == sum(connection) == CONNECTION_WINDOW
    assert len(stream) == 16 and len(connection) == 4


def test_windows_stay_shut_while_nothing_is_taken():
    told = played(OPEN, data(1, b"x" * 16_384) * 16, takes=False)
    assert told.windows() == []
    stream = told.receiver.streams.under_way[1]
    told.receiver.streams.taken(stream, STREAM_WINDOW)
    assert told.windows() == [(0, STREAM_WINDOW), (1, STREAM_WINDOW)]


def test_padding_counts_and_is_given_back():
    told = played(OPEN, *[frame(h2.DATA, h2.PADDED, 1, b"\xffx" + b"\0" * 255)] * 2_000)
    assert told.fault is None and told.resets() == []


def test_what_comes_on_streams_that_are_over_counts_for_the_connection():
    told = played(OPEN)
    told.receiver.streams.close(1, was_reset=True)
    told.feed(*[data(1, b"x" * 16_384)] * 100)
    assert told.fault is None
    assert (
        sum(increment for number, increment in told.windows() if number == 0) >= CONNECTION_WINDOW
    )


# too much of what is of no use

FLOODS = {
    "PING": frame(h2.PING, 0, 0, b"12345678"),
    "SETTINGS": frame(h2.SETTINGS, 0, 0),
    "acknowledgements": h2.SETTINGS_TAKEN,
    "PRIORITY": frame(h2.PRIORITY, 0, 1, b"12345"),
    "empty DATA": data(1),
    "WINDOW_UPDATE": h2.window_update(0, 1),
    "WINDOW_UPDATE of a stream": h2.window_update(1, 1),
    "GOAWAY": h2.goaway(0, 0),
    "unknown": frame(0x42, 0, 0),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_trifles(kind):
    told = played(OPEN, FLOODS[kind] * 90)
    assert told.fault is None
    assert told.feed(FLOODS[kind] * 1_000).fault is ENHANCE_YOUR_CALM


@pytest.mark.parametrize("kind", FLOODS)
def test_the_same_over_hours_is_none(kind):
    told = played(OPEN)
    for _ in range(2_000):
        told.now += 1.0
        told.feed(FLOODS[kind])
    assert told.fault is None


def test_a_flood_of_continuations():
    told = played(headers(1, flags=END_STREAM), frame(h2.CONTINUATION, 0, 1) * 1_100)
    assert told.fault is ENHANCE_YOUR_CALM
    told = played(headers(1, flags=END_STREAM), frame(h2.CONTINUATION, 0, 1, b"\x82" * 16_384) * 4)
    assert told.fault is ENHANCE_YOUR_CALM


RESETS = {
    # CVE-2023-44487
    "by the client": lambda stream: headers(stream) + h2.reset(stream, 8),
    # CVE-2025-8671
    "by us, for a window": lambda stream: headers(stream) + h2.window_update(stream, 0),
    "by us, for DATA behind the end": lambda stream: headers(stream) + data(stream, b"x"),
    "by us, for HEADERS behind the end": lambda stream: headers(stream) * 2,
    "by us, for PRIORITY": lambda stream: headers(stream) + frame(h2.PRIORITY, 0, stream, b"1"),
    "by us, for what is no request": lambda stream: headers(stream, [("x", "y")]),
    "by us, for a wrong length": lambda stream: headers(stream, LONG),
}


@pytest.mark.parametrize("kind", RESETS)
def test_rapid_resets(kind):
    told = played(*[RESETS[kind](2 * place + 1) for place in range(200)])
    assert told.fault is None
    told.feed(*[RESETS[kind](2 * place + 1) for place in range(200, 700)])
    assert told.fault is ENHANCE_YOUR_CALM
    assert len(told.receiver.streams.under_way) <= 1


@pytest.mark.parametrize("kind", RESETS)
def test_resets_now_and_then(kind):
    told = played()
    for place in range(3_000):
        told.now += 0.1
        told.feed(RESETS[kind](2 * place + 1))
    assert told.fault is None


def test_refusals_of_streams_count_too():
    told = played(*[headers(2 * place + 1) for place in range(STREAMS_AT_MOST + 600)])
    assert told.fault is ENHANCE_YOUR_CALM

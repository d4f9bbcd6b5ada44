"""Bodies through windows: what goes out, what waits, and whose turn it is (RFC 9113 5.2, 6.9)."""

from dataclasses import dataclass, field

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire import http2_frames as h2
from daarion_gw.wire.http2_frames import ConnectionFault, ErrorCode, StreamFault
from daarion_gw.wire.http2_outflow import Outflow


@dataclass(eq=False)
class Outlet:
    id: int
    window: int = h2.WINDOW
    waiting: bytes = b""
    ends: bool = False
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_queued: bool = False
    went_out: int = 0
    drains: int = 0
    is_sent: bool = False

    def drained(self) -> None:
        self.drains += 1

    def sent(self) -> None:
        assert not self.is_sent
        self.is_sent = True


class Wire:
    """An outflow, and the frames that it wrote: (type, flags, stream, payload)."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, int, int, bytes]] = []
        self.useful = 0
        self.full_after: int | None = None
        self.outflow = Outflow(self._write, self._useful)

    def _useful(self) -> None:
        self.useful += 1

    def _write(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            high, low, kind, flags, number = h2.read_head(data, at)
            at += 9 + (high << 8 | low)
            assert high << 8 | low <= h2.FRAME_SIZE
            self.frames.append((kind, flags, number, data[at - (high << 8 | low) : at]))
        if self.full_after is not None:
            self.full_after -= len(data)
            self.outflow.is_full = self.full_after <= 0

    def body(self, number: int) -> bytes:
        return b"".join(frame[3] for frame in self.frames if frame[0] == 0 and frame[2] == number)


@pytest.fixture
def wire():
    return Wire()


def test_what_fits_goes_out_at_once(wire):
    one = Outlet(1)
    wire.outflow.body(one, b"abc", ends=False)
    wire.outflow.body(one, b"def", ends=True)
    assert wire.frames == [(h2.DATA, 0, 1, b"abc"), (h2.DATA, h2.END_STREAM, 1, b"def")]
    assert one.is_sent and one.window == h2.WINDOW - 6 == wire.outflow.window
    assert wire.useful == 2


def test_a_head_goes_out_whatever_the_windows_are(wire):
    one = Outlet(1, window=0)
    wire.outflow.window = 0
    wire.outflow.is_full = True
    wire.outflow.head(one, b"block", ends=False)
    wire.outflow.head(one, b"last", ends=True)
    assert wire.frames == [(h2.HEADERS, 4, 1, b"block"), (h2.HEADERS, 5, 1, b"last")]
    assert one.is_sent


def test_a_large_block_is_continued(wire):
    wire.outflow.head(Outlet(1), b"x" * 40_000, ends=True)
    assert [(kind, flags, len(payload)) for kind, flags, _, payload in wire.frames] == [
        (h2.HEADERS, h2.END_STREAM, 16_384),
        (h2.CONTINUATION, 0, 16_384),
        (h2.CONTINUATION, h2.END_HEADERS, 7_232),
    ]


def test_the_end_needs_no_window(wire):
    one = Outlet(1, window=0)
    wire.outflow.end(one, [])
    assert wire.frames == [(h2.DATA, h2.END_STREAM, 1, b"")] and one.is_sent


def test_what_does_not_fit_waits_for_its_own_window(wire):
    one = Outlet(1, window=2)
    wire.outflow.body(one, b"abcde", ends=False, before=h2.frame(h2.HEADERS, 4, 1, b"head"))
    assert wire.frames == [(h2.HEADERS, 4, 1, b"head"), (h2.DATA, 0, 1, b"ab")]
    assert one.waiting == b"cde"
    wire.outflow.end(one, [(b"x", b"y")])
    assert not one.is_sent
    wire.outflow.stream_opened(one, 2)
    assert wire.body(1) == b"abcd" and not one.is_sent
    wire.outflow.stream_opened(one, 2)
    assert wire.body(1) == b"abcde" and one.is_sent
    kind, flags, _, payload = wire.frames[-1]
    assert (kind, flags) == (h2.HEADERS, h2.END_STREAM | h2.END_HEADERS)
    assert hpack.Decoder().decode(payload, raw=True) == [(b"x", b"y")]


def test_what_does_not_fit_waits_for_the_connections_window(wire):
    one, three = Outlet(1, window=10**6), Outlet(3, window=10**6)
    wire.outflow.body(one, b"x" * h2.WINDOW, ends=False)
    wire.outflow.body(three, b"abc", ends=False)
    assert three.waiting == b"abc" and wire.body(3) == b""
    wire.outflow.opened(5)
    assert wire.body(3) == b"abc" and three.drains == 1


def test_an_end_that_waits_comes_with_the_last_piece(wire):
    one = Outlet(1, window=1)
    wire.outflow.body(one, b"ab", ends=True)
    wire.outflow.stream_opened(one, 9)
    assert wire.frames == [(h2.DATA, 0, 1, b"a"), (h2.DATA, h2.END_STREAM, 1, b"b")]
    assert one.is_sent and not one.drains


def test_streams_take_turns_a_frame_each(wire):
    wire.outflow.window = 0
    outlets = [Outlet(number, window=10**6) for number in (1, 3, 5)]
    for outlet in outlets:
        wire.outflow.body(outlet, b"x" * 50_000, ends=False)
    wire.outflow.opened(6 * 16_384)
    assert [number for _, _, number, _ in wire.frames] == [1, 3, 5, 1, 3, 5]


def test_who_comes_later_does_not_go_before_those_who_wait(wire):
    wire.outflow.window = 0
    one, three = Outlet(1), Outlet(3)
    wire.outflow.body(one, b"x" * 20_000, ends=False)
    wire.outflow.opened(1)
    wire.outflow.body(three, b"abc", ends=False)
    assert wire.body(3) == b"" and three.waiting == b"abc"


def test_a_full_transport_is_not_written_to(wire):
    one = Outlet(1, window=10**6)
    wire.outflow.window = 10**6
    wire.full_after = 100_000
    wire.outflow.body(one, b"x" * 500_000, ends=False)
    assert 100_000 <= len(wire.body(1)) <= 200_000
    wire.full_after = None
    wire.outflow.is_full = False
    wire.outflow.pump()
    assert len(wire.body(1)) == 500_000 and one.drains == 1


def test_a_smaller_first_window_may_leave_less_than_nothing(wire):
    one = Outlet(1)
    wire.outflow.body(one, b"x" * 60_000, ends=False)
    wire.outflow.windows_changed(10, [one])
    assert one.window == 10 - 60_000 and wire.outflow.new_window == 10
    wire.outflow.body(one, b"abc", ends=False)
    wire.outflow.stream_opened(one, 59_990)
    assert one.waiting == b"abc"
    wire.outflow.stream_opened(one, 2)
    assert one.waiting == b"c"


def test_a_window_made_smaller_holds_back_what_was_queued(wire):
    one = Outlet(1)
    wire.outflow.is_full = True
    wire.outflow.body(one, b"abc", ends=False)
    wire.outflow.windows_changed(0, [one])
    wire.outflow.is_full = False
    wire.outflow.pump()
    assert wire.frames == []
    wire.outflow.windows_changed(5, [one])
    assert wire.body(1) == b"abc"


def test_a_larger_first_window_lets_go_what_waits(wire):
    one = Outlet(1, window=0)
    wire.outflow.new_window = 0
    wire.outflow.body(one, b"abc", ends=True)
    wire.outflow.windows_changed(5, [one])
    assert wire.body(1) == b"abc" and one.is_sent and one.window == 2


def test_windows_larger_than_any(wire):
    one = Outlet(1)
    with pytest.raises(StreamFault) as of_stream:
        wire.outflow.stream_opened(one, h2.LARGEST_WINDOW - h2.WINDOW + 1)
    with pytest.raises(ConnectionFault) as by_settings:
        wire.outflow.windows_changed(h2.LARGEST_WINDOW, [Outlet(1, window=h2.WINDOW + 1)])
    with pytest.raises(ConnectionFault) as of_connection:
        wire.outflow.opened(h2.LARGEST_WINDOW - h2.WINDOW + 1)
    codes = {caught.value.code for caught in (of_stream, by_settings, of_connection)}
    assert codes == {ErrorCode.FLOW_CONTROL_ERROR}
    assert one.window == h2.WINDOW


def test_windows_as_large_as_any(wire):
    one = Outlet(1)
    wire.outflow.stream_opened(one, h2.LARGEST_WINDOW - h2.WINDOW)
    wire.outflow.opened(h2.LARGEST_WINDOW - h2.WINDOW)
    assert one.window == wire.outflow.window == h2.LARGEST_WINDOW


def test_bytes_that_windows_have_cut_small_earn_nothing(wire):
    one = Outlet(1, window=0)
    wire.outflow.body(one, b"x" * 5_000, ends=False)
    for _ in range(100):
        wire.outflow.stream_opened(one, 1)
    assert wire.useful == 0
    wire.outflow.stream_opened(one, 2_000)
    assert wire.useful == 1


def test_what_a_drained_stream_writes_at_once_is_in_order(wire):
    one = Outlet(1, window=1)

    def more() -> None:
        one.drains += 1
        if one.drains < 3:
            wire.outflow.body(one, b"%d" % one.drains * 2, ends=False)

    one.drained = more
    wire.outflow.body(one, b"ab", ends=False)
    for _ in range(5):
        wire.outflow.stream_opened(one, 1)
    assert wire.body(1) == b"ab1122"


def test_one_that_was_reset_loses_its_turn(wire):
    one, three = Outlet(1), Outlet(3)
    wire.outflow.is_full = True
    wire.outflow.body(one, b"abc", ends=False)
    wire.outflow.body(three, b"def", ends=False)
    one.waiting = b""
    wire.outflow.is_full = False
    wire.outflow.pump()
    assert wire.frames == [(h2.DATA, 0, 3, b"def")]


STEPS = st.one_of(
    st.tuples(st.just("body"), st.sampled_from([1, 3]), st.integers(1, 40_000)),
    st.tuples(st.just("stream"), st.sampled_from([1, 3]), st.integers(1, 30_000)),
    st.tuples(st.just("connection"), st.just(0), st.integers(1, 60_000)),
    st.tuples(st.just("first"), st.just(0), st.integers(0, 100_000)),
    st.tuples(st.just("full"), st.just(0), st.integers(0, 1)),
)


@given(st.lists(STEPS, max_size=30))
def test_no_window_is_ever_overdrawn_and_no_byte_lost(steps):
    wire = Wire()
    outlets = {number: Outlet(number) for number in (1, 3)}
    given_bytes = {1: b"", 3: b""}
    room = {0: h2.WINDOW, 1: h2.WINDOW, 3: h2.WINDOW}
    first = h2.WINDOW
    for step, number, size in steps:
        if step == "body":
            piece = bytes([number]) * (size - 1) + b"|"
            given_bytes[number] += piece
            wire.outflow.body(outlets[number], piece, ends=False)
        elif step == "stream":
            room[number] += size
            wire.outflow.stream_opened(outlets[number], size)
        elif step == "connection":
            room[0] += size
            wire.outflow.opened(size)
        elif step == "first":
            for number in outlets:
                room[number] += size - first
            first = size
            wire.outflow.windows_changed(size, list(outlets.values()))
        else:
            wire.outflow.is_full = bool(size)
            wire.outflow.pump()
        assert len(wire.body(1)) + len(wire.body(3)) <= room[0]
    for number, outlet in outlets.items():
        sent = wire.body(number)
        assert sent + outlet.waiting == given_bytes[number]
        assert outlet.window == room[number] - len(sent)
        # Nothing waits that could go.
        if outlet.waiting and not wire.outflow.is_full:
            assert outlet.window <= 0 or wire.outflow.window <= 0

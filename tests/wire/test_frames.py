"""Frames are followed by their headers: against a parser of whole frames, in any pieces."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire.frames import CloseCode, FrameFollower
from tests.wire.transcript import FEEDINGS

MASK = b"\x01\x02\x03\x04"
TEXT, BINARY, MORE, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(
    opcode: int = TEXT,
    payload: bytes = b"",
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    form: int | None = None,
    length: int | None = None,
) -> bytes:
    """A frame's bytes. form: 7, 16 or 64 bits of length; length: other than the payload's."""
    size = len(payload) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 1 << 16 else 64)
    bit = 0x80 if masked else 0
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if form == 7:
        head += bytes([bit | size])
    elif form == 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    return head + (MASK if masked else b"") + payload


@dataclass
class Reading:
    """What a parser of whole streams makes of bytes: the reference for the follower."""

    passed: int = 0
    fault: CloseCode | None = None
    closed: bool = False
    messages: int = 0
    between: bool = True


def read_whole(
    raw: bytes, masked: bool, extensions: tuple[bytes, ...] = (), limit: int | None = None
) -> Reading:
    """RFC 6455 5.2 read in one go, frame by frame, with no state but a place in ``raw``."""
    reading = Reading()
    message: int | None = None
    while not reading.closed:
        at = reading.passed
        if len(raw) - at < 2:
            return reading
        fin, rsv, opcode = raw[at] >> 7, raw[at] >> 4 & 7, raw[at] & 15
        has_mask, short = raw[at + 1] >> 7, raw[at + 1] & 127
        known_rsv = 0
        if set(extensions) - {b"permessage-deflate"}:
            known_rsv = 7
        elif extensions and opcode in (1, 2):
            known_rsv = 4
        bad = (
            bool(has_mask) != masked
            or opcode not in (0, 1, 2, 8, 9, 10)
            or (opcode >= 8 and (not fin or short > 125))
            or (opcode in (1, 2) and message is not None)
            or (opcode == 0 and message is None)
            or rsv & ~known_rsv
        )
        if bad:
            reading.fault = CloseCode.PROTOCOL_ERROR
            return reading
        wide = {126: 2, 127: 8}.get(short, 0)
        header = 2 + wide + 4 * has_mask
        if len(raw) - at < header:
            return reading
        size = int.from_bytes(raw[at + 2 : at + 2 + wide], "big") if wide else short
        if (wide == 2 and size < 126) or (wide == 8 and not 1 << 16 <= size < 1 << 63):
            reading.fault = CloseCode.PROTOCOL_ERROR
            return reading
        if opcode < 8:
            message = (message or 0) + size
            if limit is not None and message > limit:
                reading.fault = CloseCode.MESSAGE_TOO_BIG
                return reading
            if fin:
                message = None
                reading.messages += 1
        end = at + header + size
        reading.closed = opcode == 8
        reading.between = end <= len(raw)
        reading.passed = min(end, len(raw))
        if end > len(raw):
            return reading
    return reading


def followed(follower: FrameFollower, pieces: list[bytes]) -> bytes:
    passed = b""
    for piece in pieces:
        passed += follower.follow(piece)
    return passed


GOOD = {
    "text": frame(TEXT, b"hello"),
    "binary": frame(BINARY, b"\x00\xff"),
    "empty": frame(TEXT),
    "125 bytes": frame(TEXT, b"x" * 125),
    "126 bytes": frame(TEXT, b"x" * 126),
    "65535 bytes": frame(TEXT, b"x" * 65535),
    "65536 bytes": frame(TEXT, b"x" * 65536),
    "fragments": frame(TEXT, b"a", fin=False) + frame(MORE, b"b", fin=False) + frame(MORE, b"c"),
    "a ping between fragments": frame(TEXT, b"a", fin=False) + frame(PING) + frame(MORE, b"c"),
    "ping and pong of 125 bytes": frame(PING, b"p" * 125) + frame(PONG, b"p" * 125),
    "close": frame(CLOSE, b"\x03\xe8bye"),
    "close without a word": frame(TEXT, b"a") + frame(CLOSE),
    "close between fragments": frame(TEXT, b"a", fin=False) + frame(CLOSE),
}
# What passes still, and the frame at which it ends.
BAD = {
    "not masked": (b"", frame(TEXT, b"a", masked=False)),
    "reserved bit 1": (b"", frame(TEXT, b"a", rsv=4)),
    "reserved bit 2": (b"", frame(TEXT, b"a", rsv=2)),
    "reserved bit 3": (b"", frame(TEXT, b"a", rsv=1)),
    "reserved bit on a ping": (b"", frame(PING, rsv=4)),
    **{
        f"opcode {opcode}": (b"", frame(opcode, b"a"))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "ping in parts": (b"", frame(PING, b"a", fin=False)),
    "close in parts": (b"", frame(CLOSE, fin=False)),
    "ping of 126 bytes": (b"", frame(PING, b"p" * 126)),
    "ping with a long length": (b"", frame(PING, b"a", form=16)),
    "close of 64 KiB": (b"", frame(CLOSE, b"p" * 65536)),
    "a message within a message": (frame(TEXT, b"a", fin=False), frame(TEXT, b"b")),
    "a continuation of nothing": (b"", frame(MORE, b"a")),
    "a continuation after the end": (frame(TEXT, b"a"), frame(MORE, b"b")),
    "125 bytes in 16 bits": (b"", frame(TEXT, b"x" * 125, form=16)),
    "nothing in 16 bits": (b"", frame(TEXT, b"", form=16)),
    "65535 bytes in 64 bits": (b"", frame(TEXT, b"x" * 65535, form=64)),
    "a 64th bit": (b"", frame(TEXT, b"x", form=64, length=1 << 63)),
}


@pytest.mark.parametrize("feeding", FEEDINGS)
@pytest.mark.parametrize("name", GOOD)
def test_frames_that_are_good_pass(name: str, feeding: str):
    raw = GOOD[name]
    follower = FrameFollower(masked=True)
    pieces = FEEDINGS[feeding](raw) if len(raw) < 2000 else FEEDINGS["torn 1"](raw)
    assert followed(follower, pieces) == raw
    assert follower.fault is None
    assert follower.closed is name.startswith("close")
    assert follower.between_frames


@pytest.mark.parametrize("feeding", FEEDINGS)
@pytest.mark.parametrize("name", BAD)
def test_frames_that_are_bad_end_the_stream(name: str, feeding: str):
    good, bad = BAD[name]
    good = frame(BINARY, b"before") + good
    follower = FrameFollower(masked=True)
    assert followed(follower, FEEDINGS[feeding](good + bad[:2000])) == good
    assert follower.fault is not None
    assert follower.fault.code is CloseCode.PROTOCOL_ERROR
    # Whatever comes then is part of nothing.
    assert follower.follow(good) == b""


@pytest.mark.parametrize("name", [name for name in GOOD if name != "close"])
def test_frames_from_servers_are_not_masked(name: str):
    follower = FrameFollower(masked=False)
    assert follower.follow(GOOD[name]) == b""
    assert follower.fault is not None
    plain = frame(TEXT, b"x" * 300, masked=False) + frame(CLOSE, masked=False)
    follower = FrameFollower(masked=False)
    assert follower.follow(plain) == plain


@pytest.mark.parametrize(
    ("extensions", "raw", "passes"),
    [
        ([b"permessage-deflate"], frame(TEXT, b"a", rsv=4), True),
        ([b"permessage-deflate"], frame(TEXT, b"a", rsv=6), False),
        ([b"permessage-deflate"], frame(TEXT, b"a", rsv=2), False),
        ([b"permessage-deflate"], frame(PING, b"a", rsv=4), False),
        (
            [b"permessage-deflate"],
            frame(TEXT, b"a", rsv=4, fin=False) + frame(MORE, b"b"),
            True,
        ),
        (
            [b"permessage-deflate"],
            frame(TEXT, b"a", rsv=4, fin=False) + frame(MORE, b"b", rsv=4),
            False,
        ),
        ([b"x-unknown"], frame(PING, b"a", rsv=7), True),
        ([b"permessage-deflate", b"x-unknown"], frame(MORE, b"a", rsv=7), False),
        ([], frame(TEXT, b"a", rsv=4), False),
        (None, frame(TEXT, b"a", rsv=4), False),
    ],
)
def test_frames_use_reserved_bits_as_agreed(extensions, raw: bytes, passes: bool):
    follower = FrameFollower(True, extensions)
    assert (followed(follower, [raw]) == raw) is passes
    assert (follower.fault is None) is passes


@pytest.mark.parametrize("feeding", FEEDINGS)
def test_close_ends_what_passes(feeding: str):
    follower = FrameFollower(masked=True)
    good = frame(TEXT, b"last") + frame(CLOSE, b"\x03\xe9")
    assert followed(follower, FEEDINGS[feeding](good + frame(TEXT, b"too late"))) == good
    assert follower.closed
    assert follower.fault is None
    assert follower.follow(frame(TEXT, b"too late")) == b""


def test_between_frames_is_true_only_where_a_frame_may_stand():
    follower = FrameFollower(masked=True)
    assert follower.between_frames
    told = []
    raw = frame(TEXT, b"ab") + frame(PING)
    passed = b""
    for piece in FEEDINGS["byte by byte"](raw):
        passed += follower.follow(piece)
        told.append((len(passed), follower.between_frames))
    # A header passes as a whole; until then nothing of it has.
    assert told == [
        (0, True), (0, True), (0, True), (0, True), (0, True),
        (6, False), (7, False), (8, True),
        (8, True), (8, True), (8, True), (8, True), (8, True), (14, True),
    ]  # fmt: skip


def test_messages_are_limited_over_their_fragments():
    def fault_of(*frames: bytes) -> CloseCode | None:
        follower = FrameFollower(masked=True, max_message=10)
        follower.follow(b"".join(frames))
        return follower.fault.code if follower.fault else None

    assert fault_of(frame(TEXT, b"x" * 10)) is None
    assert fault_of(frame(TEXT, b"x" * 11)) is CloseCode.MESSAGE_TOO_BIG
    half = frame(TEXT, b"x" * 6, fin=False)
    assert fault_of(half, frame(MORE, b"x" * 4)) is None
    assert fault_of(half, frame(PING, b"p" * 100), frame(MORE, b"x" * 4)) is None
    assert fault_of(half, frame(MORE, b"x" * 5)) is CloseCode.MESSAGE_TOO_BIG
    assert fault_of(frame(TEXT, b"x" * 10), frame(TEXT, b"x" * 10)) is None
    # Refused by its header: not a byte of it has to come first.
    assert fault_of(frame(TEXT, b"", length=1 << 40)) is CloseCode.MESSAGE_TOO_BIG


def test_messages_are_counted_at_their_end():
    follower = FrameFollower(masked=True)
    follower.follow(frame(TEXT, b"a", fin=False) + frame(PING))
    assert follower.messages == 0
    follower.follow(frame(MORE, b"b") + frame(BINARY))
    assert follower.messages == 2


FRAMES = st.builds(
    frame,
    opcode=st.sampled_from([0, 0, 0, 1, 1, 2, 8, 9, 10, 3, 15]),
    payload=st.binary(max_size=8) | st.integers(120, 130).map(bytes),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 4, 2, 1]),
    masked=st.sampled_from([True, True, True, True, False]),
    form=st.sampled_from([None, None, None, None, 64]),
)


@st.composite
def cut_streams(draw):
    raw = b"".join(draw(st.lists(FRAMES, max_size=8))) + draw(st.binary(max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, min(len(raw), 400)), max_size=10)))
    return raw, [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(
    cut_streams(),
    st.booleans(),
    st.sampled_from([(), (b"permessage-deflate",), (b"x-other",)]),
    st.none() | st.integers(0, 200),
)
def test_frames_pass_as_far_as_the_reference_reads(stream, masked, extensions, limit):
    raw, pieces = stream
    expected = read_whole(raw, masked, extensions, limit)
    follower = FrameFollower(masked, list(extensions), limit)
    passed = followed(follower, pieces)
    assert passed == raw[: expected.passed]
    assert (follower.fault.code if follower.fault else None) is expected.fault
    assert follower.closed is expected.closed
    assert follower.messages == expected.messages
    if expected.fault is None:
        assert follower.between_frames is expected.between


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.integers(0, 50))
def test_frames_with_random_masks_and_pieces_pass_untouched(payloads, seed):
    raw = b"".join(frame(BINARY, payload) for payload in payloads)
    follower = FrameFollower(masked=True)
    assert followed(follower, FEEDINGS[f"torn {seed % 4}"](raw)) == raw
    assert follower.messages == len(payloads)

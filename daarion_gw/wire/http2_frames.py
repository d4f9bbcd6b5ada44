"""The frames of HTTP/2 (RFC 9113 4 and 6): their numbers, and how one is written.

It keeps no state: what a frame means where it stands is the receiver's affair.
"""

from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Types (6.1 to 6.10). Plain numbers: arithmetic on enum members is slow.
DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

# Flags.
END_STREAM: Final = 0x01
ACK: Final = 0x01
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
PRIORITISED: Final = 0x20

# Settings (6.5.2).
HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

# What holds until somebody says otherwise, and the most that a window can be (6.9).
WINDOW: Final = 65_535
LARGEST_WINDOW: Final = 2**31 - 1
# The most that a frame of ours, or to us, may carry: the least that everybody takes (4.2).
FRAME_SIZE: Final = 16_384
LARGEST_FRAME: Final = 2**24 - 1

HEAD_SIZE: Final = 9


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):  # noqa: N818
    """The client broke a rule after which nothing on its connection can be trusted (5.4.1)."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class StreamFault(Exception):  # noqa: N818
    """The client broke a rule on one stream; the others go on (5.4.2)."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


# Length in 16 + 8 bits, type, flags, stream (4.1).
_HEAD: Final = Struct(">HBBBL")
_pack = _HEAD.pack
read_head: Final = _HEAD.unpack_from


def frame_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The first nine bytes of a frame."""
    return _pack(length >> 8, length & 0xFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return frame_head(len(payload), kind, flags, stream) + payload


_number: Final = Struct(">L").pack
_setting: Final = Struct(">HL").pack


def settings(**values: int) -> bytes:
    """A SETTINGS frame; values by their names in RFC 9113 6.5.2, in lower case."""
    numbers = {name.lower(): globals()[name] for name in _SETTINGS}
    return frame(
        SETTINGS, 0, 0, b"".join(_setting(numbers[name], value) for name, value in values.items())
    )


_SETTINGS: Final = (
    "HEADER_TABLE_SIZE", "ENABLE_PUSH", "MAX_CONCURRENT_STREAMS", "INITIAL_WINDOW_SIZE",
    "MAX_FRAME_SIZE", "MAX_HEADER_LIST_SIZE",
)  # fmt: skip

SETTINGS_TAKEN: Final = frame(SETTINGS, ACK, 0)


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, _number(code))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _number(increment))


def goaway(last: int, code: int) -> bytes:
    return frame(GOAWAY, 0, 0, _number(last) + _number(code))


def headers(stream: int, block: bytes, ends: bool) -> bytes:
    """A header block in as many frames as it needs."""
    flags = END_STREAM if ends else 0
    if len(block) <= FRAME_SIZE:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    frames = []
    kind = HEADERS
    for at in range(0, len(block), FRAME_SIZE):
        if at + FRAME_SIZE >= len(block):
            flags |= END_HEADERS
        frames.append(frame(kind, flags, stream, block[at : at + FRAME_SIZE]))
        kind, flags = CONTINUATION, 0
    return b"".join(frames)

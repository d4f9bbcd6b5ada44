"""WebSocket frames, followed by their headers alone (RFC 6455 5).

Nothing is unmasked, inflated or copied: a follower says how far the bytes that pass are
good frames, where they stop being so, and whether the stream is between two frames.
"""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """The codes that the gateway itself closes with (RFC 6455 7.4.1)."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012


_FIN: Final = 0x80
_RSV: Final = 0x70
_RSV1: Final = 0x40
_MASK: Final = 0x80
_CONTINUATION: Final = 0
_CLOSE: Final = 8
_DATA: Final = frozenset({1, 2})
_CONTROL: Final = frozenset({8, 9, 10})


class FrameError(Exception):
    """A frame that must not pass: the close code and what was wrong with it."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameFollower:
    """Follows one direction of one WebSocket.

    masked: whether frames must be masked (those from clients) or must not. extensions: the
    names agreed for this connection. max_message: payload bytes of a message as they pass
    (compressed, where the ends agreed on that), or None.
    """

    __slots__ = ("_any_rsv", "_begun", "_first_rsv", "_in_message", "_left", "_mask_bit",
                 "_max_message", "_message", "closed", "fault", "messages")  # fmt: skip

    def __init__(
        self, masked: bool, extensions: list[bytes] | None = None, max_message: int | None = None
    ) -> None:
        names = set(extensions or ())
        self._mask_bit = _MASK if masked else 0
        # permessage-deflate marks the first frame of a message (RFC 7692 6); of an extension
        # that we do not know nobody can say which reserved bits it uses.
        self._first_rsv = _RSV1 if b"permessage-deflate" in names else 0
        self._any_rsv = bool(names - {b"permessage-deflate"})
        self._max_message = max_message
        self._left = 0
        self._begun = b""
        self._in_message = False
        self._message = 0
        self.messages = 0
        self.closed = False
        self.fault: FrameError | None = None

    @property
    def between_frames(self) -> bool:
        """Whether a frame of another origin could be put into the stream here.

        A header that is not whole yet has not passed: it does not count.
        """
        return not self._left

    def follow(self, data: bytes) -> bytes:
        """The part of ``data`` that may pass now.

        Shorter when a header is not complete (it comes with the next call), when the close
        frame has passed, or when a frame is at fault: then `fault` says why, and nothing
        passes any more.
        """
        size = len(data)
        if size <= self._left and not self.closed:
            self._left -= size
            return data
        if self.fault is not None:
            return b""
        if self._begun:
            data = self._begun + data
            size = len(data)
            self._begun = b""
        at = self._left
        while at < size:
            if self.closed:
                self._left = 0
                return data[:at]
            header = self._header(data, at, size)
            if header < 0:
                if self.fault is None:
                    self._begun = data[at:]
                self._left = 0
                return data[:at]
            at += header + self._left
        self._left = at - size
        return data

    def _header(self, data: bytes, at: int, size: int) -> int:
        """Read the header at ``at``: its size, with ``_left`` set; -1 when it is not whole."""
        if size - at < 2:
            return -1
        first, second = data[at], data[at + 1]
        length = second & 0x7F
        header = 2
        if length == 126:
            header = 4
            length = int.from_bytes(data[at + 2 : at + 4], "big")
        elif length == 127:
            header = 10
            length = int.from_bytes(data[at + 2 : at + 10], "big")
        if self._mask_bit:
            header += 4
        try:
            self._check_kind(first, second)
            if size - at < header:
                return -1
            self._check_length(second & 0x7F, length)
            self._enter(first, length)
        except FrameError as fault:
            self.fault = fault
            return -1
        self._left = length
        return header

    def _check_kind(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if second & _MASK != self._mask_bit:
            word = "not masked" if self._mask_bit else "masked"
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"a frame that is {word}")
        if opcode in _CONTROL:
            if not first & _FIN or second & 0x7F > 125:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a control frame in parts or too long")
        elif opcode in _DATA:
            if self._in_message:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a message within a message")
        elif opcode != _CONTINUATION:
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"a frame of unknown kind {opcode}")
        elif not self._in_message:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a continuation of nothing")
        if first & _RSV and not self._any_rsv:
            allowed = self._first_rsv if opcode in _DATA else 0
            if first & _RSV & ~allowed:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a reserved bit nobody agreed on")

    def _check_length(self, short: int, length: int) -> None:
        # RFC 6455 5.2: the shortest form, and never a 64th bit.
        if (short == 126 and length < 126) or (short == 127 and not 0xFFFF < length < 1 << 63):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a length not in its shortest form")

    def _enter(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        if opcode in _CONTROL:
            self.closed = opcode == _CLOSE
            return
        self._message = length if opcode in _DATA else self._message + length
        if self._max_message is not None and self._message > self._max_message:
            raise FrameError(
                CloseCode.MESSAGE_TOO_BIG, f"a message of more than {self._max_message} bytes"
            )
        self._in_message = not first & _FIN
        self.messages += not self._in_message

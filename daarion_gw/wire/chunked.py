"""The chunked transfer coding (RFC 9112 7.1), read strictly."""

import re
from enum import Enum, auto

from daarion_gw.errors import Fault

from . import fields
from .faults import WireError
from .limits import Limits

# chunk-size [chunk-ext] CRLF: no sign, no 0x, no blank, at most 16 digits.
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16}+)(?:;([\t\x20-\x7e\x80-\xff]*+))?\r\n")
# How such a line may look as long as its end has not come.
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,16}+(?:(?<=[0-9A-Fa-f]);[\t\x20-\x7e\x80-\xff]*+)?\r?\Z")


class _Next(Enum):
    """What the next byte belongs to."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()


class ChunkedReader:
    """Takes a chunked body apart. After the end, ``trailers`` is the trailer's field block."""

    __slots__ = ("_kept", "_left", "_limits", "_looked_at", "_next", "_pieces", "trailers")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._next = _Next.SIZE
        self._kept = b""
        self._left = 0
        # How much of trailers that have begun was looked at before.
        self._looked_at = 0
        self._pieces: list[bytes] = []
        self.trailers = b""

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Give (payload in ``data``, rest), where rest is None until the body has ended.

        Raises `WireError` at the first byte that no chunked body can have; what was read
        before it is lost with the message.
        """
        data = self._kept + data if self._kept else data
        self._kept = b""
        at = 0
        steps = self._STEPS
        while at >= 0:
            before = self._next
            at = steps[before](self, data, at)
            if before is _Next.TRAILERS and at >= 0:
                return self._payload(), data[at:]
        return self._payload(), None

    def _payload(self) -> bytes:
        pieces = self._pieces
        if len(pieces) == 1:
            payload = pieces[0]
        else:
            payload = b"".join(pieces)
        self._pieces = []
        return payload

    # Each step reads one thing at ``at`` and gives the place after it, or -1 when it needs
    # more than there is; then what belongs to it is kept.

    def _size(self, data: bytes, at: int) -> int:
        match = _SIZE_LINE.match(data, at)
        if match is None:
            begun = data[at:]
            longest = 16 + 1 + self._limits.chunk_extension + 1
            if _SIZE_BEGUN.match(begun) is None or len(begun) > longest:
                raise WireError(Fault.MALFORMED, "a chunk size that is no hexadecimal number")
            return self._wait(begun)
        if match[2] is not None and len(match[2]) > self._limits.chunk_extension:
            raise WireError(Fault.MALFORMED, "a chunk extension that is too long")
        self._left = int(match[1], 16)
        self._next = _Next.DATA if self._left else _Next.TRAILERS
        return match.end()

    def _data(self, data: bytes, at: int) -> int:
        end = at + self._left
        if end <= len(data):
            self._pieces.append(data[at:end])
            self._left = 0
            self._next = _Next.DATA_END
            return end
        if at < len(data):
            self._pieces.append(data[at:] if at else data)
            self._left = end - len(data)
        return -1

    def _data_end(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self._next = _Next.SIZE
            return at + 2
        begun = data[at:]
        if begun not in (b"", b"\r"):
            raise WireError(Fault.MALFORMED, "chunk data that CRLF does not follow")
        return self._wait(begun)

    def _trailers(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            return at + 2
        end = data.find(b"\r\n\r\n", at + self._looked_at)
        after = end + 4 if end >= 0 else len(data)
        if after - at > self._limits.head:
            raise WireError(Fault.FIELDS_TOO_LARGE, "trailers that are too long")
        if end < 0:
            begun = data[at:]
            fields.check_begun(begun, self._looked_at)
            self._looked_at = max(0, len(begun) - 3)
            return self._wait(begun)
        self.trailers = data[at : end + 2]
        fields.check_block(self.trailers, self._limits)
        return after

    def _wait(self, begun: bytes) -> int:
        self._kept = begun
        return -1

    _STEPS = {  # noqa: RUF012
        _Next.SIZE: _size,
        _Next.DATA: _data,
        _Next.DATA_END: _data_end,
        _Next.TRAILERS: _trailers,
    }

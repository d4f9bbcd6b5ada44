"""An answer's fields as HTTP/2 writes them (RFC 9113 8.2, 8.3.2).

They come as a checked block of HTTP/1.1 lines and go out in lower case, without what speaks of a
connection.
"""

from typing import Final

from .fields import pairs
from .hpack import Encoder, Field

_DROPPED: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
# What the gateway puts at the end of a block, and what is another one in each answer.
_LAST: Final = b"X-Request-Id: "
# The same, and the beginning of its literal that no table keeps (RFC 7541 6.2.2).
_ID: Final = b"\x00\x0cx-request-id"
_SHORT: Final = 126


def fields_of(block: bytes) -> list[Field]:
    """The fields of a block, names in lower case."""
    found = [(name.lower(), value) for name, value in pairs(block)]
    return [field for field in found if field[0] not in _DROPPED]


class AnswerWriter:
    """Encodes the heads of one connection's answers.

    It remembers the last one: a server often says the same again but for the request's id.
    """

    __slots__ = ("_changes", "_encoder", "_last", "_written")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._last: tuple[int, bytes, int | None] | None = None
        self._changes = -1
        self._written = b""

    def head(self, status: int, block: bytes, length: int | None) -> bytes:
        """The header block of an answer. length: what its Content-Length says, or None."""
        encoder = self._encoder
        kept, mark, request_id = block.rpartition(_LAST)
        if b"\r\n" in request_id[:-2] or kept[-2:] not in (b"\r\n", b""):
            # Not the gateway's own last line.
            kept, mark = block, b""
        told = (status, kept, length)
        if self._last != told or self._changes != encoder.changes:
            self._last = told
            fields = [(b":status", b"%d" % status), *fields_of(kept)]
            if length is not None:
                fields.append((b"content-length", b"%d" % length))
            before = encoder.changes
            self._written = encoder.encode(fields)
            # What was inserted just now is said in a byte next time.
            self._changes = encoder.changes if encoder.changes == before else -1
        if not mark:
            return self._written
        size = len(request_id) - 2
        if size > _SHORT:
            return self._written + encoder.encode([(b"x-request-id", request_id[:-2])])
        return b"%b%b%c%b" % (self._written, _ID, size, request_id[:-2])

"""The head of an upstream's answer, read as strictly as a request's.

Everything that is wrong here is the upstream's fault: the client gets a 502.
"""

from enum import Enum, IntFlag, auto
from typing import Final

from daarion_gw.errors import Fault

from . import fields as block_of
from .faults import WireError
from .grammar import CONTENT_LENGTH, STATUS_LINE, line_named
from .limits import Limits


class Framing(Enum):
    """How the end of an answer's body is known (RFC 9112 6.3)."""

    # Looked up for each answer, and Enum's own hash is written in Python.
    __hash__ = object.__hash__

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class Has(IntFlag):
    """Fields that an answer has and that somebody on the way out needs to know of."""

    NOTHING = 0
    NOSNIFF = 1
    FRAME_OPTIONS = 2
    REFERRER_POLICY = 4
    DATE = 8
    # Location, Content-Location, Refresh or Set-Cookie: what names a place on the upstream.
    PLACE = 16
    STRICT = 32


# Numbers: arithmetic on enum members costs more than all of the rest.
_NOTED: Final[dict[bytes, int]] = {
    b"x-content-type-options": Has.NOSNIFF.value,
    b"x-frame-options": Has.FRAME_OPTIONS.value,
    b"referrer-policy": Has.REFERRER_POLICY.value,
    b"date": Has.DATE.value,
    b"location": Has.PLACE.value,
    b"content-location": Has.PLACE.value,
    b"refresh": Has.PLACE.value,
    b"set-cookie": Has.PLACE.value,
    b"strict-transport-security": Has.STRICT.value,
}
_READ = (b"content-length", b"transfer-encoding", b"connection", b"upgrade")
_DROPPED = (
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"x-request-id",
)
_SPECIAL = line_named((*_NOTED, *_READ, *_DROPPED))
# What a Connection field of an upstream may not take away: what was noted must be there.
_PROTECTED = frozenset({b"close", b"keep-alive", b"upgrade", *_NOTED})


class AnswerHead:
    """One answer head that is safe to pass on.

    status: 100 to 599. reason: as it came. kept: the field lines that pass through.
    content_length: in bytes, or None. chunked: whether it said so. framing: how the body
    ends, which depends on the request too. has: flags of `Has`, as a plain number because
    it is asked about in each exchange.
    """

    __slots__ = (
        "block",
        "chunked",
        "connection",
        "content_length",
        "framing",
        "has",
        "keep_alive",
        "kept",
        "minor",
        "reason",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.kept = b""
        self.has: int = Has.NOTHING.value
        self.content_length: int | None = None
        self.chunked = False
        self.connection: list[bytes] = []
        self.upgrade: list[bytes] = []
        self.framing = Framing.NONE
        self.keep_alive = False
        # Room for a sender's remembered work on this head; reading it never looks there.
        self.block: tuple[object, bytes] | None = None


def _nonsense(detail: str) -> WireError:
    return WireError(Fault.UPSTREAM_NONSENSE, detail)


def parse_head(head: bytes, method: bytes, limits: Limits) -> AnswerHead:
    """Read one answer head to a request with ``method``, up to its last field's CRLF.

    Raises `WireError` with UPSTREAM_NONSENSE when it must not be passed on.
    """
    match = STATUS_LINE.match(head)
    if match is None:
        raise _nonsense("a status line that is none")
    start = match.end()
    try:
        block_of.check_block(head[start:], limits)
    except WireError as error:
        raise _nonsense(error.detail) from None
    answer = AnswerHead(int(match[2]), match[3] or b"", 0 if match[1] == b"0" else 1)
    _read_fields(answer, head, start)
    tokens = answer.connection
    answer.keep_alive = b"close" not in tokens and (answer.minor == 1 or b"keep-alive" in tokens)
    answer.framing = _framing(answer, method)
    return answer


def _read_fields(answer: AnswerHead, head: bytes, start: int) -> None:
    pieces: list[bytes] = []
    has = 0
    at = start
    for match in _SPECIAL.finditer(head, start - 1):
        name = match[1].lower()
        note = _NOTED.get(name)
        if note is not None:
            has |= note
            continue
        begin, end = match.span()
        if begin + 1 > at:
            pieces.append(head[at : begin + 1])
        at = end + 1
        if name in _READ:
            _read(answer, name, match[2].rstrip(b" \t"))
    pieces.append(head[at:])
    answer.kept = b"".join(pieces)
    answer.has = has
    if answer.connection:
        named = set(answer.connection) - _PROTECTED
        if named:
            answer.kept = block_of.without(answer.kept, named.__contains__)


def _read(answer: AnswerHead, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        if CONTENT_LENGTH.match(value) is None:
            raise _nonsense("a Content-Length that is no number")
        length = int(value)
        if answer.content_length not in (None, length):
            raise _nonsense("two different Content-Length fields")
        answer.content_length = length
    elif name == b"connection":
        answer.connection = answer.connection + block_of.list_members(value)
    elif name == b"upgrade":
        answer.upgrade = answer.upgrade + block_of.list_members(value)
    else:
        if answer.chunked or value.lower() != b"chunked":
            raise _nonsense("a Transfer-Encoding other than chunked")
        answer.chunked = True


def _framing(answer: AnswerHead, method: bytes) -> Framing:
    """RFC 9112 6.3, in its order; Content-Length beside chunked is refused, not resolved."""
    if answer.chunked:
        if answer.content_length is not None:
            raise _nonsense("Content-Length together with Transfer-Encoding")
        if not answer.minor:
            raise _nonsense("Transfer-Encoding in HTTP/1.0")
    status = answer.status
    if status < 200 or status == 204:
        answer.content_length = None
        answer.chunked = False
        return Framing.NONE
    if status == 304 or method == b"HEAD":
        return Framing.NONE
    if answer.chunked:
        return Framing.CHUNKED
    if answer.content_length is None:
        return Framing.UNTIL_CLOSE
    return Framing.LENGTH if answer.content_length else Framing.NONE


class Known:
    """The last answer head seen on one connection: a server often repeats itself."""

    __slots__ = ("_answer", "_head", "_method")

    def __init__(self) -> None:
        self._head: bytes | None = None
        self._method = b""
        self._answer: AnswerHead | None = None

    def parse(self, head: bytes, method: bytes, limits: Limits) -> AnswerHead:
        """Like `parse_head`. The same bytes to the same method give the same object."""
        if head == self._head and method == self._method and self._answer is not None:
            return self._answer
        answer = parse_head(head, method, limits)
        self._head, self._method, self._answer = head, method, answer
        return answer

"""What changes on the way through: one route's messages to one server and back.

All that does not depend on the single request is worked out once per route and server
(`Passage`), and what depends on a client's fields only once per field block.
"""

from dataclasses import dataclass, field
from typing import Final

from .answer import AnswerHead, Framing, Has
from .client import Origin, Peer, origin_of
from .fields import without
from .relocate import Places, relocate
from .request import RequestFields, RequestHead

PSEUDONYM: Final = b"daarion"
STRICT_NAME: Final = b"strict-transport-security"

# Plain numbers: arithmetic on enum members is slow.
_PLACE: Final = Has.PLACE.value
_STRICT: Final = Has.STRICT.value
_SECURITY: Final = (
    (Has.NOSNIFF.value, b"X-Content-Type-Options: nosniff\r\n"),
    (Has.FRAME_OPTIONS.value, b"X-Frame-Options: DENY\r\n"),
    (Has.REFERRER_POLICY.value, b"Referrer-Policy: strict-origin-when-cross-origin\r\n"),
)
_ALL_THREE: Final = sum(flag for flag, _ in _SECURITY)


def security_lines(has: int) -> bytes:
    """The security fields that an answer has not set itself (never twice)."""
    return b"".join(line for flag, line in _SECURITY if not has & flag)


# Eight combinations: made once.
SECURITY_LINES: Final = tuple(security_lines(has) for has in range(_ALL_THREE + 1))


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """How one route's requests are written for one server, and its answers for clients.

    prefix: what is cut off the target, with its slashes (``/api/``), or empty.
    base: what is put before the rest (``/v2``), or empty. authority: the server's own
    ``host:port``, sent as Host when a 1.0 client named none. instance: what makes our Via
    line ours. secured: whether answers get the security fields.
    """

    prefix: bytes
    base: bytes
    authority: bytes
    instance: bytes
    secured: bool = True
    keep_underscores: bool = False
    # How much of a target is the prefix: its last slash belongs to the rest.
    _cut: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cut", len(self.prefix.rstrip(b"/")))

    @property
    def via(self) -> bytes:
        return b"Via: 1.1 %b (%b)\r\n" % (PSEUDONYM, self.instance)

    def target(self, target: bytes) -> bytes:
        """The target as the server gets it: the prefix cut off, the rest byte for byte."""
        if target == b"*":
            return target
        rest = target[self._cut :]
        if self.base:
            return self.base + rest
        # Of an exact path nothing is left, or a query.
        return rest if rest.startswith(b"/") else b"/" + rest

    def places(self, host: bytes | None) -> Places:
        """Where this server's own addresses stand for the client (for `relocate`)."""
        return Places(self.prefix.rstrip(b"/"), self.base, self.authority, host)


class Forwarding:
    """What was worked out for one (passage, field block): kept with the fields."""

    __slots__ = ("origin", "passage", "tail")

    def __init__(self, passage: Passage, origin: Origin, tail: bytes) -> None:
        self.passage = passage
        self.origin = origin
        self.tail = tail


def forwarding(head: RequestHead, peer: Peer, passage: Passage) -> Forwarding:
    """All but method, target and request id of the head that goes upstream."""
    fields = head.fields
    known = fields.forwarding
    if type(known) is Forwarding and known.passage is passage:
        return known
    origin = origin_of(peer, fields.identity, head.host)
    made = Forwarding(passage, origin, _tail(head, fields, passage, origin))
    # An absolute target may bring its own host, 1.0 passes no Expect on, and OPTIONS counts
    # hops: then the fields alone do not say what is sent.
    own_host = fields.host is not None and head.host is fields.host
    if own_host and fields.max_forwards is None and fields.expect is None:
        fields.forwarding = made
    return made


def _tail(head: RequestHead, fields: RequestFields, passage: Passage, origin: Origin) -> bytes:
    lines = [b"Host: ", head.host or passage.authority, b"\r\n", fields.kept]
    if passage.keep_underscores:
        lines.append(fields.underscored)
    if fields.content_length is not None:
        lines.append(b"Content-Length: %d\r\n" % fields.content_length)
    elif head.chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if fields.max_forwards is not None:
        lines.append(b"Max-Forwards: %b\r\n" % _fewer(head.method, fields.max_forwards))
    if fields.expect is not None and head.minor:
        lines.append(b"Expect: 100-continue\r\n")
    if fields.te_trailers:
        lines.append(b"TE: trailers\r\n")
    lines.append(_origin_lines(origin, passage))
    lines.append(passage.via)
    return b"".join(lines)


def _fewer(method: bytes, hops: bytes) -> bytes:
    # RFC 9110 7.6.2: counted for OPTIONS (and TRACE, which goes no further than us).
    if method == b"OPTIONS" and hops.isdigit():
        return b"%d" % max(0, int(hops[:18]) - 1)
    return hops


def _origin_lines(origin: Origin, passage: Passage) -> bytes:
    if not passage.prefix:
        return origin.lines
    prefix = passage.prefix.rstrip(b"/")
    outer = b""
    lines = origin.lines
    start = lines.lower().find(b"\nx-forwarded-prefix:")
    if start >= 0:
        outer = lines[start + 1 :].partition(b"\r\n")[0].partition(b":")[2].strip().rstrip(b"/")
        lines = without(lines, b"x-forwarded-prefix".__eq__)
    return b"%bX-Forwarded-Prefix: %b%b\r\n" % (lines, outer, prefix)


def request_bytes(
    head: RequestHead, target: bytes, made: Forwarding, request_id: bytes, upgrade: bool
) -> bytes:
    """The request head as it goes upstream, complete with its blank line."""
    if upgrade:
        connection = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    elif head.fields.te_trailers:
        connection = b"Connection: TE\r\n"
    else:
        connection = b""
    return b"%b %b HTTP/1.1\r\n%bX-Request-Id: %b\r\n%b\r\n" % (
        head.method,
        target,
        made.tail,
        request_id,
        connection,
    )


def answer_block(head: AnswerHead, passage: Passage, request: RequestHead) -> bytes:
    """The field lines of an answer as the client gets them, framing and id apart."""
    known = head.block
    if known is not None and known[0] is passage:
        return known[1]
    block = head.kept
    has = head.has
    if head.chunked and head.framing is Framing.NONE and request.minor:
        # To HEAD, or 304: how the body would be framed, of which there is none.
        block += b"Transfer-Encoding: chunked\r\n"
    if has & _PLACE and passage.prefix:
        block = relocate(block, passage.places(request.host))
    if passage.secured and has & _ALL_THREE != _ALL_THREE:
        block += SECURITY_LINES[has & _ALL_THREE]
    if not has & _PLACE and head.framing is not Framing.NONE:
        # Nothing of the request took part: a server that repeats itself gets the same again.
        head.block = (passage, block)
    return block


def strict_line(max_age: float, include_subdomains: bool, preload: bool) -> bytes:
    """The field that tells browsers to come over TLS alone (RFC 6797 6.1)."""
    more = b"; includeSubDomains" * include_subdomains + b"; preload" * preload
    return b"Strict-Transport-Security: max-age=%d%b\r\n" % (max_age, more)


def made_strict(block: bytes, has: int, line: bytes) -> bytes:
    """An answer's block with ``line`` (`strict_line`) in the place of the upstream's own.

    Browsers keep one policy for all of a host, and the one that came last: services that share
    the host must not each say another (RFC 6797 8.1).
    """
    if has & _STRICT:
        block = without(block, STRICT_NAME.__eq__)
    return block + line


# RFC 9110 6.5.1: what would change how the message is framed, routed or authenticated.
_NOT_IN_TRAILERS = frozenset(
    b"content-length transfer-encoding host connection te trailer upgrade keep-alive "
    b"content-encoding content-type content-range cache-control expect max-forwards range "
    b"authorization www-authenticate proxy-authorization proxy-authenticate set-cookie cookie "
    b"location via x-request-id proxy-connection authentication-info "
    b"proxy-authentication-info".split()
)


def trailers_for(request: RequestHead, trailers: bytes) -> bytes:
    """The trailer fields that pass to a client: none unless it said ``TE: trailers``."""
    if not request.fields.te_trailers:
        return b""
    return without(trailers, _NOT_IN_TRAILERS.__contains__)

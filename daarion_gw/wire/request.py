"""The head of a request: one pass that checks it, a second that finds the few names that matter.

What comes out keeps the rest of the fields as the bytes they were (``RequestFields.kept``).
"""

import ipaddress

from daarion_gw.errors import Fault

from . import fields as block_of
from .faults import WireError
from .grammar import AUTHORITY, CONTENT_LENGTH, REQUEST_LINE, UNDERSCORED, line_named
from .limits import Limits

# What only the gateway, or a proxy that it trusts, may say about who the client is.
IDENTITY_NAMES = (
    b"forwarded",
    b"x-real-ip",
    b"x-client-ip",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"x-cluster-client-ip",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-original-method",
    b"x-scheme",
    b"remote-user",
    b"x-remote-user",
    b"x-webauth-user",
    # RFC 9440.
    b"client-cert",
    b"client-cert-chain",
)
IDENTITY_PREFIXES = (b"x-forwarded-", b"x-client-cert-")

# RFC 9110 7.6.1 and HTTP-RULES.md: these speak to the next hop only. "Proxy" is httpoxy.
_HOP_BY_HOP = (
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"proxy",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)
_FRAMING = (b"host", b"content-length")
_OURS = (b"expect", b"max-forwards", b"x-request-id")

_SPECIAL = line_named(
    _FRAMING + _HOP_BY_HOP + _OURS + IDENTITY_NAMES, IDENTITY_PREFIXES, UNDERSCORED
)
_MEANINGFUL = frozenset(_FRAMING + _HOP_BY_HOP + _OURS + IDENTITY_NAMES)
_SINGLE = frozenset({b"host", b"content-length"})
# What a Connection field may not take away, whatever it names: what the gateway itself has
# written or decided by, a WebSocket's handshake included.
_PROTECTED = frozenset({*_FRAMING, *_OURS, b"via", b"origin"})
_HANDSHAKE = b"sec-websocket-"

# RFC 9110 9.2.2.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class RequestFields:
    """What a request's field block says. Depends on its bytes alone, so it may be remembered.

    kept: the lines that pass through unchanged. host: the one Host value, or None.
    content_length: in bytes, or None. codings: the members of Transfer-Encoding, or None.
    connection: the members of Connection. identity and underscored: the raw lines that
    were taken out of ``kept`` because somebody has to decide about them.
    """

    __slots__ = (
        "codings",
        "connection",
        "content_length",
        "expect",
        "forwarding",
        "host",
        "identity",
        "kept",
        "max_forwards",
        "request_id",
        "te_trailers",
        "underscored",
        "upgrade",
    )

    def __init__(self, kept: bytes) -> None:
        self.kept = kept
        self.host: bytes | None = None
        self.content_length: int | None = None
        self.codings: list[bytes] | None = None
        self.connection: list[bytes] = []
        self.expect: bytes | None = None
        self.identity: list[tuple[bytes, bytes]] = []
        self.max_forwards: bytes | None = None
        self.request_id: bytes | None = None
        self.te_trailers = False
        self.underscored = b""
        self.upgrade: list[bytes] = []
        # Room for one sender's remembered work on these fields; the wire never reads it.
        self.forwarding: object = None


class RequestHead:
    """One request head that is safe to pass on.

    target: in origin-form (or ``*``), byte for byte as it came, without the authority of an
    absolute-form. minor: 0 or 1. chunked: the body's framing when fields.content_length is
    None; without both there is no body.
    """

    __slots__ = ("chunked", "fields", "host", "keep_alive", "method", "minor", "target")

    def __init__(
        self, method: bytes, target: bytes, minor: int, host: bytes | None, fields: RequestFields
    ) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.host = host
        self.fields = fields
        self.chunked = fields.codings is not None
        # RFC 9112 9.3: close wins, and 1.0 has to ask.
        tokens = fields.connection
        self.keep_alive = b"close" not in tokens and (minor == 1 or b"keep-alive" in tokens)

    @property
    def version(self) -> bytes:
        """As the access log writes it."""
        return b"HTTP/1.1" if self.minor else b"HTTP/1.0"

    @property
    def is_idempotent(self) -> bool:
        """Whether it may be sent again when nobody knows whether it arrived."""
        return self.method in _IDEMPOTENT

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.fields.content_length)

    def value(self, name: bytes) -> bytes | None:
        """The first value of a field that passes through, by its lower-case name."""
        found = block_of.values(self.fields.kept, name)
        return found[0] if found else None


def parse_fields(head: bytes, start: int, limits: Limits) -> RequestFields:
    """Read the field block of ``head`` from ``start``, where a CRLF ends just before it.

    ``head`` ends with the last field's CRLF. Raises `WireError` for a bad field.
    """
    block = head[start:]
    block_of.check_block(block, limits)
    pieces: list[bytes] = []
    found: list[tuple[bytes, bytes, bytes]] = []
    at = start
    for match in _SPECIAL.finditer(head, start - 1):
        begin, end = match.span()
        begin += 1
        end += 1
        if begin > at:
            pieces.append(head[at:begin])
        at = end
        name, value = match.groups()
        found.append((name.lower(), value.rstrip(b" \t"), head[begin:end]))
    if not found:
        return RequestFields(block)
    pieces.append(head[at:])
    fields = RequestFields(b"".join(pieces))
    seen = set()
    for name, value, line in found:
        if name in _SINGLE:
            if name in seen:
                raise WireError(Fault.MALFORMED, f"two {name.decode().title()} fields")
            seen.add(name)
        _READERS.get(name, _read_other)(fields, name, value, line)
    if fields.connection:
        _drop_named(fields)
    return fields


def _read_host(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    check_authority(value)
    fields.host = value


def _read_length(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    if CONTENT_LENGTH.match(value) is None:
        raise WireError(Fault.MALFORMED, "a Content-Length that is no number")
    fields.content_length = int(value)


def _read_codings(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    fields.codings = (fields.codings or []) + block_of.list_members(value)


def _read_connection(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    fields.connection = fields.connection + block_of.list_members(value)


def _read_upgrade(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    fields.upgrade = fields.upgrade + block_of.list_members(value)


def _read_te(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    if any(
        member.partition(b";")[0].strip() == b"trailers" for member in block_of.list_members(value)
    ):
        fields.te_trailers = True


def _read_expect(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    # A second Expect makes the sum of both something nobody knows: then it is refused.
    fields.expect = value.lower() if fields.expect is None else b"repeated"


def _read_max_forwards(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    fields.max_forwards = value


def _read_request_id(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    # Two request ids are none: whoever sent them did not agree with itself.
    fields.request_id = value if fields.request_id is None else b""


def _drop(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    pass


def _read_other(fields: RequestFields, name: bytes, value: bytes, line: bytes) -> None:
    if b"_" not in name:
        fields.identity.append((name, line))
        return
    # In CGI this is the same variable as its twin with hyphens: where that one has a
    # meaning of its own, no route's option lets it through.
    twin = name.replace(b"_", b"-")
    if twin not in _MEANINGFUL and not twin.startswith(IDENTITY_PREFIXES):
        fields.underscored += line


_READERS = {
    **dict.fromkeys(_HOP_BY_HOP, _drop),
    b"host": _read_host,
    b"content-length": _read_length,
    b"transfer-encoding": _read_codings,
    b"connection": _read_connection,
    b"upgrade": _read_upgrade,
    b"te": _read_te,
    b"expect": _read_expect,
    b"max-forwards": _read_max_forwards,
    b"x-request-id": _read_request_id,
}


def _drop_named(fields: RequestFields) -> None:
    """Take out the fields that Connection names (RFC 9110 7.6.1), the protected ones apart."""
    named = set(fields.connection) - {b"close", b"keep-alive", b"upgrade", b"te"} - _PROTECTED
    named = {name for name in named if not name.startswith(_HANDSHAKE)}
    if not named:
        return
    fields.kept = block_of.without(fields.kept, named.__contains__)
    fields.underscored = block_of.without(fields.underscored, named.__contains__)
    # Identity fields stay: a client that names X-Forwarded-For must not blind the upstream.


def check_authority(value: bytes) -> None:
    """Raise `WireError` unless ``value`` is uri-host [":" port] (RFC 9110 7.2)."""
    match = AUTHORITY.match(value)
    if match is None or int(match[2] or 0) > 65535 or (match[1] and not _is_ipv6(match[1])):
        raise WireError(Fault.MALFORMED, "a Host that is no valid authority")


def _is_ipv6(text: bytes) -> bool:
    try:
        ipaddress.IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return True


def parse_head(head: bytes, limits: Limits, known: "Known") -> RequestHead:
    """Read one request head, from its request line to the last field's CRLF.

    ``known`` remembers the fields that this connection sent last: the next request of the
    same client mostly sends the same ones. Raises `WireError` when it must be refused.
    """
    match = REQUEST_LINE.match(head)
    if match is None:
        raise _line_error(head, limits)
    start = match.end()
    if start - 2 > limits.request_line:
        raise WireError(Fault.TARGET_TOO_LONG, f"a request line of {start - 2} bytes")
    method, target, minor_text = match.groups()
    fields = known.fields(head, start, limits)
    minor = 0 if minor_text == b"0" else 1
    host = fields.host
    # RFC 9112 3.2: also where an absolute target could stand in for it.
    if host is None and minor:
        raise WireError(Fault.MALFORMED, "no Host field")
    if target[:1] != b"/" or method in _NOT_FOR_US:
        target, host = _other_form(method, target, host)
    if fields.codings is not None:
        _check_codings(fields, minor)
    return RequestHead(method, target, minor, host, fields)


class Known:
    """The last field block seen on one connection, and what it says."""

    __slots__ = ("_block", "_fields")

    def __init__(self) -> None:
        self._block: bytes | None = None
        self._fields: RequestFields | None = None

    def fields(self, head: bytes, start: int, limits: Limits) -> RequestFields:
        """The fields of ``head`` from ``start``; raises `WireError` like `parse_fields`."""
        block = head[start:]
        if block == self._block and self._fields is not None:
            return self._fields
        fields = parse_fields(head, start, limits)
        self._block, self._fields = block, fields
        return fields


def _check_codings(fields: RequestFields, minor: int) -> None:
    """Raise unless Transfer-Encoding is exactly ``chunked``, in 1.1, with no length beside it."""
    if fields.content_length is not None:
        raise WireError(Fault.MALFORMED, "Content-Length together with Transfer-Encoding")
    if not minor:
        raise WireError(Fault.MALFORMED, "Transfer-Encoding in HTTP/1.0")
    codings = fields.codings or []
    if not codings or b"identity" in codings or codings.count(b"chunked") > 1:
        raise WireError(Fault.MALFORMED, "a Transfer-Encoding that frames no body")
    if codings != [b"chunked"]:
        raise WireError(Fault.CODING_NOT_IMPLEMENTED, "a transfer coding other than chunked")


_NOT_FOR_US = frozenset({b"CONNECT", b"TRACE"})


def _other_form(method: bytes, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None]:
    """The (target, host) of a request that is not simply in origin-form (RFC 9112 3.2)."""
    if method in _NOT_FOR_US:
        raise WireError(Fault.METHOD_NOT_ALLOWED, f"{method.decode()} is not served here")
    if target == b"*":
        if method != b"OPTIONS":
            raise WireError(Fault.MALFORMED, "the target * without OPTIONS")
        return target, host
    scheme, colon, rest = target.partition(b"://")
    default_port = {b"http": b":80", b"https": b":443"}.get(scheme.lower())
    if not colon or default_port is None:
        raise WireError(Fault.MALFORMED, "a target that is neither a path nor an http URL")
    cut = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    check_authority(authority)
    if host is not None and _bare(host, default_port) != _bare(authority, default_port):
        raise WireError(Fault.MALFORMED, "a target whose authority is not the Host")
    if not path and method == b"OPTIONS":
        # RFC 9112 3.2.4: the last proxy turns an empty path of OPTIONS into an asterisk.
        return b"*", authority
    return (path if path.startswith(b"/") else b"/" + path), host or authority


def _bare(authority: bytes, default_port: bytes) -> bytes:
    return authority.lower().removesuffix(default_port)


def _line_error(head: bytes, limits: Limits) -> WireError:
    """Why no request line was found where one should be."""
    line, end, _ = head.partition(b"\r\n")
    if len(line) > limits.request_line:
        return WireError(Fault.TARGET_TOO_LONG, f"a request line of {len(line)} bytes")
    if b"\n" in line or b"\r" in line or not end:
        return WireError(Fault.MALFORMED, "a request line that CRLF does not end")
    parts = line.split(b" ")
    if len(parts) != 3:
        return WireError(Fault.MALFORMED, "a request line that has not three parts")
    version = parts[2]
    if version.startswith(b"HTTP/") and not version.startswith(b"HTTP/1."):
        shape = version.removeprefix(b"HTTP/").split(b".")
        if all(part.isdigit() and len(part) == 1 for part in shape) and len(shape) <= 2:
            return WireError(Fault.VERSION_NOT_SUPPORTED, "an HTTP version other than 1.x")
    if REQUEST_LINE.match(b"X " + parts[1] + b" HTTP/1.1\r\n") is None:
        return WireError(Fault.MALFORMED, "a target with bytes that no URL has")
    if REQUEST_LINE.match(parts[0] + b" / HTTP/1.1\r\n") is None:
        return WireError(Fault.MALFORMED, "a method that is no token")
    return WireError(Fault.MALFORMED, "an HTTP version that is not HTTP/1.0 or HTTP/1.1")

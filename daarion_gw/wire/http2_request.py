"""A request's field list as HTTP/2 brings it (RFC 9113 8), and the head that it means.

What HTTP/2 forbids is looked for here. Then the list is written as the head of an HTTP/1.1
request and goes through the same strict parser as every other.
"""

import re
from typing import Final

from daarion_gw.errors import Fault

from .faults import WireError
from .grammar import AUTHORITY, REQUEST_LINE
from .hpack import Field
from .limits import Limits
from .request import Known, RequestHead, parse_head

# RFC 9113 8.2.1: a name is a token without capitals; a value has no blanks around it, and no
# NUL, CR or LF. Other control bytes HTTP/1.1 refuses as well (RFC 9110 5.5).
_LINE = (
    rb"[!#$%&'*+\-.^_`|~0-9a-z]++"
    rb":(?: \r\n| (?![\t ])[\t\x20-\x7e\x80-\xff]++(?<![\t ])\r\n)"
)
_BLOCK: Final = re.compile(rb"(?:" + _LINE + rb")*+\Z")

# 8.2.2: what speaks of a connection has no place here.
_OF_CONNECTIONS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
# 8.3.1. :protocol (RFC 8441) is not offered.
_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
_SCHEMES: Final = frozenset({b"http", b"https"})
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"


class StreamHead(RequestHead):
    """The head of a request that came on a stream: as good as one of HTTP/1.1."""

    __slots__ = ()

    @property
    def version(self) -> bytes:
        return b"HTTP/2.0"


class MalformedError(WireError):
    """A request that breaks a rule of HTTP/2 itself: its stream ends in PROTOCOL_ERROR."""

    def __init__(self, detail: str) -> None:
        super().__init__(Fault.MALFORMED, detail)


def stream_head(list_: list[Field], ends: bool, limits: Limits, known: Known) -> StreamHead:
    """The head of the request with this field list.

    ends: whether no body follows. known: what this connection's last field block said. Raises
    `WireError` when it must be refused, as `MalformedError` where it is no HTTP/2 request.
    """
    pseudo, block = _split(list_)
    method = _given(pseudo, b":method")
    if method == b"CONNECT":
        # It has neither scheme nor path (8.5).
        raise _refused(Fault.METHOD_NOT_ALLOWED, "CONNECT is not served here", method)
    if _given(pseudo, b":scheme") not in _SCHEMES:
        raise MalformedError("a scheme that is not http or https")
    path = _given(pseudo, b":path")
    line = b"%b %b HTTP/1.1\r\n" % (method, path)
    match = REQUEST_LINE.match(line)
    if match is None or match.end() != len(line):
        raise MalformedError("a method or a path with bytes that none has")
    if path[:1] != b"/" and not (path == b"*" and method == b"OPTIONS"):
        raise MalformedError("a path that does not begin with a slash")
    text = b"%b%b%b" % (line, _host_line(pseudo), block)
    if not ends and b"content-length" not in dict(list_):
        # What an HTTP/1.1 request would say of a body whose length nobody knows.
        text += _CHUNKED
    try:
        head = parse_head(text, limits, known)
    except WireError as error:
        error.line = line.removesuffix(b"\r\n")[:256]
        raise
    fields = head.fields
    if ends and fields.content_length:
        raise MalformedError("a Content-Length without a body")
    return StreamHead(head.method, head.target, 1, head.host, fields)


def _refused(fault: Fault, detail: str, line: bytes) -> WireError:
    error = WireError(fault, detail)
    error.line = line
    return error


def _split(list_: list[Field]) -> tuple[dict[bytes, bytes], bytes]:
    """The pseudo-fields, and all others as a checked block of lines."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    crumbs: list[bytes] = []
    for name, value in list_:
        if name[:1] == b":":
            if name not in _PSEUDO or name in pseudo or lines or crumbs:
                raise MalformedError("a pseudo-field that is unknown, repeated or too late")
            pseudo[name] = value
        elif name == b"cookie":
            crumbs.append(value)
        elif name == b"host" and b":authority" in pseudo:
            _check_host(value, pseudo[b":authority"])
            # For the rule that pseudo-fields come first.
            lines.append(b"")
        else:
            lines.append(_line(name, value))
    if crumbs:
        # 8.2.3: for HTTP/1.1 they are one field.
        lines.append(b"cookie: %b\r\n" % b"; ".join(crumbs))
    block = b"".join(lines)
    number = len(lines) - lines.count(b"")
    # A line end inside a value would make two lines of one.
    if _BLOCK.match(block) is None or block.count(b"\n") != number:
        raise MalformedError("a field name or value with bytes that none has")
    return pseudo, block


def _line(name: bytes, value: bytes) -> bytes:
    if name in _OF_CONNECTIONS or (name == b"te" and value != b"trailers"):
        raise MalformedError(f"the field {name.decode()}, which speaks of a connection")
    if b":" in name:
        raise MalformedError("a colon in a field name")
    return b"%b: %b\r\n" % (name, value)


def _given(pseudo: dict[bytes, bytes], name: bytes) -> bytes:
    value = pseudo.get(name)
    if not value:
        raise MalformedError(f"no {name.decode()}")
    return value


def _check_host(host: bytes, authority: bytes) -> None:
    # 8.3.1: they are two words for one thing.
    if host.lower() != authority.lower():
        raise MalformedError("a Host that is not the :authority")


def _host_line(pseudo: dict[bytes, bytes]) -> bytes:
    authority = pseudo.get(b":authority")
    if authority is None:
        # A proxy that had HTTP/1.1 before it may send Host alone; it stands among the lines.
        return b""
    if AUTHORITY.match(authority) is None:
        raise MalformedError("an :authority that is none")
    return b"host: %b\r\n" % authority


def check_trailers(list_: list[Field]) -> None:
    """Raise `MalformedError` unless these may stand behind a body (8.1)."""
    pseudo, _ = _split(list_)
    if pseudo:
        raise MalformedError("a pseudo-field behind the body")

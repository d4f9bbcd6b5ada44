"""The WebSocket opening handshake as the gateway has to understand it (RFC 6455 4)."""

import binascii
import hashlib
import re
from base64 import b64decode, b64encode

from daarion_gw.errors import Fault

from .answer import AnswerHead
from .faults import WireError
from .fields import list_members, values
from .grammar import TCHAR
from .request import RequestHead

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# RFC 6455 9.1. Quoted or not, a parameter's value is a token: no comma hides in it. Empty
# members may stand in any list (RFC 9110 5.6.1.2); a list of nothing else agrees to nothing.
_TCHAR = rb"[" + TCHAR + rb"]"
_TOKEN = re.compile(_TCHAR + rb"++\Z")
# Atomic groups: a possessive one that fails half way leaves Python before 3.11.5 where it failed.
_QUOTED = rb'"(?>(?:\\?' + _TCHAR + rb')+)"'
_PARAMETER = _TCHAR + rb"++(?>(?:[\t ]*+=[\t ]*+(?:" + _TCHAR + rb"++|" + _QUOTED + rb"))?)"
_EXTENSION = _TCHAR + rb"++(?>(?:[\t ]*+;[\t ]*+" + _PARAMETER + rb")*)"
_EXTENSIONS = re.compile(
    rb"(?>(?:" + _EXTENSION + rb")?)(?>(?:[\t ]*+,[\t ]*+(?>(?:" + _EXTENSION + rb")?))*)\Z"
)

_ASCII = bytes(range(0x80)) + b"?" * 0x80


def wants_websocket(head: RequestHead) -> bool:
    """Whether the request is a WebSocket's opening handshake.

    Any other upgrade is not ours to offer: then False, and the request goes on without it.
    Raises `WireError` for a handshake that no server could accept.
    """
    fields = head.fields
    if b"websocket" not in fields.upgrade or b"upgrade" not in fields.connection:
        return False
    if head.method != b"GET" or not head.minor or head.has_body:
        return False
    if values(fields.kept, b"sec-websocket-version") != [b"13"]:
        raise WireError(Fault.UPGRADE_REQUIRED, "a WebSocket version other than 13")
    keys = values(fields.kept, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise WireError(Fault.MALFORMED, "a Sec-WebSocket-Key that is not 16 bytes in base64")
    _check_offers(fields.kept)
    return True


def _check_offers(block: bytes) -> None:
    """Raise `WireError` unless all that a client offers can be read (RFC 6455 4.1)."""
    if values(block, b"sec-websocket-protocol"):
        offered = _protocols(block)
        if not offered or not all(map(_TOKEN.match, offered)):
            raise WireError(Fault.MALFORMED, "a Sec-WebSocket-Protocol that is no list of tokens")
        if len(set(offered)) < len(offered):
            raise WireError(Fault.MALFORMED, "a Sec-WebSocket-Protocol that offers one twice")
    if not _extensions_readable(block):
        raise WireError(Fault.MALFORMED, "a Sec-WebSocket-Extensions that is no list of them")


def _extensions_readable(block: bytes) -> bool:
    return all(map(_EXTENSIONS.match, values(block, b"sec-websocket-extensions")))


def what_is_wrong(head: AnswerHead) -> str:
    """What an upstream's 101 agrees to that nobody could have offered; or nothing.

    Whether this client did, and the accept, are others' to judge.
    """
    chosen = values(head.kept, b"sec-websocket-protocol")
    if len(chosen) > 1 or (chosen and not _TOKEN.match(chosen[0])):
        return "a Sec-WebSocket-Protocol that is not one token"
    if not _extensions_readable(head.kept):
        return "a Sec-WebSocket-Extensions that is no list of them"
    return ""


def _is_key(key: bytes) -> bool:
    try:
        return len(key) == 24 and len(b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def accept_of(key: bytes) -> bytes:
    """What a server answers to ``key`` (RFC 6455 4.2.2)."""
    return b64encode(hashlib.sha1(key + _GUID).digest())


def agreed_extensions(head: AnswerHead) -> list[bytes]:
    """The names of the extensions in an upstream's 101, in lower case."""
    return [
        member.partition(b";")[0].strip()
        for value in values(head.kept, b"sec-websocket-extensions")
        for member in list_members(value)
    ]


def origin_allowed(head: RequestHead, origins: tuple[str, ...] | None) -> bool:
    """Whether the request's Origin is among ``origins``.

    ``None`` allows all. ``*`` allows any origin, ``same`` the one whose authority is the
    Host; its scheme is not compared, which a proxy before the gateway may have changed.
    A client without Origin is no browser: it is allowed.
    """
    if origins is None or "*" in origins:
        return True
    sent = values(head.fields.kept, b"origin")
    if not sent:
        return True
    if len(sent) > 1:
        return False
    origin = sent[0].decode("latin-1").lower()
    if "same" in origins and _is_own(origin, head.host):
        return True
    return origin in {allowed.lower() for allowed in origins} - {"same"}


_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def _is_own(origin: str, host: bytes | None) -> bool:
    """Whether ``origin``'s host and port are ``host``; a default port may be said or not."""
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    if port is None or host is None:
        return False
    own = host.decode("latin-1").lower()
    return authority.removesuffix(port) == own.removesuffix(port)


def subprotocols(block: bytes) -> list[str]:
    """The subprotocols that a field block offers, or the one that it agrees to."""
    return [member.decode("latin-1") for member in _protocols(block)]


def _protocols(block: bytes) -> list[bytes]:
    return [
        member.strip(b"\t ")
        for value in values(block, b"sec-websocket-protocol")
        for member in value.split(b",")
        if member.strip(b"\t ")
    ]


def not_offered(agreed: list[bytes], block: bytes) -> str:
    """The first extension agreed on that ``block``, the client's, did not offer; or nothing."""
    offers = {
        member.partition(b";")[0].strip()
        for value in values(block, b"sec-websocket-extensions")
        for member in list_members(value)
    }
    return next((name.decode("latin-1") for name in agreed if name not in offers), "")


def handshake_request(head: RequestHead) -> bytes:
    """A client's handshake reduced to what its answer depends on. It was checked before."""
    lines = [
        b"GET / HTTP/1.1",
        b"Host: localhost",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + values(head.fields.kept, b"sec-websocket-key")[0],
    ]
    if offered := subprotocols(head.fields.kept):
        lines.append(b"Sec-WebSocket-Protocol: " + ", ".join(offered).encode("latin-1"))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def handshake_answer(head: AnswerHead) -> bytes:
    """An upstream's 101 reduced to what must be judged, and to ASCII.

    Extensions are the ends' own affair.
    """
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Connection: " + b", ".join(head.connection),
        b"Upgrade: " + b", ".join(head.upgrade),
    ]
    for name in (b"Sec-WebSocket-Accept", b"Sec-WebSocket-Protocol"):
        lines += [name + b": " + value for value in values(head.kept, name.lower())]
    return b"\r\n".join(lines).translate(_ASCII) + b"\r\n\r\n"

"""How servers, networks and origins are written: text in, checked values out.

Knows nothing of the file that they stand in. Every function raises ``UnfitError``.
"""

from __future__ import annotations

import re
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from daarion_gw.config.problems import UnfitError, closest
from daarion_gw.config.settings import Server

SERVER = "http://HOST:PORT, https://HOST:PORT, ws://HOST:PORT, wss://HOST:PORT or unix:/PATH"
NETWORK = "a network such as 10.0.0.0/8 or ::1/128, or one address"
ORIGIN = 'an origin as browsers send it, such as https://app.example.com, or same or "*"'

_SCHEMES: dict[str, Literal["http", "https"]] = {
    "http": "http",
    "https": "https",
    "ws": "http",
    "wss": "https",
}
_PORTS = {"http": 80, "https": 443}
_ORIGIN_WORDS = ("null", "same", "*")

# Letters, digits, hyphens and, because compose service names have them, underscores.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_LIKE_IPV4 = re.compile(r"(?:.*\.)?[0-9]+")
_HOST_PORT = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?(/\S*)?")
# What may stand in a path: RFC 3986 section 3.3, pchar and "/".
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")


def server(text: object) -> Server:
    """The server of a URL. ``ws`` and ``wss`` are ``http`` and ``https`` by another name."""
    if not isinstance(text, str) or not text:
        raise UnfitError(SERVER)
    if text.startswith("unix:"):
        return _unix_server(text.removeprefix("unix:"))
    parts = _split(text, SERVER)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise _no_scheme(text, parts.scheme)
    if parts.username is not None or parts.password is not None:
        raise UnfitError(SERVER, reason="a user name in the URL is not supported")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise UnfitError(SERVER, reason="a query or fragment makes no sense here")
    if not _PATH.fullmatch(parts.path):
        raise UnfitError(SERVER, reason="the path has a character that no path may have")
    port = _port(parts.netloc, SERVER)
    return Server(
        scheme=scheme,
        host=host_name(parts.netloc.removesuffix(_port_text(parts.netloc)), SERVER),
        port=_PORTS[scheme] if port is None else port,
        path=parts.path.rstrip("/"),
    )


def host_name(text: str, expected: str) -> str:
    """A host in lower case, an IPv6 address without its brackets."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(IPv6Address(text[1:-1]))
        except AddressValueError:
            raise UnfitError(expected, reason="no IPv6 address between the brackets") from None
    host = text.lower()
    if not host:
        raise UnfitError(expected, reason="the host is missing")
    if not host.isascii():
        raise UnfitError(expected, reason="the host is not ASCII", suggestion=_punycode(host))
    if not _HOST.fullmatch(host):
        raise UnfitError(expected, reason="the host is no name and no address")
    if _LIKE_IPV4.fullmatch(host):
        try:
            IPv4Address(host)
        except AddressValueError:
            raise UnfitError(expected, reason="the host is no IPv4 address") from None
    return host


def network(value: object) -> IPv4Network | IPv6Network:
    """A network in CIDR form, or one address."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise UnfitError(NETWORK)
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = str(ip_network(value, strict=False))
    except ValueError:
        raise UnfitError(NETWORK) from None
    raise UnfitError(NETWORK, reason="the address goes on after the prefix", suggestion=meant)


def origin(value: object) -> str:
    """A web origin in the form that browsers send: lower case, no default port.

    ``same`` stands for the one that the request's Host names, ``*`` for any.
    """
    if not isinstance(value, str):
        raise UnfitError(ORIGIN)
    if value in _ORIGIN_WORDS:
        return value
    parts = _split(value, ORIGIN)
    if parts.scheme not in _PORTS:
        raise UnfitError(ORIGIN, reason="it starts with neither http:// nor https://")
    if parts.path or parts.query or parts.fragment:
        raise UnfitError(ORIGIN, reason="an origin has no path, not even a slash")
    port = _port(parts.netloc, ORIGIN)
    host = host_name(parts.netloc.removesuffix(_port_text(parts.netloc)), ORIGIN)
    host = f"[{host}]" if ":" in host else host
    tail = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{tail}"


def _unix_server(path: str) -> Server:
    if path.startswith("//"):
        path = path.removeprefix("//")
    if not path.startswith("/"):
        raise UnfitError(SERVER, reason="the path of a socket must start with a slash")
    if "\0" in path or len(path.encode()) > 107:
        # sockaddr_un, unix(7).
        raise UnfitError(SERVER, reason="no socket can have this path")
    return Server(host="localhost", port=0, unix=path)


def _split(text: str, expected: str) -> SplitResult:
    # urlsplit strips such characters silently; here they are mistakes.
    if any(character <= " " or character == "\x7f" for character in text):
        raise UnfitError(expected, reason="blanks and control characters are not allowed")
    try:
        return urlsplit(text)
    except ValueError:
        raise UnfitError(expected, reason="it is no URL") from None


def _no_scheme(text: str, scheme: str) -> UnfitError:
    if "://" in text:
        near = closest(scheme, _SCHEMES)
        rest = text.split("://", 1)[1]
        return UnfitError(
            SERVER,
            reason="the scheme is not known",
            suggestion=f"{near}://{rest}" if near else None,
        )
    meant = f"http://{text}" if _HOST_PORT.fullmatch(text) else None
    return UnfitError(SERVER, reason="the scheme is missing", suggestion=meant)


def _port_text(netloc: str) -> str:
    """``:8000`` with its colon, or nothing."""
    tail = netloc.rpartition("]")[2]
    return tail[tail.index(":") :] if ":" in tail else ""


def _port(netloc: str, expected: str) -> int | None:
    text = _port_text(netloc)
    if not text:
        return None
    digits = text[1:]
    if not (digits.isascii() and digits.isdigit()):
        raise UnfitError(expected, reason="the port is no number")
    if len(digits) > 5 or not 1 <= int(digits) <= 65535:
        raise UnfitError(expected, reason="the port is not between 1 and 65535")
    return int(digits)


def _punycode(host: str) -> str | None:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None

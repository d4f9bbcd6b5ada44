"""What a route's key says: an optional host and a path, and whether it can ever match.

Pure text. Raises ``UnfitError``; knows nothing of files or of the other routes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from daarion_gw.config.addresses import host_name
from daarion_gw.config.problems import UnfitError

KEY = 'a path such as "/api/", or a host and a path such as "app.example.com/api/"'
HEALTH = "/healthz"

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
# Everything that a request's path can hold: RFC 3986 section 3.3, pchar and "/".
_STRANGE = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]")


def parse_key(key: str) -> tuple[str | None, str]:
    """Host (lower case, or None) and path of a route's key."""
    host, slash, rest = key.partition("/")
    path = slash + rest
    if not path:
        raise UnfitError(KEY, reason="a route has a path", suggestion=_with_path(key))
    check_path(path, key)
    if not host:
        if path == HEALTH:
            raise UnfitError(
                "another path", reason=f"never matches: the gateway itself answers {HEALTH}"
            )
        return None, path
    if (":" in host and not host.startswith("[")) or "]:" in host:
        raise UnfitError(KEY, reason="a port after the host would never match")
    if "*" in host:
        raise UnfitError(KEY, reason="wildcards in the host are not supported")
    return host_name(host, KEY), path


def check_path(path: str, key: str) -> None:
    """Refuse a path that no request can match: matching is done on a normalised copy."""
    reason = _why_never(path)
    if reason is not None:
        meant = key.removesuffix(path) + normalised(path)
        raise UnfitError(
            "the path as it is after normalisation",
            reason=f"never matches: {reason}",
            suggestion=meant if meant != key and _why_never(normalised(path)) is None else None,
        )


def normalised(path: str) -> str:
    """The path that was probably meant by one that never matches."""
    path = re.split(r"[?#]", path)[0]
    path = _ENCODED.sub(_decoded_if_unreserved, path)
    path = _STRANGE.sub(lambda match: quote(match[0]), path)
    done: list[str] = []
    segments = [part for part in re.sub("/+", "/", path).split("/")[1:] if part != "."]
    for segment in segments:
        if segment == "..":
            del done[-1:]
        else:
            done.append(segment)
    directory = path.endswith(("/", "/.", "/.."))
    done = [part for part in done if part]
    return "/" + "/".join(done) + ("/" if directory and done else "")


def _why_never(path: str) -> str | None:
    if "?" in path or "#" in path:
        return "a path ends before ? and #"
    if "//" in path:
        return "it holds an empty segment (//)"
    if any(segment in (".", "..") for segment in path.split("/")):
        return "it holds a dot segment"
    if any(_UNRESERVED.fullmatch(chr(int(match[1], 16))) for match in _ENCODED.finditer(path)):
        return "it holds a character that is compared decoded"
    if _STRANGE.search(path):
        return "it holds a character that stands percent-encoded in a request"
    if "%" in _ENCODED.sub("", path):
        return "a % needs two hexadecimal digits after it"
    return None


def _decoded_if_unreserved(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0]


def _with_path(key: str) -> str | None:
    """``api`` was meant as ``/api/``, ``app.example.com`` as ``app.example.com/``."""
    if not key or not re.fullmatch(r"[A-Za-z0-9._-]+", key):
        return None
    return f"{key}/" if "." in key else f"/{key}/"

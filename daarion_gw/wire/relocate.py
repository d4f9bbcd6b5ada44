"""Places that an answer names, put back under the prefix that the route cut off.

SPEC.md section 4: ``Location``, ``Content-Location``, ``Refresh`` when absolute to the
upstream or root-relative, and the ``Path`` of cookies, unless they stand under it already.
"""

import re
from dataclasses import dataclass

from .grammar import line_named

_PLACE_LINE = re.compile(
    line_named((b"location", b"content-location", b"refresh", b"set-cookie")).pattern
)
_ABSOLUTE = re.compile(rb"(?i:(https?):)?//([^/?#]*+)(.*+)\Z", re.DOTALL)
_REFRESH_URL = re.compile(rb"(?i)(\s*[0-9.]*\s*[;,]\s*url\s*=\s*)(['\"]?)(.*?)(\2)\s*\Z")
_COOKIE_PATH = re.compile(rb"(?i)(;[ \t]*path[ \t]*=[ \t]*)(/[^;]*+)")


@dataclass(frozen=True, slots=True)
class Places:
    """prefix: ``/api``, what clients see. base: what the server sees in its stead.

    authority: the server's; host: the client's Host, which the server was told.
    """

    prefix: bytes
    base: bytes
    authority: bytes
    host: bytes | None

    def path(self, path: bytes) -> bytes:
        """A path on the server as the path that a client must ask for."""
        if not path.startswith(b"/") or path.startswith(b"//"):
            return path
        if _is_under(path, self.prefix):
            return path
        if self.base:
            if not _is_under(path, self.base):
                return path
            path = path[len(self.base) :]
        return self.prefix + (path if path[:1] == b"/" else b"/" + path)

    def url(self, url: bytes) -> bytes:
        """A URL reference as the client must see it."""
        match = _ABSOLUTE.match(url)
        if match is None:
            return self.path(url)
        _scheme, authority, rest = match.groups()
        if authority.lower() == self.authority.lower():
            return self.path(rest or b"/")
        if self.host is not None and authority.lower() == self.host.lower():
            return url[: match.start(3)] + self.path(rest or b"/")
        return url


def _is_under(path: bytes, prefix: bytes) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (
        b"/",
        b"",
        b"?",
        b"#",
    )


def relocate(block: bytes, places: Places) -> bytes:
    """The field block with every place in it put back under the prefix."""

    def replaced(match: re.Match[bytes]) -> bytes:
        name, value = match[1], match[2]
        lower = name.lower()
        if lower == b"set-cookie":
            value = _COOKIE_PATH.sub(lambda m: m[1] + places.path(m[2]), value)
        elif lower == b"refresh":
            value = _refresh(value, places)
        else:
            value = places.url(value)
        return b"\n%b: %b\r" % (name, value)

    return _PLACE_LINE.sub(replaced, b"\n" + block)[1:]


def _refresh(value: bytes, places: Places) -> bytes:
    match = _REFRESH_URL.match(value)
    if match is None:
        return value
    return match[1] + match[2] + places.url(match[3]) + match[4]

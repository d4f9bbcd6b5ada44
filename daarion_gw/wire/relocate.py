"""Places that an answer names, put back under the prefix that the route cut off.

SPEC.md section 4: ``Location``, ``Content-Location``, ``Refresh`` when absolute to the
upstream or root-relative, and the ``Path`` of cookies, unless they stand under it already.
"""

import re
from dataclasses import dataclass

from .grammar import line_named

_PLACE_LINE = line_named((b"location", b"content-location", b"refresh", b"set-cookie"))
_ABSOLUTE = re.compile(rb"(?i:(https?):)?//([^/?#]*+)(.*+)\Z", re.DOTALL)
# As browsers read it: seconds, a separator, then an address that may be in quotes.
_REFRESH = re.compile(rb"(?i)[0-9.]*+[ \t]*+[;,][ \t]*+(?:url[ \t]*+=[ \t]*+)?(['\"]?)")
_COOKIE_PATH = re.compile(rb"(?i)(;[ \t]*+path[ \t]*+=[ \t]*+)(/[^;]*+)")


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
        if not path.startswith(b"/"):
            return path
        if self.prefix and _is_under(path, self.prefix):
            return path
        if self.base:
            if not _is_under(path, self.base):
                return path
            path = path[len(self.base) :]
        return self.prefix + _rooted(path)

    def cookie_path(self, path: bytes) -> bytes:
        """The Path of a cookie: one for more than the base is one for all that is seen of it."""
        wide = path.rstrip(b"/ \t")
        if len(wide) < len(self.base) and _is_under(self.base, wide):
            return self.prefix + b"/"
        return self.path(path)

    def url(self, url: bytes) -> bytes:
        """A URL reference as the client must see it."""
        match = _ABSOLUTE.match(url)
        if match is None:
            return _no_authority(self.path(url))
        scheme, authority, rest = match.groups()
        bare = _bare(authority, scheme)
        if bare == _bare(self.authority, scheme):
            return _no_authority(self.path(_rooted(rest)))
        if self.host is not None and bare == _bare(self.host, scheme):
            return url[: match.start(3)] + self.path(_rooted(rest))
        return url


def _rooted(path: bytes) -> bytes:
    return path if path.startswith(b"/") else b"/" + path


def _no_authority(path: bytes) -> bytes:
    # RFC 3986 4.2: what begins with two slashes would name another host.
    return b"/." + path if path.startswith(b"//") else path


def _bare(authority: bytes, scheme: bytes | None) -> bytes:
    """``authority`` in lower case, without the port that ``scheme`` implies."""
    is_secure = scheme is not None and scheme.lower() == b"https"
    return authority.lower().removesuffix(b":443" if is_secure else b":80")


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
            value = _COOKIE_PATH.sub(lambda m: m[1] + places.cookie_path(m[2]), value)
        elif lower == b"refresh":
            value = _refresh(value, places)
        else:
            value = places.url(value)
        return b"\n%b: %b\r" % (name, value)

    return _PLACE_LINE.sub(replaced, b"\n" + block)[1:]


def _refresh(value: bytes, places: Places) -> bytes:
    match = _REFRESH.match(value)
    if match is None:
        return value
    url, rest = value[match.end() :], b""
    if match[1]:
        url, quote, rest = url.partition(match[1])
        rest = quote + rest
    return value[: match.end()] + places.url(url) + rest

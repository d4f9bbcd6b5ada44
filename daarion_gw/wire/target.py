"""Request targets: what a path means, beside the bytes that it is forwarded as."""

import re

_UNRESERVED = re.compile(rb"%([2-7][0-9A-Fa-f])")
_ANY_OCTET = re.compile(rb"%([0-9A-Fa-f]{2})")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def path_of(target: bytes) -> bytes:
    """The path of a target in origin-form, without its query."""
    mark = target.find(b"?")
    return target if mark < 0 else target[:mark]


def is_plain(path: bytes) -> bool:
    """Whether ``path`` can have no other meaning than its bytes: then it is normal already."""
    return b"%" not in path and b"/." not in path


def normal(path: bytes) -> bytes:
    """``path`` with escaped unreserved characters decoded and dot segments taken out.

    RFC 3986 6.2.2.2 and 6.2.2.3. Nothing else changes: ``%2F`` and ``//`` stay.
    """
    if is_plain(path):
        return path
    return without_dots(_UNRESERVED.sub(_decode_unreserved, path))


def _decode_unreserved(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return bytes((byte,)) if byte in _LETTERS else match[0]


def without_dots(path: bytes) -> bytes:
    """``path`` after RFC 3986 5.2.4, which never climbs above the root."""
    out: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if out:
                out.pop()
        elif segment != b".":
            out.append(segment)
    if segments[-1] in (b".", b".."):
        out.append(b"")
    return b"/" + b"/".join(out)


_SLASHES = re.compile(rb"[/\\]+")
_PARAMETERS = re.compile(rb";[^/\\]*+")


def folded(path: bytes) -> bytes:
    """``path`` as an obliging server might read it: for comparing with what is forbidden.

    Every escape is decoded, twice over, parameters go from each segment, runs of slashes
    and backslashes become one slash, and dot segments go. Never forwarded.
    """
    return _without_dots_if_rooted(_SLASHES.sub(b"/", _unescaped(path)))


def readings(path: bytes) -> frozenset[bytes]:
    """`folded`, and the same with dot segments taken out before slashes are run together.

    ``/a//../b`` is ``/b`` to one server and ``/a/b`` to another: what is forbidden must be
    none of them.
    """
    straight = _unescaped(path)
    later = _SLASHES.sub(b"/", _without_dots_if_rooted(straight.replace(b"\\", b"/")))
    return frozenset((folded(path), later))


def climbs(path: bytes) -> bool:
    """Whether dot segments, in any guise, lead above where ``path`` begins."""
    depth = 0
    for segment in _SLASHES.sub(b"/", _unescaped(path)).strip(b"/").split(b"/"):
        depth += -1 if segment == b".." else segment not in (b"", b".")
        if depth < 0:
            return True
    return False


def _unescaped(path: bytes) -> bytes:
    for _ in range(2):
        if b"%" in path:
            path = _ANY_OCTET.sub(lambda match: bytes((int(match[1], 16),)), path)
    return _PARAMETERS.sub(b"", path)


def _without_dots_if_rooted(path: bytes) -> bytes:
    # The target of OPTIONS * is no path.
    return without_dots(path) if path.startswith(b"/") else path


def has_word(target: bytes, word: bytes) -> bool:
    """Whether the query has ``word``, with a value or without one."""
    query = target.partition(b"?")[2]
    return any(part.partition(b"=")[0] == word for part in query.split(b"&"))

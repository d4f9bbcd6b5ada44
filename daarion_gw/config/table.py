"""The route table: which route a host and a path belong to.

Exact beats prefix, the longest prefix wins, a host beats no host; the order in which
routes were written means nothing. It compares bytes and knows nothing of escapes: whoever
asks decides which form of a path to ask with. A look-up costs a dict access on the first
segment, however many routes there are.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Paths(Generic[T]):
    """The paths of one host."""

    __slots__ = ("_exact", "_first", "_root")

    def __init__(self) -> None:
        self._exact: dict[bytes, T] = {}
        # First segment with its slashes (b"/api/") -> (prefix, what), longest prefix first.
        self._first: dict[bytes, list[tuple[bytes, T]]] = {}
        self._root: T | None = None

    def add(self, path: bytes, what: T) -> None:
        if not path.endswith(b"/"):
            self._exact[path] = what
        elif path == b"/":
            self._root = what
        else:
            routes = self._first.setdefault(_first_segment(path), [])
            routes.append((path, what))
            routes.sort(key=lambda route: -len(route[0]))

    def find(self, path: bytes) -> T | None:
        if self._exact:
            found = self._exact.get(path)
            if found is not None:
                return found
        for prefix, what in self._first.get(_first_segment(path), ()):
            if path.startswith(prefix):
                return what
        return self._root


def _first_segment(path: bytes) -> bytes:
    return path[: path.find(b"/", 1) + 1]


class RouteTable(Generic[T]):
    """Finds what was added for a (host, path). Hosts are lower case and without port."""

    __slots__ = ("_any", "_hosts")

    def __init__(self, routes: Iterable[tuple[str | None, str, T]] = ()) -> None:
        self._any: _Paths[T] = _Paths()
        self._hosts: dict[bytes, _Paths[T]] = {}
        for host, path, what in routes:
            self.add(host, path, what)

    def add(self, host: str | None, path: str, what: T) -> None:
        paths = self._any
        if host is not None:
            paths = self._hosts.setdefault(host.encode("ascii"), _Paths())
        paths.add(path.encode("ascii"), what)

    def find(self, host: bytes | None, path: bytes) -> T | None:
        """``host`` as in the Host field, with its port and in any case; ``path`` from "/"."""
        if self._hosts and host is not None:
            paths = self._hosts.get(bare_host(host))
            found = paths.find(path) if paths is not None else None
            if found is not None:
                return found
        return self._any.find(path)


def bare_host(host: bytes) -> bytes:
    """A Host field's value without port, brackets and final dot, in lower case."""
    host = host.lower()
    if host.startswith(b"["):
        return host[1 : host.find(b"]")]
    return host.partition(b":")[0].removesuffix(b".")

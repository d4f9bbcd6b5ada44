"""Whom a request goes to: by host and path, and nothing else of it.

The one place where that is decided, for traffic and for the `tests:` of a configuration. It
knows neither Twisted nor servers at run time, so that a file can be judged where nothing runs.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, Generic, Self, TypeVar

from daarion_gw.config.settings import Route, Server
from daarion_gw.config.table import RouteTable
from daarion_gw.errors import Fault
from daarion_gw.wire.passage import Passage
from daarion_gw.wire.request import RequestHead
from daarion_gw.wire.target import climbs, folded, is_plain, normal, path_of, readings


class Miss(Enum):
    """Why a request has no resource."""

    NOT_FOUND = auto()
    # As it came it leads to another route than as it reads: whoever is right, it is refused.
    AMBIGUOUS = auto()
    # Only the slash at its end is missing.
    SLASH = auto()


def redirect_status(head: RequestHead) -> int:
    """The status of the answer that sends a client to another place with the same request."""
    # 301 lets a client turn POST into GET (RFC 9110 15.4.2); 308 does not.
    return 301 if head.method in (b"GET", b"HEAD") and not head.fields.upgrade else 308


class Way:
    """A route as requests find it: what of its paths must not go on.

    passages: how messages are changed on the way to each of its servers.
    """

    def __init__(self, route: Route, passages: Iterable[Passage]) -> None:
        self.route = route
        # Not so the route for everything: beside it the gateway's own pages have their place.
        self.is_specific = route.host is not None or route.path != "/"
        self._prefix = route.path.rstrip("/").encode("ascii")
        self._denied = tuple(
            folded(self._prefix + b"/" + deny.encode("ascii")) for deny in route.deny
        )
        # Whether the server's paths begin elsewhere than ours: then nothing may climb there.
        self._is_moved = any(way.prefix or way.base for way in passages)

    def objection(self, path: bytes) -> tuple[Fault, str] | None:
        """Why ``path`` must not go to the route's servers, if it must not."""
        if self._is_moved and (b".." in path or b"%" in path) and self._is_left(path):
            return Fault.AMBIGUOUS_PATH, f"the path climbs out of route {self.route.key}"
        if self._denied and self._is_denied(path):
            return Fault.NOT_FOUND, f"route {self.route.key} keeps this path shut"
        return None

    def _is_denied(self, path: bytes) -> bool:
        """Whether ``path``, read as obligingly as a server might, is one the route keeps shut."""
        # Of a stripped route the server reads the rest alone, and climbs no further than that.
        found = set(readings(path))
        found |= {self._prefix + rest for rest in readings(path[len(self._prefix) :])}
        return any(
            read.startswith(denied) or read == denied[:-1]
            if denied.endswith(b"/")
            else read.rstrip(b"/") == denied
            for denied in self._denied
            for read in found
        )

    def _is_left(self, path: bytes) -> bool:
        """Whether ``path`` climbs out of what the route is for, by dot segments in any guise."""
        return climbs(path[len(self._prefix) :])


W = TypeVar("W", bound=Way)


class Routing(Generic[W]):
    """All routes, and beside them the gateway's own pages.

    children: those pages, by the first segment of their paths (``b""`` is the page at ``/``).
    routes: in the order of the file. keys: theirs, as written there.
    """

    # Any: Twisted has them as resources, and here only their names matter.
    children: Any

    def __init__(self) -> None:
        self._table: RouteTable[W] = RouteTable()
        self.routes: list[W] = []
        self.keys: set[str] = set()

    def add_route(self, way: W) -> None:
        """Mount a route; its key is a host and a path, so no child's name could hold it."""
        self._table.add(way.route.host, way.route.path, way)
        self.routes.append(way)
        self.keys.add(way.route.key)

    def find(self, host: bytes | None, target: bytes) -> W | Self | Miss:
        """Who serves a request: a route, the pages beside the routes (``self``), or nobody.

        host: the Host field's value. target: in origin-form, as it will be forwarded.
        """
        path = path_of(target)
        found = self._lookup(host, path)
        if not is_plain(path) and self._lookup(host, normal(path)) is not found:
            return Miss.AMBIGUOUS
        if found is None:
            slashed = self._table.find(host, path + b"/")
            if slashed is not None and slashed.route.path.encode() == path + b"/":
                return Miss.SLASH
            return Miss.NOT_FOUND
        return found

    def _lookup(self, host: bytes | None, path: bytes) -> W | Self | None:
        found = self._table.find(host, path)
        if found is not None and found.is_specific:
            return found
        name = path[1:].partition(b"/")[0]
        if name in self.children and (name or path == b"/"):
            return self
        return found


def passage(route: Route, server: Server, instance: bytes) -> Passage:
    """How the messages of ``route`` are changed on the way to ``server``."""
    strips = route.strip_prefix and route.path != "/"
    return Passage(
        prefix=route.path.encode("ascii") if strips else b"",
        base=server.path.encode("ascii"),
        authority=(server.host if server.unix is not None else server.label).encode("ascii"),
        instance=instance,
        secured=route.security_headers,
        keep_underscores=route.keep_underscores,
    )


def has_start_page(routes: Iterable[Route]) -> bool:
    """Whether ``/`` is the gateway's own page: no route has all that nobody else takes."""
    return not any(route.host is None and route.path == "/" for route in routes)

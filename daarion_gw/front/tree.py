"""The resource tree: the routing structure, made of Twisted Web resources.

The root is an ordinary `Resource`; each route of the table is a `ProxyResource` in it, and
whatever else is put there with ``putChild`` is served beside them. `Root.find` is asked with
the very bytes that will be forwarded.
"""

from collections.abc import Callable
from enum import Enum, auto

from twisted.web.resource import Resource

from daarion_gw.config.settings import Route, Server, Settings, Timeouts
from daarion_gw.config.table import RouteTable
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import Counters, RouteCounters
from daarion_gw.upstream.group import Group
from daarion_gw.upstream.member import Member
from daarion_gw.wire.passage import Passage
from daarion_gw.wire.target import climbs, folded, is_plain, normal, path_of, readings

# A resource of Twisted Web has all of a body stored before it is asked.
MOUNTED_MAX_BODY = 1024 * 1024


class Miss(Enum):
    """Why a request has no resource."""

    NOT_FOUND = auto()
    # As it came it leads to another route than as it reads: whoever is right, it is refused.
    AMBIGUOUS = auto()
    # Only the slash at its end is missing.
    SLASH = auto()


class ProxyResource(Resource):
    """A route: where its requests go, what may pass, and what was counted.

    group: the servers. ways: how messages are changed on the way to each of them.
    """

    isLeaf = True

    def __init__(
        self, route: Route, group: Group, ways: dict[Member, Passage], counters: RouteCounters
    ) -> None:
        super().__init__()
        self.route = route
        self.group = group
        self.ways = ways
        self.counters = counters
        # Not so the route for everything: beside it the gateway's own pages have their place.
        self.is_specific = route.host is not None or route.path != "/"
        self.max_body = route.max_body
        self.timeouts: Timeouts = route.timeouts
        self._prefix = route.path.rstrip("/").encode("ascii")
        self._denied = tuple(
            folded(self._prefix + b"/" + deny.encode("ascii")) for deny in route.deny
        )
        # Whether the server's paths begin elsewhere than ours: then nothing may climb there.
        self._is_moved = any(way.prefix or way.base for way in ways.values())

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


class Root(Resource):
    """Everything that the gateway serves.

    mounted_max_body: what a resource beside the routes may be sent, in bytes, where it does
    not say so itself by an attribute ``max_body``.
    """

    mounted_max_body = MOUNTED_MAX_BODY

    def __init__(self) -> None:
        super().__init__()
        self._table: RouteTable[ProxyResource] = RouteTable()
        self.routes: list[ProxyResource] = []

    def add_route(self, proxy: ProxyResource) -> None:
        """Mount a route; its key is a host and a path, so no child's name could hold it."""
        self._table.add(proxy.route.host, proxy.route.path, proxy)
        self.routes.append(proxy)

    def find(self, host: bytes | None, target: bytes) -> "ProxyResource | Root | Miss":
        """Who serves a request: a route, the tree below this root, or nobody.

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

    def body_limit(self, target: bytes) -> int:
        """How many bytes of body the resource that serves ``target`` takes."""
        child = self.children.get(path_of(target)[1:].partition(b"/")[0])
        limit: int = getattr(child, "max_body", self.mounted_max_body)
        return limit

    def _lookup(self, host: bytes | None, path: bytes) -> "ProxyResource | Root | None":
        found = self._table.find(host, path)
        if found is not None and found.is_specific:
            return found
        name = path[1:].partition(b"/")[0]
        if name in self.children and (name or path == b"/"):
            return self
        return found


def build_root(
    settings: Settings, group_of: Callable[[str], Group], counters: Counters, instance: bytes
) -> Root:
    """The tree for ``settings``. group_of: an upstream's servers, by its name."""
    root = Root()
    for route in settings.routes:
        group = group_of(route.upstream)
        ways = {member: passage(route, member.server, instance) for member in group.members}
        counted = counters.route(route.key, route.upstream)
        root.add_route(ProxyResource(route, group, ways, counted))
    return root


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

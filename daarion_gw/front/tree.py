"""The resource tree: the routing structure, made of Twisted Web resources.

The root is an ordinary `Resource`; each route of the table is a `ProxyResource` in it, and
whatever else is put there with ``putChild`` is served beside them. `Root.find` is asked with
the very bytes that will be forwarded; how it decides stands in `routing`.
"""

from collections.abc import Callable

from twisted.web.resource import Resource

from daarion_gw.config.settings import Route, Settings, Timeouts
from daarion_gw.observe.counters import Counters, RouteCounters
from daarion_gw.upstream.group import Group
from daarion_gw.upstream.member import Member
from daarion_gw.wire.passage import Passage
from daarion_gw.wire.target import path_of

from .routing import Routing, Way, passage

# A resource of Twisted Web has all of a body stored before it is asked.
MOUNTED_MAX_BODY = 1024 * 1024


class ProxyResource(Resource, Way):
    """A route: where its requests go, what may pass, and what was counted.

    group: the servers. ways: how messages are changed on the way to each of them.
    """

    isLeaf = True

    def __init__(
        self, route: Route, group: Group, ways: dict[Member, Passage], counters: RouteCounters
    ) -> None:
        Resource.__init__(self)
        Way.__init__(self, route, ways.values())
        self.group = group
        self.ways = ways
        self.counters = counters
        self.max_body = route.max_body
        self.needs_certificate = route.client_certificate == "required"
        self.timeouts: Timeouts = route.timeouts


class Root(Resource, Routing[ProxyResource]):
    """Everything that the gateway serves.

    mounted_max_body: what a resource beside the routes may be sent, in bytes, where it does
    not say so itself by an attribute ``max_body``.
    """

    mounted_max_body = MOUNTED_MAX_BODY

    def __init__(self) -> None:
        Resource.__init__(self)
        Routing.__init__(self)

    def body_limit(self, target: bytes) -> int:
        """How many bytes of body the resource that serves ``target`` takes."""
        child = self.children.get(path_of(target)[1:].partition(b"/")[0])
        limit: int = getattr(child, "max_body", self.mounted_max_body)
        return limit


def build_root(
    root: Root,
    settings: Settings,
    group_of: Callable[[str], Group],
    counters: Counters,
    instance: bytes,
) -> Root:
    """The tree for ``settings``: ``root``, filled. group_of: an upstream's servers, by its name."""
    for route in settings.routes:
        group = group_of(route.upstream)
        ways = {member: passage(route, member.server, instance) for member in group.members}
        counted = counters.route(route.key, route.upstream)
        root.add_route(ProxyResource(route, group, ways, counted))
    return root

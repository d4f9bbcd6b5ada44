"""What happened so far, as integers on plain objects.

The exchange adds to these attributes directly (`route.counters.requests += 1`): no call, no
lock and no dict stands on the hot path. Everything runs in the reactor's thread. This module
must not know who reads the numbers, nor in which format.
"""

from bisect import bisect_left
from collections.abc import Iterator

# Upper bounds of the duration histogram in seconds; one more bucket holds what took longer.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# Index of `answers`: status // 100. Index 0 counts exchanges that ended without an answer.
NO_ANSWER = 0
ANSWER_CLASSES = 6


class RouteCounters:
    """One route with the upstream it leads to. Sizes are body bytes, as passed on.

    `answers` has six places, by status // 100; place 0 is an exchange that ended without an
    answer. `buckets` has `len(BOUNDS) + 1` places and is not cumulative: add one at
    `bisect_left(BOUNDS, seconds)`, or call `took`. `faults` is written on cold paths only.
    """

    __slots__ = (
        "answers",
        "buckets",
        "bytes_received",
        "bytes_sent",
        "faults",
        "in_flight",
        "requests",
        "route",
        "seconds_sum",
        "upstream",
        "websockets_open",
        "websockets_opened",
    )

    def __init__(self, route: str, upstream: str) -> None:
        self.route = route
        self.upstream = upstream
        self.requests = 0
        self.in_flight = 0
        self.answers = [0] * ANSWER_CLASSES
        self.bytes_received = 0
        self.bytes_sent = 0
        self.websockets_opened = 0
        self.websockets_open = 0
        self.seconds_sum = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.faults: dict[str, int] = {}

    def took(self, seconds: float) -> None:
        """Record the duration of one finished exchange."""
        self.seconds_sum += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def failed(self, fault: str) -> None:
        """Record why the gateway answered by itself; `fault` is the name of a `Fault`."""
        self.faults[fault] = self.faults.get(fault, 0) + 1


class ServerCounters:
    """One server of one upstream. `answers` as in `RouteCounters`.

    `members` is in how many processes it is configured now, `out` in how many of them it is not
    asked, because probes say that it is down or because it was ejected.
    """

    __slots__ = (
        "answers",
        "bytes_received",
        "bytes_sent",
        "connect_failures",
        "connections_open",
        "connections_opened",
        "ejections",
        "in_flight",
        "members",
        "out",
        "probes_failed",
        "probes_passed",
        "requests",
        "retries",
        "server",
        "upstream",
    )

    def __init__(self, upstream: str, server: str) -> None:
        self.upstream = upstream
        self.server = server
        self.requests = 0
        self.in_flight = 0
        self.answers = [0] * ANSWER_CLASSES
        self.bytes_sent = 0
        self.bytes_received = 0
        self.connections_opened = 0
        self.connections_open = 0
        self.connect_failures = 0
        self.retries = 0
        self.ejections = 0
        self.members = 0
        self.out = 0
        self.probes_failed = 0
        self.probes_passed = 0


class UpstreamCounters:
    """One upstream as a whole.

    `waiting`: for a place or a server, now. `busy`: refused for want of a place. `breaker_open`:
    in how many processes its breaker is not closed.
    """

    __slots__ = ("breaker_open", "busy", "upstream", "waiting")

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.waiting = 0
        self.busy = 0
        self.breaker_open = 0


class FrontCounters:
    """All listeners together: connections, and what was refused before a route was known.

    ``overload_level``: 0 is normal, see `daarion_gw.front.overload.Level`.
    """

    __slots__ = ("connections_accepted", "connections_open", "overload_level", "refused")

    def __init__(self) -> None:
        self.connections_accepted = 0
        self.connections_open = 0
        self.overload_level = 0
        # Status -> how many. Written on cold paths only.
        self.refused: dict[int, int] = {}

    @property
    def malformed(self) -> int:
        """Requests refused before a route was known, all statuses together."""
        return sum(self.refused.values())

    def refuse(self, status: int) -> None:
        """Record a request or connection that was refused before a route was known."""
        self.refused[status] = self.refused.get(status, 0) + 1

    def leave(self) -> None:
        """No connection is accepted for now: whoever shares the listeners may want to know."""

    def rejoin(self) -> None:
        """Connections are accepted again."""


class Counters:
    """The register of all counters. It outlives a reload, so that no number ever falls.

    ``workers`` is how many processes serve, ``worker_ends`` how many ended that nobody had told
    to. ``certificates``: until when each name has one (seconds of the Unix clock); of all
    processes together the one knows that shows the numbers, and they are no sum.
    """

    __slots__ = (
        "_routes",
        "_servers",
        "_upstreams",
        "certificates",
        "front",
        "worker_ends",
        "workers",
    )

    def __init__(self, front: FrontCounters | None = None) -> None:
        self.front = FrontCounters() if front is None else front
        self.workers = 1
        self.worker_ends = 0
        self.certificates: dict[str, float] = {}
        self._routes: dict[tuple[str, str], RouteCounters] = {}
        self._servers: dict[tuple[str, str], ServerCounters] = {}
        self._upstreams: dict[str, UpstreamCounters] = {}

    def clear(self) -> None:
        """Forget everything: for a register that is added up anew each time."""
        self.front = FrontCounters()
        self._routes.clear()
        self._servers.clear()
        self._upstreams.clear()

    def route(self, key: str, upstream: str) -> RouteCounters:
        """Return the counters of a route, the same ones each time."""
        found = self._routes.get((key, upstream))
        if found is None:
            found = self._routes[key, upstream] = RouteCounters(key, upstream)
        return found

    def server(self, upstream: str, label: str) -> ServerCounters:
        """Return the counters of a server, the same ones each time."""
        found = self._servers.get((upstream, label))
        if found is None:
            found = self._servers[upstream, label] = ServerCounters(upstream, label)
        return found

    def upstream(self, name: str) -> UpstreamCounters:
        """Return the counters of an upstream as a whole, the same ones each time."""
        found = self._upstreams.get(name)
        if found is None:
            found = self._upstreams[name] = UpstreamCounters(name)
        return found

    def routes(self) -> Iterator[RouteCounters]:
        """All routes ever seen, in the order of their first appearance."""
        return iter(tuple(self._routes.values()))

    def servers(self) -> Iterator[ServerCounters]:
        """All servers ever seen, in the order of their first appearance."""
        return iter(tuple(self._servers.values()))

    def upstreams(self) -> Iterator[UpstreamCounters]:
        """All upstreams ever seen, in the order of their first appearance."""
        return iter(tuple(self._upstreams.values()))

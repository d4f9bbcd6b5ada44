"""Whether a small request costs more as routes, open connections or servers grow."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.idle import open_one, raise_limit
from bench.peers import Ground, Peer, peer_of
from bench.processes import Running
from bench.works import Effort, Work, small_cost

# The others are no measure of flatness, and each row takes starts of its own.
_MEASURED = ("daarion-gw", "nginx tuned", "HAProxy")


@dataclass(frozen=True)
class Size:
    """How much of something there is."""

    routes: int = 0
    connections: int = 0
    servers: int = 0

    def __str__(self) -> str:
        if self.routes:
            return f"{self.routes:,} routes"
        if self.connections:
            return f"{self.connections:,} connections open"
        return f"{self.servers:,} server{'s' if self.servers > 1 else ''}"

    def path(self) -> str:
        """What to ask for: a route in the middle, or one with all the servers behind it."""
        if self.routes:
            return f"/r{self.routes // 2}/small"
        return "/many/small" if self.servers else "/bench/small"


class Growth(Work):
    """A small GET through freshly started proxies, with little and with much of something."""

    unit = "µs"

    def __init__(self, name: str, small: Size, large: Size) -> None:
        self.name = name
        self._sizes = (small, large)

    def rows(self, effort: Effort) -> tuple[str, ...]:
        """The small one and the large one are measured one after the other."""
        return tuple(f"small GET, {size}" for size in self._of(effort))

    def _of(self, effort: Effort) -> tuple[Size, ...]:
        if effort.quick:
            return tuple(replace(size, connections=size.connections // 10) for size in self._sizes)
        return self._sizes

    def obstacle(self, ground: Ground) -> str:
        """Client and proxy need a descriptor for each connection."""
        needed, allowed = self._sizes[1].connections + 500, raise_limit()
        if allowed < needed:
            return f"{needed:,} descriptors are needed, {allowed:,} are allowed (ulimit -Hn)"
        return ""

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """Three, and two when there is little time."""
        return peer.name in (_MEASURED[:2] if effort.quick else _MEASURED)

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """As the small GET; the other connections are open and silent meanwhile."""
        return tuple(_cost(peer_of(proxy), ground, effort, size) for size in self._of(effort))


def _cost(peer: Peer, ground: Ground, effort: Effort, size: Size) -> float:
    fresh = peer.start(ground, routes=size.routes, servers=size.servers)
    try:
        with ExitStack() as held:
            for _ in range(size.connections):
                held.enter_context(open_one(fresh.port, websocket=False))
            return small_cost(fresh, ground, effort.seconds, effort.quick, size.path())
    finally:
        fresh.stop()

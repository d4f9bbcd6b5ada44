"""Groups and servers without a network, for what decides about them."""

from daarion_gw.config.resilience import Eject
from daarion_gw.config.settings import Server, Upstream
from daarion_gw.observe.counters import Counters
from daarion_gw.upstream.group import Group
from daarion_gw.upstream.member import Member
from daarion_gw.upstream.pool import Pool
from daarion_gw.wire.limits import Limits
from daarion_gw.wire.request import RequestHead, parse_fields


class Asking:
    """A request, as far as the choice of a server depends on it."""

    def __init__(self, client: bytes = b"192.0.2.1", *lines: bytes) -> None:
        start = b"GET / HTTP/1.1\r\n"
        block = b"".join(line + b"\r\n" for line in (b"Host: gw.example", *lines))
        fields = parse_fields(start + block, len(start), Limits())
        self.head = RequestHead(b"GET", b"/", 1, b"gw.example", fields)
        self.client = client


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def upstream(weights: tuple[int, ...] = (1, 1, 1), drain: tuple[int, ...] = (), **said) -> Upstream:
    """An upstream with a server for each weight: 10.0.0.0:80, 10.0.0.1:80 and so on."""
    servers = tuple(
        Server(host=f"10.0.0.{number}", port=80, weight=weight, drain=number in drain)
        for number, weight in enumerate(weights)
    )
    return Upstream(name="api", servers=servers, **said)


def members_of(settings: Upstream) -> list[Member]:
    counters = Counters()
    return [
        Member(
            server, Pool(None, None, None, server, counters.server("api", server.label)), settings
        )
        for server in settings.servers
    ]


class World:
    """A group with a clock and a random generator of the test's own."""

    def __init__(
        self, weights: tuple[int, ...] = (1, 1, 1), secret: bytes = b"s" * 32, **said
    ) -> None:
        self.clock = Time()
        self.settings = upstream(weights, **said)
        self.members = members_of(self.settings)
        self.group = Group(self.settings, self.members, secret, self.clock)
        self.group.serve()

    def follow(self, before: "World") -> None:
        """Take the place of ``before``, as after a reload."""
        self.group.settle(before.group.counters, 1, before.group)
        before.group.retire()
        self.group.serve()

    def pick(self, *tried: int, request: Asking | None = None) -> int | None:
        """Which server is chosen, by its number."""
        found = self.group.pick(request or Asking(), tuple(self.members[each] for each in tried))
        return self.members.index(found) if found is not None else None

    def busy(self, *in_flight: int) -> None:
        """Say how many exchanges are under way at each."""
        for member, count in zip(self.members, in_flight, strict=True):
            member.pool.counters.in_flight = count

    def probe(self, number: int, passed: bool, times: int = 1) -> None:
        for _ in range(times):
            wrong = None if passed else "status 500"
            self.members[number].changed(
                self.members[number].condition.probed(wrong, self.clock.now)
            )

    @property
    def states(self) -> list[str]:
        return [shown["state"] for shown in self.group.describe()["servers"].values()]


QUICK = Eject(failures=3, ratio=0.5, requests=4, window="10s", time="10s", longest="40s")

"""What is configured, in the words of the status page and of the log."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from daarion_gw.config.settings import Server, Settings


@dataclass(slots=True)
class Upgrades:
    """How often this process was asked to make room for a new one, and why it is still there."""

    asked: int = 0
    failure: str | None = None

    def shown(self) -> dict[str, Any]:
        """For the status page."""
        return asdict(self)


def described(
    settings: Settings,
    listen: list[str],
    admin: str | None,
    idle: Callable[[str, Server], int],
    upstreams: Mapping[str, Any],
) -> dict[str, Any]:
    """What `daarion_gw.admin.site` shows.

    ``idle`` counts unused connections to a server, ``upstreams`` has what `Group.describe` says.
    """

    def row(upstream: str, server: Server) -> dict[str, Any]:
        told = upstreams.get(upstream, {}).get("servers", {}).get(server.label)
        shown = {"server": server.label, "idle": idle(upstream, server)}
        # A worker that has only just begun has told nothing yet.
        return {**shown, "state": told["state"]} if told is not None else shown

    return {
        "listeners": listen,
        "admin": admin,
        "source": settings.source,
        "upstreams": dict(upstreams),
        "routes": [
            {
                "route": route.key,
                "upstream": route.upstream,
                "strip_prefix": route.strip_prefix,
                "servers": [
                    row(route.upstream, server)
                    for server in settings.upstreams[route.upstream].servers
                ],
            }
            for route in settings.routes
        ],
    }


# From the best to the worst: of several processes the worst counts, as one of them acts by it.
_SERVER_STATES = ("up", "draining", "ejected", "down")
_BREAKER_STATES = ("closed", "half-open", "open")


def together(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several processes say of the same upstreams (`Group.describe`), as one.

    Of states the worst is shown, numbers are added up.
    """
    whole: dict[str, Any] = {}
    for each in told:
        for name, shown in each.items():
            known = whole.get(name)
            whole[name] = shown if known is None else _both(known, shown)
    return whole


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if key == "servers":
            servers = {**one[key], **other[key]}
            for label in one[key].keys() & other[key].keys():
                servers[label] = _worse(one[key][label], other[key][label], _SERVER_STATES)
            both[key] = servers
        elif key == "breaker":
            both[key] = _worse(one[key], other[key], _BREAKER_STATES)
        else:
            both[key] = one[key] + other[key]
    return both


def _worse(one: Any, other: Any, order: tuple[str, ...]) -> Any:
    return max(one, other, key=lambda shown: order.index(shown["state"]))


def table(settings: Settings) -> str:
    """How many routes there are, and where they came from."""
    return f"{len(settings.routes)} routes of {settings.source or 'the default table'}"


def told_by(companions: Iterable[Any]) -> dict[str, Any]:
    """What services beside the gateway tell of themselves (``shown``), by their names."""
    telling = [each for each in companions if hasattr(each, "shown")]
    return {each.name: told for each in telling if (told := each.shown()) is not None}


class Reloads:
    """How often the configuration was read again, and how that went the last time.

    problems: why the old one stayed then, or nothing. ``when_begun`` and ``when_over`` are called
    for each.
    """

    def __init__(self) -> None:
        self.when_begun: Callable[[], None] = _nothing
        self.when_over: Callable[[], None] = _nothing
        self._count = 0
        self._at: float | None = None
        self.problems = ""

    def begin(self) -> None:
        """The configuration is read again; `note` says how that went."""
        self.when_begun()

    def note(self, problems: str = "") -> None:
        """One is over. problems: why the old configuration stays, or nothing."""
        self._count += 1
        self._at = time.time()
        self.problems = problems
        self.when_over()

    def shown(self) -> dict[str, Any]:
        """For the status page."""
        at = self._at
        return {
            "count": self._count,
            "at": at and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            "ok": not self.problems,
            "problems": self.problems,
        }


def _nothing() -> None:
    """Nobody wants to know."""

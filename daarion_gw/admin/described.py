"""What is configured, in the words of the status page and of the log."""

from collections.abc import Callable
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
    settings: Settings, listen: list[str], admin: str | None, idle: Callable[[str, Server], int]
) -> dict[str, Any]:
    """What `daarion_gw.admin.site` shows; ``idle`` counts unused connections to a server."""
    return {
        "listeners": listen,
        "admin": admin,
        "source": settings.source,
        "routes": [
            {
                "route": route.key,
                "upstream": route.upstream,
                "strip_prefix": route.strip_prefix,
                "servers": [
                    {"server": server.label, "idle": idle(route.upstream, server)}
                    for server in settings.upstreams[route.upstream].servers
                ],
            }
            for route in settings.routes
        ],
    }


def table(settings: Settings) -> str:
    """How many routes there are, and where they came from."""
    return f"{len(settings.routes)} routes of {settings.source or 'the default table'}"

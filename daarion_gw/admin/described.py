"""What is configured, in the words of the status page and of the log."""

import time
from collections.abc import Callable
from typing import Any

from daarion_gw.config.settings import Server, Settings


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


class Reloads:
    """How often the configuration was read again, and how that went the last time.

    problems: why the old one stayed then, or nothing.
    """

    def __init__(self) -> None:
        self._count = 0
        self._at: float | None = None
        self.problems = ""

    def note(self, problems: str = "") -> None:
        """One is over. problems: why the old configuration stays, or nothing."""
        self._count += 1
        self._at = time.time()
        self.problems = problems

    def shown(self) -> dict[str, Any]:
        """For the status page."""
        at = self._at
        return {
            "count": self._count,
            "at": at and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            "ok": not self.problems,
            "problems": self.problems,
        }

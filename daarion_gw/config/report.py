"""The configuration as text for the operator's eyes: its mistakes, and its routing table.

Text only; who prints it, and where, is not known here.
"""

from __future__ import annotations

from typing import Any

from daarion_gw.config import defaults
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.route_keys import HEALTH
from daarion_gw.config.settings import Route, Settings, Timeouts
from daarion_gw.config.units import duration_text, size_text

_TITLES = ("PATH", "UPSTREAM", "SERVERS", "PREFIX", "PROTOCOL", "LIMITS")
_ITSELF = "the gateway itself"


def render_problems(error: ConfigurationError) -> str:
    """One line for each mistake and one that counts them, ended by a line end."""
    count = len(error.problems)
    lines = [str(problem) for problem in error.problems]
    lines.append("1 mistake" if count == 1 else f"{count} mistakes")
    return "\n".join(lines) + "\n"


def render_summary(settings: Settings) -> str:
    """What was loaded and from where, in one line."""
    source = settings.source or "no gateway.yaml, the default table"
    routes = _counted(len(settings.routes), "route")
    upstreams = _counted(len(settings.upstreams), "upstream")
    return f"{source}: fine, {routes} to {upstreams}, on {' '.join(settings.gateway.listen)}\n"


def render_routes(settings: Settings) -> str:
    """The routing table in aligned columns, the gateway's own paths last."""
    rows = [_TITLES, *(_row(settings, route) for route in settings.routes)]
    rows.append((HEALTH, _ITSELF, "-", "exact", "HTTP", "-"))
    if not any(route.path == "/" and route.host is None for route in settings.routes):
        rows.append(("/", _ITSELF, "-", "exact", "HTTP", "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def routes_data(settings: Settings) -> list[dict[str, Any]]:
    """The routing table for programs: plain data, durations in seconds, sizes in bytes."""
    return [
        {
            **route.model_dump(mode="json"),
            "match": "prefix" if route.is_prefix else "exact",
            "protocol": defaults.protocol_for(route.key),
            "servers": [server.url for server in settings.upstream_of(route).servers],
        }
        for route in settings.routes
    ]


def _row(settings: Settings, route: Route) -> tuple[str, ...]:
    return (
        route.key,
        route.upstream,
        " ".join(server.url for server in settings.upstream_of(route).servers),
        _prefix(route),
        defaults.protocol_for(route.key),
        _limits(route),
    )


def _prefix(route: Route) -> str:
    if not route.is_prefix:
        return "exact"
    return "stripped" if route.strip_prefix else "kept"


def _limits(route: Route) -> str:
    """The body limit, and what else is not as it is by default."""
    notes = [f"body {size_text(route.max_body)}"]
    for name, usual in Timeouts():
        value = getattr(route.timeouts, name)
        if value != usual:
            notes.append(f"{name.replace('_', ' ')} {duration_text(value)}")
    if route.deny:
        notes.append(f"denied {' '.join(route.deny)}")
    return ", ".join(notes)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"

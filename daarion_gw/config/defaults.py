"""The default routing table: what the gateway does when nobody wrote a file.

Data, and the way from it to ``Route`` and ``Upstream``. It knows nothing of files or of the
environment; ``load`` hands in what they changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daarion_gw.config.settings import Route, RouteOptions, Server, Settings, Timeouts, Upstream

_PLAIN = RouteOptions()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. ``protocol`` is words for the reader: any route passes WebSockets."""

    path: str
    upstream: str
    protocol: str
    options: RouteOptions = _PLAIN


PORTS: Mapping[str, int] = {
    "microdao-api": 8000,
    "microdao-ws": 8001,
    "matrix-homeserver": 8008,
    "grafana": 3000,
    "prometheus": 9090,
    "rag-service": 8081,
    "notification-service": 8082,
}

# Matrix clients hold /sync open until something happens; Grafana's data queries take minutes.
_MATRIX = Timeouts(first_byte=120.0)
_GRAFANA = Timeouts(first_byte=300.0)

TABLE: tuple[Row, ...] = (
    Row("/api/", "microdao-api", "HTTP"),
    Row("/ws/", "microdao-ws", "WebSocket"),
    # Synapse's own rule: its admin interface is never to be reached through a public proxy.
    Row(
        "/matrix/",
        "matrix-homeserver",
        "HTTP",
        RouteOptions(timeouts=_MATRIX, deny=("_synapse/admin/",)),
    ),
    # Federation signs the path, hence it must arrive byte for byte.
    Row(
        "/_matrix/",
        "matrix-homeserver",
        "HTTP (Matrix)",
        RouteOptions(strip_prefix=False, timeouts=_MATRIX),
    ),
    # These two are told the prefix that they stand under, and expect to see it.
    Row(
        "/grafana/",
        "grafana",
        "HTTP + WebSocket",
        RouteOptions(strip_prefix=False, timeouts=_GRAFANA),
    ),
    # Whoever reaches these could stop Prometheus or delete its data.
    Row(
        "/prometheus/",
        "prometheus",
        "HTTP",
        RouteOptions(strip_prefix=False, deny=("-/quit", "-/reload", "api/v1/admin/")),
    ),
    Row("/rag/", "rag-service", "HTTP"),
    Row("/notify/", "notification-service", "HTTP"),
)


def variable(upstream: str) -> str:
    """The variable that overrides a default upstream: ``DAARION_MICRODAO_API_URL``."""
    return f"DAARION_{upstream.upper().replace('-', '_')}_URL"


def name_for(key: str) -> str | None:
    """The name that the default table gives the upstream of the route ``key``, or None."""
    return next((row.upstream for row in TABLE if row.path == key), None)


def protocol_for(key: str) -> str:
    """Words for what a route is meant for; any other route than the table's takes both."""
    return next((row.protocol for row in TABLE if row.path == key), "HTTP + WebSocket")


def routes(defaults: RouteOptions | None = None) -> tuple[Route, ...]:
    """The rows as routes; ``defaults`` stands for what a row does not say itself."""
    return tuple(
        Route(
            key=row.path,
            path=row.path,
            upstream=row.upstream,
            **dict(overlay(defaults or _PLAIN, row.options)),
        )
        for row in TABLE
    )


def upstreams(overrides: Mapping[str, Server] | None = None) -> dict[str, Upstream]:
    """The upstreams of the table, each on this machine unless ``overrides`` names its server."""
    servers = {name: Server(host="127.0.0.1", port=port) for name, port in PORTS.items()}
    servers.update(overrides or {})
    return {name: Upstream(name=name, servers=(servers[name],)) for name in PORTS}


def default_settings() -> Settings:
    """The default table and nothing else: no file, no environment."""
    return Settings(routes=routes(), upstreams=upstreams())


def overlay(below: RouteOptions, above: RouteOptions) -> RouteOptions:
    """``above``, with ``below`` for each option that ``above`` does not set, groups included."""
    merged = below.model_dump(exclude_unset=True)
    for name, value in above.model_dump(exclude_unset=True).items():
        group = merged.get(name)
        merged[name] = {**group, **value} if isinstance(group, dict) else value
    return RouteOptions(**merged)

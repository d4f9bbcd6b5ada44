"""What may stand in ``gateway.yaml``: which keys, and what each of them takes.

The models here are the file as it is written; ``load`` makes settings of them. They judge each
value alone. What depends on other values (names, duplicates) is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from daarion_gw.config import addresses, units
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.route_keys import check_path
from daarion_gw.config.settings import (
    AccessLog,
    Duration,
    Gateway,
    HealthCheck,
    Model,
    RouteOptions,
    Server,
    Switch,
    Timeouts,
    WebSocketOptions,
)

ENDPOINT = "a Twisted endpoint string such as tcp:8080"
INTERVAL = "an interval such as 10s"
BELOW = "a path below the route such as admin/ or -/quit"
SERVERS = "a URL or a list of URLs"
ORIGINS = 'an origin such as https://app.example.com, same or "*", a list of them, or off'
TARGET = "a URL, a list of URLs, or the name of an upstream"


def _one_or_more(expected: str) -> BeforeValidator:
    """A single text or mapping stands for a list of it alone."""

    def check(value: object) -> object:
        if isinstance(value, str | Mapping):
            return (value,)
        if isinstance(value, list):
            return value
        raise UnfitError(expected)

    return BeforeValidator(check)


def _listen(value: object) -> object:
    return value if isinstance(value, list) else (value,)


def _endpoint(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnfitError(ENDPOINT, suggestion=f"tcp:{value}")
    if not isinstance(value, str) or not value.strip():
        raise UnfitError(ENDPOINT)
    return value


def _endpoint_or_off(value: object) -> str | None:
    if value is None or value is False or (isinstance(value, str) and value.lower() == "off"):
        return None
    return _endpoint(value)


def _some(expected: str) -> AfterValidator:
    def check(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise UnfitError(expected, reason="the list is empty")
        return value

    return AfterValidator(check)


def _one_kind(servers: tuple[WrittenServer, ...]) -> tuple[WrittenServer, ...]:
    if len({item.server.scheme for item in servers}) > 1:
        raise UnfitError(
            "servers that all speak TLS (https, wss) or all do not",
            reason="the schemes are mixed",
        )
    return servers


def _log(value: object) -> object:
    if value is False:
        return {"format": "off"}
    return {"format": value} if isinstance(value, str) else value


def _interval(value: object) -> float:
    seconds = units.duration(value)
    if not seconds:
        raise UnfitError(INTERVAL, reason="it would probe without end")
    return seconds


def _below(value: object) -> str:
    """``/-/quit`` and ``-/quit`` mean the same: it is always below the route."""
    path = value.removeprefix("/") if isinstance(value, str) else ""
    if not path:
        raise UnfitError(BELOW)
    check_path(f"/{path}", f"/{path}")
    return path


def _request_path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or set(value) & set(" #\r\n\t"):
        raise UnfitError("a path such as /health")
    return value


def _target(value: object, servers: ValidatorFunctionWrapHandler) -> object:
    """A name stays text; everything else is servers."""
    if isinstance(value, str) and not set(value) & set(":/"):
        if not value:
            raise UnfitError(TARGET)
        return value
    if not isinstance(value, str | list | Mapping):
        raise UnfitError(TARGET)
    return servers(value)


class WrittenServer(Model):
    """One server: its URL, or a mapping that says more about it."""

    url: Annotated[Server, BeforeValidator(addresses.server)]
    verify: Switch = True

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return value if isinstance(value, Mapping) else {"url": value}

    @property
    def server(self) -> Server:
        """The server with everything that is said about it."""
        return self.url.model_copy(update={"verify": self.verify})


WrittenServers = Annotated[
    tuple[WrittenServer, ...],
    _one_or_more(SERVERS),
    _some("at least one server"),
    AfterValidator(_one_kind),
]


class WrittenHealthCheck(HealthCheck):
    """``health_check:`` of an upstream."""

    path: Annotated[str, BeforeValidator(_request_path)]
    interval: Annotated[float, BeforeValidator(_interval)] = 10.0

    def settings(self) -> HealthCheck:
        """The same, as settings."""
        return HealthCheck(path=self.path, interval=self.interval)


class WrittenUpstream(Model):
    """An entry of ``upstreams:``; a URL or a list of URLs stands for its servers."""

    servers: WrittenServers
    health_check: WrittenHealthCheck | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return value if isinstance(value, Mapping) else {"servers": value}


class WrittenWebSocket(WebSocketOptions):
    """``websocket:`` of a route."""

    origins: (
        Annotated[
            tuple[Annotated[str, BeforeValidator(addresses.origin)], ...],
            _one_or_more(ORIGINS),
        ]
        | None
    ) = None

    @model_validator(mode="before")
    @classmethod
    def _any_origin(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("origins") in ("off", False):
            return {**value, "origins": None}
        return value


class WrittenOptions(RouteOptions):
    """``gateway: {defaults: …}``, and what a route says besides ``to``."""

    websocket: WrittenWebSocket = WrittenWebSocket()
    deny: Annotated[
        tuple[Annotated[str, BeforeValidator(_below)], ...], _one_or_more(f"{BELOW}, or a list")
    ] = ()

    def options(self) -> RouteOptions:
        """The same as ``RouteOptions``, with only those set that are written."""
        names = RouteOptions.model_fields
        return RouteOptions(**self.model_dump(exclude_unset=True, include=set(names)))


class WrittenRoute(WrittenOptions):
    """An entry of ``routes:``; a URL, a list of URLs or a name stands for its ``to``."""

    to: Annotated[WrittenServers, WrapValidator(_target)]

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if not isinstance(value, str | list | Mapping):
            raise UnfitError(f"a mapping with at least to:, or {TARGET}")
        return value if isinstance(value, Mapping) else {"to": value}

    @property
    def target(self) -> str | tuple[Server, ...]:
        """The name of an upstream, or servers."""
        # The validator lets a name pass as it is, which the annotation cannot say.
        to = cast("str | tuple[WrittenServer, ...]", self.to)
        return to if isinstance(to, str) else tuple(item.server for item in to)


class WrittenGateway(Gateway):
    """``gateway:``"""

    listen: Annotated[
        tuple[Annotated[str, BeforeValidator(_endpoint)], ...],
        BeforeValidator(_listen),
        _some("at least one endpoint string"),
    ] = Gateway().listen
    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(addresses.network)], ...],
        _one_or_more(f"{addresses.NETWORK}, or a list"),
    ] = Gateway().trusted_proxies
    access_log: Annotated[AccessLog, BeforeValidator(_log)] = AccessLog()
    admin: Annotated[str | None, BeforeValidator(_endpoint_or_off)] = Gateway().admin
    defaults: WrittenOptions = WrittenOptions()
    keep_alive: Duration = Gateway().keep_alive

    def gateway(self) -> Gateway:
        """The settings of the gateway itself, without the defaults of routes."""
        return Gateway(**{name: getattr(self, name) for name in Gateway.model_fields})


class WrittenFile(Model):
    """The whole file. ``routes`` None: the file has none, and the default table stands."""

    gateway: WrittenGateway = WrittenGateway()
    routes: dict[str, WrittenRoute] | None = None
    upstreams: dict[str, WrittenUpstream] = Field(default_factory=dict)


def model_at(path: tuple[str | int, ...]) -> type[Model] | None:
    """The model of the mapping at ``path`` of the file, for the names of its keys."""
    match path:
        case ():
            return WrittenFile
        case ("gateway",):
            return WrittenGateway
        case ("routes", str()):
            return WrittenRoute
        case ("upstreams", str()):
            return WrittenUpstream
        case (*_, int()) | ("routes", str(), "to"):
            return WrittenServer
    named: dict[str | int, type[Model]] = {
        "defaults": WrittenOptions,
        "timeouts": Timeouts,
        "websocket": WrittenWebSocket,
        "access_log": AccessLog,
        "health_check": WrittenHealthCheck,
    }
    return named.get(path[-1])


def is_section(path: tuple[str | int, ...]) -> bool:
    """Whether ``path`` is a group of keys: one with nothing below it is as good as absent."""
    match path:
        case ("gateway" | "routes" | "upstreams",) | ("gateway", "defaults"):
            return True
        case ("gateway", "defaults", name) | ("routes", str(), name):
            return name in ("timeouts", "websocket")
    return False

"""What may stand in ``gateway.yaml``: which keys, and what each of them takes.

The models here are the file as it is written; ``load`` makes settings of them. They judge each
value alone. What depends on other values (names, duplicates) is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, cast

from pydantic import (
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from daarion_gw.config import addresses
from daarion_gw.config.acme import ACME
from daarion_gw.config.model import Duration, Model
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.protection import ClientLimits, Signals
from daarion_gw.config.resilience import UpstreamLimits
from daarion_gw.config.route_keys import check_path
from daarion_gw.config.route_tests import A_TEST, WrittenTest
from daarion_gw.config.server_tls_shape import WrittenServerTLS
from daarion_gw.config.settings import (
    AccessLog,
    Gateway,
    ProxyProtocol,
    RouteOptions,
    Server,
    Timeouts,
    WebSocketOptions,
)
from daarion_gw.config.tls import TLS, Certificate
from daarion_gw.config.tls_policy import ClientCertificates, StrictTransport
from daarion_gw.config.upstream_shape import (
    WrittenBreaker,
    WrittenEject,
    WrittenHealthCheck,
    WrittenRetry,
    WrittenServer,
    WrittenServers,
    WrittenSticky,
    WrittenUpstream,
    one_or_more,
    some,
)

ENDPOINT = "a Twisted endpoint string such as tcp:8080"
BELOW = "a path below the route such as admin/ or -/quit"
BALANCER = "a network such as 10.0.0.0/8 or ::1/128, one address, or unix"
PORT = "a port of a listener, from 1 to 65535"
ORIGINS = 'an origin such as https://app.example.com, same or "*", a list of them, or off'
TARGET = "a URL, a list of URLs, or the name of an upstream"


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


def _balancer(value: object) -> object:
    if value == "unix":
        return value
    try:
        return addresses.network(value)
    except UnfitError as error:
        raise UnfitError(BALANCER, reason=error.reason, suggestion=error.suggestion) from None


def _port(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        # Out of a variable.
        value = int(value[:6])
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise UnfitError(PORT)
    return value


def _log(value: object) -> object:
    if value is False:
        return {"format": "off"}
    return {"format": value} if isinstance(value, str) else value


def _below(value: object) -> str:
    """``/-/quit`` and ``-/quit`` mean the same: it is always below the route."""
    path = value.removeprefix("/") if isinstance(value, str) else ""
    if not path:
        raise UnfitError(BELOW)
    check_path(f"/{path}", f"/{path}")
    return path


def _target(value: object, servers: ValidatorFunctionWrapHandler) -> object:
    """A name stays text; everything else is servers."""
    if isinstance(value, str) and not set(value) & set(":/"):
        if not value:
            raise UnfitError(TARGET)
        return value
    if not isinstance(value, str | list | Mapping):
        raise UnfitError(TARGET)
    return servers(value)


class WrittenWebSocket(WebSocketOptions):
    """``websocket:`` of a route."""

    origins: (
        Annotated[
            tuple[Annotated[str, BeforeValidator(addresses.origin)], ...],
            one_or_more(ORIGINS),
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
        tuple[Annotated[str, BeforeValidator(_below)], ...], one_or_more(f"{BELOW}, or a list")
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


class WrittenProxyProtocol(ProxyProtocol):
    """``proxy_protocol:`` of the gateway; networks alone stand for its ``trusted``."""

    trusted: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network | Literal["unix"], BeforeValidator(_balancer)],
              ...],
        one_or_more(f"{BALANCER}, or a list of them"),
    ] = ()  # fmt: skip
    ports: Annotated[
        tuple[Annotated[int, BeforeValidator(_port)], ...], BeforeValidator(_listen)
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if value is False or value == "off":
            return {}
        if isinstance(value, Mapping) and value.get("ports") and not value.get("trusted"):
            raise UnfitError("trusted: beside ports:, to say who is believed there")
        return value if isinstance(value, Mapping) else {"trusted": value}

    def settings(self) -> ProxyProtocol:
        """The same, as settings."""
        return ProxyProtocol(trusted=self.trusted, ports=self.ports)


class WrittenGateway(Gateway):
    """``gateway:``"""

    listen: Annotated[
        tuple[Annotated[str, BeforeValidator(_endpoint)], ...],
        BeforeValidator(_listen),
        some("at least one endpoint string"),
    ] = Gateway().listen
    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(addresses.network)], ...],
        one_or_more(f"{addresses.NETWORK}, or a list"),
    ] = Gateway().trusted_proxies
    proxy_protocol: WrittenProxyProtocol = WrittenProxyProtocol()
    access_log: Annotated[AccessLog, BeforeValidator(_log)] = AccessLog()
    admin: Annotated[str | None, BeforeValidator(_endpoint_or_off)] = Gateway().admin
    defaults: WrittenOptions = WrittenOptions()
    keep_alive: Duration = Gateway().keep_alive

    def gateway(self) -> Gateway:
        """The settings of the gateway itself, without the defaults of routes."""
        said = {name: getattr(self, name) for name in Gateway.model_fields}
        return Gateway(**said | {"proxy_protocol": self.proxy_protocol.settings()})


class WrittenFile(Model):
    """The whole file. ``routes`` None: the file has none, and the default table stands."""

    gateway: WrittenGateway = WrittenGateway()
    tls: TLS = TLS()
    routes: dict[str, WrittenRoute] | None = None
    upstreams: dict[str, WrittenUpstream] = Field(default_factory=dict)
    tests: Annotated[tuple[WrittenTest, ...], one_or_more(f"{A_TEST}, or a list of them")] = ()


def model_at(path: tuple[str | int, ...]) -> type[Model] | None:
    """The model of the mapping at ``path`` of the file, for the names of its keys."""
    match path:
        case ():
            return WrittenFile
        case ("gateway",):
            return WrittenGateway
        case ("tls",):
            return TLS
        case ("tls", "certificates", int()):
            return Certificate
        case ("tls", "acme"):
            return ACME
        case ("routes", str()):
            return WrittenRoute
        case ("upstreams", str()):
            return WrittenUpstream
        case ("tests", int()):
            return WrittenTest
        case (*_, int()) | ("routes", str(), "to"):
            return WrittenServer
    named: dict[str | int, type[Model]] = {
        "defaults": WrittenOptions,
        "timeouts": Timeouts,
        "websocket": WrittenWebSocket,
        "access_log": AccessLog,
        "proxy_protocol": WrittenProxyProtocol,
        "health_check": WrittenHealthCheck,
        "sticky": WrittenSticky,
        "eject": WrittenEject,
        "breaker": WrittenBreaker,
        "retry": WrittenRetry,
        "tls": WrittenServerTLS,
        "client_certificates": ClientCertificates,
        "hsts": StrictTransport,
        "overload": Signals,
        "limits": ClientLimits if path[0] == "gateway" else UpstreamLimits,
    }
    return named.get(path[-1])


def is_section(path: tuple[str | int, ...]) -> bool:
    """Whether ``path`` is a group of keys: one with nothing below it is as good as absent."""
    match path:
        case ("gateway" | "tls" | "routes" | "upstreams" | "tests",):
            return True
        case ("gateway", "defaults" | "limits" | "overload" | "proxy_protocol"):
            return True
        case ("gateway", "defaults", name) | ("routes", str(), name):
            return name in ("timeouts", "websocket")
    return False

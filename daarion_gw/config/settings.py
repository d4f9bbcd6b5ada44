"""The settings: what the operator wants, checked, complete and frozen.

One tree, passed whole or by branch. It knows nothing of files, environment or YAML (``load``
builds it), and nothing of Twisted. Durations are seconds, sizes are bytes. What is said of an
upstream's failures stands in `resilience`.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from daarion_gw.config.model import (
    Count,
    Duration,
    Model,
    Network,
    OptionalDuration,
    OptionalSize,
    Size,
    Switch,
)
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.protection import ClientLimits, Signals
from daarion_gw.config.resilience import (
    Balance,
    Breaker,
    Eject,
    HealthCheck,
    Retry,
    Sticky,
    UpstreamLimits,
)
from daarion_gw.config.route_tests import RouteTest
from daarion_gw.config.server_tls import ServerTLS
from daarion_gw.config.tls import TLS

DEMAND = "required or off"


class Server(Model):
    """One address of an upstream.

    ``unix`` is the path of a socket, or None; with it ``host`` is ``localhost`` and ``port`` 0.
    ``path`` is ``""`` or ``"/base"``, without a slash at its end: it goes before the rest of the
    request's path. ``verify`` tells whether the certificate of an ``https`` server is verified, and
    ``tls`` what besides is agreed with it (None: nothing).
    ``weight``: its share of the exchanges, beside those of the others. ``drain``: it gets no new
    exchanges but those of clients that are bound to it (`Sticky`). ``send_proxy``: in which version
    of the PROXY protocol each connection says for whom it is made, None = not at all.
    """

    scheme: Literal["http", "https"] = "http"
    host: str
    port: int
    unix: str | None = None
    path: str = ""
    verify: bool = True
    tls: ServerTLS | None = None
    weight: Count = 1
    drain: bool = False
    send_proxy: Literal["v1", "v2"] | None = None

    @property
    def label(self) -> str:
        """``127.0.0.1:8000``, ``[::1]:8000`` or ``unix:/run/x.sock``: for logs and metrics."""
        if self.unix is not None:
            return f"unix:{self.unix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:8000/base``, or ``unix:/run/x.sock``."""
        if self.unix is not None:
            return self.label
        return f"{self.scheme}://{self.label}{self.path}"


class Upstream(Model):
    """A service: its name, the servers that do the same work, and what holds when they fail.

    ``sticky``, ``health_check``, ``eject``, ``breaker``: None = off. ``wait_for``: seconds that a
    request is held while no server of it can be reached, 0 = none.
    """

    name: str
    servers: tuple[Server, ...]
    balance: Balance = Balance()
    sticky: Sticky | None = None
    health_check: HealthCheck | None = None
    eject: Eject | None = Eject()
    breaker: Breaker | None = None
    limits: UpstreamLimits = UpstreamLimits()
    retry: Retry = Retry()
    wait_for: Duration = 0.0


class Timeouts(Model):
    """How long an upstream may take, in seconds; 0 means no limit.

    ``connect``: to accept the connection. ``first_byte``: from the end of the request to the
    first byte of the answer. ``idle``: between two pieces of the answer. ``send``: between two
    pieces of the request that it takes from us.
    """

    connect: Duration = 60.0
    first_byte: Duration = 60.0
    idle: Duration = 60.0
    send: Duration = 60.0


class WebSocketOptions(Model):
    """What holds for an open WebSocket.

    ``idle_timeout``: seconds without a frame in either direction, 0 = no limit.
    ``ping_interval``: seconds of a side's silence until a ping of our own, and again until it is
    given up, None = no pings.
    ``max_message_size``: bytes, None = no limit. ``origins``: the ``Origin`` values that may open
    one, lower case, as browsers send them (``https://app.example.com``); ``same`` is the one that
    the Host names, ``*`` any; None = any.
    """

    idle_timeout: Duration = 86400.0
    ping_interval: OptionalDuration = None
    max_message_size: OptionalSize = None
    origins: tuple[str, ...] | None = None


def _demand(value: object) -> object:
    """``required`` or ``off``."""
    if value is None or value is False or (isinstance(value, str) and value.lower() == "off"):
        return "off"
    if value != "required":
        raise UnfitError(DEMAND)
    return value


class RouteOptions(Model):
    """What may be said of a route besides where it leads.

    ``max_body``: bytes of a request's body, 0 = no limit. ``keep_underscores``: pass request
    fields on whose names have an underscore. ``deny``: paths below the route that answer 404
    and never reach the upstream, relative to the route's prefix and without a slash before them:
    ``-/quit`` is that one path, ``api/v1/admin/`` with its slash is everything below it, and the
    path without the slash too. For an exact route ``deny`` means nothing. ``client_certificate``:
    ``required`` of whoever may come here.
    """

    strip_prefix: Switch = True
    max_body: Size = 104857600
    timeouts: Timeouts = Timeouts()
    websocket: WebSocketOptions = WebSocketOptions()
    security_headers: Switch = True
    access_log: Switch = True
    keep_underscores: Switch = False
    deny: tuple[str, ...] = ()
    client_certificate: Annotated[Literal["off", "required"], BeforeValidator(_demand)] = "off"


class Route(RouteOptions):
    """One row of the routing table.

    ``key``: as the operator wrote it (``/api/``, ``app.example.com/shop/``). ``host``: lower
    case, an IPv6 address without its brackets, None for any. ``path``: a prefix when it ends in
    a slash, else one exact path. ``upstream``: a name in ``Settings.upstreams``.
    """

    key: str
    host: str | None = None
    path: str
    upstream: str

    @property
    def is_prefix(self) -> bool:
        """Whether everything below ``path`` belongs to this route."""
        return self.path.endswith("/")


class AccessLog(Model):
    """How exchanges are logged; ``file`` None is the standard output."""

    format: Literal["combined", "json", "off"] = "combined"
    file: Annotated[str, Field(min_length=1)] | None = None


class ProxyProtocol(Model):
    """Whose connections begin with a header of the PROXY protocol, and at which listeners.

    ``trusted``: networks, and ``unix`` for clients on UNIX sockets; nobody = off. ``ports``: of
    TCP listeners, none = all of them.
    """

    trusted: tuple[Network | Literal["unix"], ...] = ()
    ports: tuple[int, ...] = ()

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those of ``trusted`` that are networks."""
        return tuple(member for member in self.trusted if member != "unix")

    @property
    def trusts_unix(self) -> bool:
        """Whether clients on UNIX sockets are trusted."""
        return "unix" in self.trusted

    def concerns(self, port: int) -> bool:
        """Whether clients of the TCP listener on ``port`` may be meant."""
        return bool(self.networks) and (not self.ports or port in self.ports)


class Gateway(Model):
    """The gateway itself: where it listens, whom it trusts, its own limits (seconds).

    ``listen``: Twisted server endpoint strings. ``trusted_proxies``: whose ``X-Forwarded-*`` is
    believed. ``proxy_protocol``: who says it in a header of the connection. ``admin``: endpoint
    string of the admin listener, None = off. ``keep_alive``: how long an idle client connection is
    kept. ``head_timeout``: for a whole request head.
    ``drain_delay``: how long the gateway goes on accepting after it was told to stop.
    ``drain_timeout``: for the exchanges in flight when the gateway stops, and for the WebSockets
    of a route that a reload took away. ``reload_on_change``: reload when the file changes.
    ``limits``: of clients' connections. ``overload``: when there is too much to do.
    """

    listen: tuple[str, ...] = ("tcp:8080",)
    trusted_proxies: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    proxy_protocol: ProxyProtocol = ProxyProtocol()
    access_log: AccessLog = AccessLog()
    admin: str | None = "tcp:9901:interface=127.0.0.1"
    keep_alive: Duration = 65.0
    head_timeout: Duration = 10.0
    drain_delay: Duration = 0.0
    drain_timeout: Duration = 30.0
    limits: ClientLimits = ClientLimits()
    overload: Signals = Signals()
    reload_on_change: Switch = False


class Settings(Model):
    """Everything. ``source`` is the file it came from, None for the default table alone.

    ``tests``: where requests must lead; whoever loads settings sees that they do.
    """

    gateway: Gateway = Gateway()
    tls: TLS = TLS()
    routes: tuple[Route, ...] = ()
    upstreams: dict[str, Upstream] = Field(default_factory=dict)
    tests: tuple[RouteTest, ...] = ()
    source: str | None = None

    def upstream_of(self, route: Route) -> Upstream:
        """The upstream that ``route`` leads to."""
        return self.upstreams[route.upstream]

"""What may stand below ``upstreams:`` in ``gateway.yaml``, and in a route's ``to:``.

Like `shape`, whose part it is: each value is judged alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from daarion_gw.config import addresses, units
from daarion_gw.config.model import Count, Model, Share, Switch
from daarion_gw.config.problems import UnfitError, closest
from daarion_gw.config.resilience import (
    Balance,
    Breaker,
    Eject,
    HealthCheck,
    Retry,
    Sticky,
    UpstreamLimits,
)
from daarion_gw.config.server_tls_shape import OfServer, OfUpstream, overlaid
from daarion_gw.config.settings import Server, Upstream

INTERVAL = "an interval such as 10s"
SECRET = "a text of 16 characters or more"
SERVERS = "a URL or a list of URLs"
POLICIES = ("round_robin", "least_busy", "two_choices", "hash", "first")
BALANCE = "round_robin, least_busy, two_choices, first or {hash: client}"
HASH = '{hash: client}, {hash: "header NAME"} or {hash: "cookie NAME"}'
SEND_PROXY = "v1, v2 or off"
STATUSES = "a status such as 200, a range such as 200-299, or a list of them"
STATUS = "a status from 400 to 599 such as 503, or a list of them"
PATTERN = "a regular expression"
SOME_SHARE = "a share above 0% such as 50%"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.ASCII)


def one_or_more(expected: str) -> BeforeValidator:
    """A single text or mapping stands for a list of it alone."""

    def check(value: object) -> object:
        if isinstance(value, str | Mapping):
            return (value,)
        if isinstance(value, list):
            return value
        raise UnfitError(expected)

    return BeforeValidator(check)


def some(expected: str) -> AfterValidator:
    """At least one."""

    def check(value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise UnfitError(expected, reason="the list is empty")
        return value

    return AfterValidator(check)


def _one_kind(servers: tuple[WrittenServer, ...]) -> tuple[WrittenServer, ...]:
    if len({item.url.scheme for item in servers}) > 1:
        raise UnfitError(
            "servers that all speak TLS (https, wss) or all do not",
            reason="the schemes are mixed",
        )
    return servers


def _interval(value: object) -> float:
    seconds = units.duration(value)
    if not seconds:
        raise UnfitError(INTERVAL, reason="it must last")
    return seconds


def _at_least_one(value: int) -> int:
    if not value:
        raise UnfitError("a whole number from 1 on")
    return value


def _some_share(value: float) -> float:
    if not value:
        raise UnfitError(SOME_SHARE)
    return value


def _request_path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or set(value) & set(" #\r\n\t"):
        raise UnfitError("a path such as /health")
    return value


def _secret(value: object) -> object:
    if value is not None and (not isinstance(value, str) or len(value) < 16):
        raise UnfitError(SECRET)
    return value


def _host(value: object) -> object:
    if not isinstance(value, str):
        raise UnfitError("a host such as app.example.com")
    return addresses.host_name(value, "a host such as app.example.com")


def _pattern(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise UnfitError(PATTERN)
    try:
        re.compile(value)
    except re.error as error:
        raise UnfitError(PATTERN, reason=f"{error}") from None
    return value


def _status_ranges(value: object) -> object:
    members = value if isinstance(value, list) else [value]
    ranges = []
    for member in members:
        match = _RANGE.fullmatch(str(member)) if not isinstance(member, bool) else None
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise UnfitError(STATUSES)
        ranges.append((int(match[1]), int(match[2] or match[1])))
    if not ranges:
        raise UnfitError(STATUSES, reason="the list is empty")
    return tuple(ranges)


def _statuses(value: object) -> object:
    members = value if isinstance(value, list) else [value]
    for member in members:
        if isinstance(member, bool) or not isinstance(member, int) or not 400 <= member <= 599:
            raise UnfitError(STATUS)
    return tuple(members)


def _token(what: str) -> BeforeValidator:
    def check(value: object) -> str:
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise UnfitError(what)
        return value

    return BeforeValidator(check)


def _balance(value: object) -> object:
    """``{hash: "header X-User"}`` and the plain words, as settings have them."""
    if isinstance(value, Balance):
        return value
    if isinstance(value, str):
        if value in POLICIES and value != "hash":
            return {"policy": value}
        near = None if value == "hash" else closest(value, POLICIES[:3])
        raise UnfitError(HASH if value == "hash" else BALANCE, suggestion=near)
    if not isinstance(value, Mapping) or list(value) != ["hash"]:
        raise UnfitError(BALANCE)
    source, _, name = str(value["hash"]).partition(" ")
    name = name.strip()
    if source == "client" and not name:
        return {"policy": "hash"}
    if source in ("header", "cookie") and _TOKEN.fullmatch(name):
        if source == "header":
            name = name.lower()
        return {"policy": "hash", "source": source, "name": name}
    raise UnfitError(HASH)


def _switched(value: object) -> object:
    """``on`` stands for all defaults, ``off`` for nothing."""
    if value is True or (isinstance(value, str) and value.lower() == "on"):
        return {}
    if value is False or (isinstance(value, str) and value.lower() == "off"):
        return None
    if isinstance(value, str | int | float):
        raise UnfitError("on, off, or a mapping")
    return value


def _send_proxy(value: object) -> object:
    if value is None or value is False or value == "off":
        return None
    if value not in ("v1", "v2"):
        raise UnfitError(SEND_PROXY, suggestion=f"v{value}" if value in (1, 2) else None)
    return value


def _tries(value: object) -> object:
    """``off`` and a number stand for ``tries``."""
    if isinstance(value, Mapping | Retry):
        return value
    return {"tries": units.count(value)}


class WrittenServer(Model):
    """One server: its URL, or a mapping that says more about it."""

    url: Annotated[Server, BeforeValidator(addresses.server)]
    verify: Switch = True
    tls: OfServer = None
    weight: Annotated[Count, AfterValidator(_at_least_one)] = 1
    drain: Switch = False
    send_proxy: Annotated[Literal["v1", "v2"] | None, BeforeValidator(_send_proxy)] = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return value if isinstance(value, Mapping) else {"url": value}

    @property
    def server(self) -> Server:
        """The server with everything that is said about it."""
        said = {"verify": self.verify, "weight": self.weight, "drain": self.drain,
                "send_proxy": self.send_proxy, "tls": overlaid(None, self.tls)}  # fmt: skip
        return self.url.model_copy(update=said)


WrittenServers = Annotated[
    tuple[WrittenServer, ...],
    one_or_more(SERVERS),
    some("at least one server"),
    AfterValidator(_one_kind),
]


class WrittenSticky(Sticky):
    """``sticky:`` of an upstream."""

    cookie: Annotated[str, _token("the name of a cookie")] = "daarion_server"
    secret: Annotated[str | None, Field(repr=False), BeforeValidator(_secret)] = None


class WrittenHealthCheck(HealthCheck):
    """``health_check:`` of an upstream."""

    path: Annotated[str, BeforeValidator(_request_path)]
    interval: Annotated[float, BeforeValidator(_interval)] = 10.0
    timeout: Annotated[float, BeforeValidator(_interval)] = 5.0
    statuses: Annotated[tuple[tuple[int, int], ...], BeforeValidator(_status_ranges)] = (
        (200, 399),
    )
    body: Annotated[str | None, BeforeValidator(_pattern)] = None
    rise: Annotated[Count, AfterValidator(_at_least_one)] = 2
    fall: Annotated[Count, AfterValidator(_at_least_one)] = 3
    host: Annotated[str | None, BeforeValidator(_host)] = None


class WrittenEject(Eject):
    """``eject:`` of an upstream."""

    window: Annotated[float, BeforeValidator(_interval)] = 10.0
    time: Annotated[float, BeforeValidator(_interval)] = 10.0

    @model_validator(mode="after")
    def _has_room_to_grow(self) -> WrittenEject:
        if self.time <= self.longest:
            return self
        if "longest" in self.model_fields_set:
            time, longest = map(units.duration_text, (self.time, self.longest))
            reason = f"its time {time} is longer than its longest {longest}"
            raise UnfitError(f"longest: {time} or more", reason=reason)
        # Who says for how long has said it, whatever is usual.
        return self.model_copy(update={"longest": self.time})


class WrittenBreaker(Breaker):
    """``breaker:`` of an upstream."""

    ratio: Annotated[Share, AfterValidator(_some_share)] = 0.5
    window: Annotated[float, BeforeValidator(_interval)] = 10.0
    open_for: Annotated[float, BeforeValidator(_interval)] = 5.0


class WrittenRetry(Retry):
    """``retry:`` of an upstream."""

    statuses: Annotated[tuple[int, ...], BeforeValidator(_statuses)] = (502, 503, 504)
    budget: Share = 0.2


class WrittenUpstream(Model):
    """An entry of ``upstreams:``; a URL or a list of URLs stands for its servers."""

    servers: WrittenServers
    tls: OfUpstream = None
    balance: Annotated[Balance, BeforeValidator(_balance)] = Balance()
    sticky: Annotated[WrittenSticky | None, BeforeValidator(_switched)] = None
    health_check: WrittenHealthCheck | None = None
    eject: Annotated[WrittenEject | None, BeforeValidator(_switched)] = WrittenEject()
    breaker: Annotated[WrittenBreaker | None, BeforeValidator(_switched)] = None
    limits: UpstreamLimits = UpstreamLimits()
    retry: Annotated[WrittenRetry, BeforeValidator(_tries)] = WrittenRetry()
    wait_for: Annotated[float, BeforeValidator(units.duration)] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return value if isinstance(value, Mapping) else {"servers": value}

    def settings(self, name: str) -> Upstream:
        """The same, as settings."""
        said = self.model_dump(exclude={"servers", "tls"})
        servers = tuple(
            item.server.model_copy(update={"tls": overlaid(self.tls, item.tls)})
            for item in self.servers
        )
        return Upstream(name=name, servers=servers, **said)

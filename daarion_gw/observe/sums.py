"""The counters of several processes, as data that can be sent, and added up.

What can only grow goes on counting when its process is gone; what is open or under way now ends
with it. This module must not know how the numbers travel.
"""

from typing import Any

from daarion_gw.observe.counters import (
    Counters,
    FrontCounters,
    RouteCounters,
    ServerCounters,
    UpstreamCounters,
)

Numbers = dict[str, Any]
_Set = FrontCounters | RouteCounters | ServerCounters | UpstreamCounters

_FRONT = ("connections_accepted",)
_FRONT_NOW = ("connections_open",)
_ROUTE = ("requests", "bytes_received", "bytes_sent", "websockets_opened", "seconds_sum")
_ROUTE_NOW = ("in_flight", "websockets_open")
_SERVER = (
    "requests", "bytes_sent", "bytes_received", "connections_opened", "connect_failures", "retries",
    "ejections", "probes_failed", "probes_passed",
)  # fmt: skip
_SERVER_NOW = ("in_flight", "connections_open", "members", "out")
_UPSTREAM = ("busy",)
_UPSTREAM_NOW = ("waiting", "breaker_open")


def taken(counters: Counters) -> Numbers:
    """All numbers that are not zero, fit for JSON."""
    front = counters.front
    return {
        "front": {
            **_values(front, (*_FRONT, *_FRONT_NOW, "overload_level")),
            # The keys of a JSON object are strings.
            "refused": {str(status): count for status, count in front.refused.items()},
        },
        "routes": [
            [each.route, each.upstream, numbers]
            for each in counters.routes()
            if (numbers := _of_route(each))
        ],
        "servers": [
            [each.upstream, each.server, numbers]
            for each in counters.servers()
            if (numbers := _of_server(each))
        ],
        "upstreams": [
            [each.upstream, numbers]
            for each in counters.upstreams()
            if (numbers := _values(each, _UPSTREAM + _UPSTREAM_NOW))
        ],
    }


def _of_route(counters: RouteCounters) -> Numbers:
    numbers = _values(counters, _ROUTE + _ROUTE_NOW)
    if numbers or any(counters.answers) or counters.faults:
        numbers["answers"] = counters.answers
        numbers["buckets"] = counters.buckets
        numbers["faults"] = counters.faults
    return numbers


def _of_server(counters: ServerCounters) -> Numbers:
    numbers = _values(counters, _SERVER + _SERVER_NOW)
    if numbers or any(counters.answers):
        numbers["answers"] = counters.answers
    return numbers


def _values(counters: _Set, names: tuple[str, ...]) -> Numbers:
    return {name: value for name in names if (value := getattr(counters, name))}


def add(total: Counters, numbers: Numbers, is_gone: bool = False) -> None:
    """Add what ``taken`` gave; of a process that ``is_gone`` nothing is open any more."""
    front = numbers["front"]
    _add(total.front, front, _FRONT, () if is_gone else _FRONT_NOW)
    if not is_gone:
        # The worst of them: levels are no amounts.
        level = max(total.front.overload_level, front.get("overload_level", 0))
        total.front.overload_level = level
    for status, count in front["refused"].items():
        number = int(status)
        total.front.refused[number] = total.front.refused.get(number, 0) + count
    for key, upstream, of_route in numbers["routes"]:
        route = total.route(key, upstream)
        _add(route, of_route, _ROUTE, () if is_gone else _ROUTE_NOW)
        _add_places(route.answers, of_route["answers"])
        _add_places(route.buckets, of_route["buckets"])
        for fault, count in of_route["faults"].items():
            route.faults[fault] = route.faults.get(fault, 0) + count
    for upstream, label, of_server in numbers["servers"]:
        server = total.server(upstream, label)
        _add(server, of_server, _SERVER, () if is_gone else _SERVER_NOW)
        _add_places(server.answers, of_server["answers"])
    for name, of_upstream in numbers["upstreams"]:
        _add(total.upstream(name), of_upstream, _UPSTREAM, () if is_gone else _UPSTREAM_NOW)


def _add(total: _Set, numbers: Numbers, lasting: tuple[str, ...], now: tuple[str, ...]) -> None:
    for name in lasting + now:
        if name in numbers:
            setattr(total, name, getattr(total, name) + numbers[name])


def _add_places(total: list[int], places: list[int]) -> None:
    for index, count in enumerate(places):
        total[index] += count

"""The counters as Prometheus and OpenMetrics text. The only place that knows prometheus_client.

Numbers are read when they are asked for; nothing here is called while a request passes. This
module must not know HTTP: it is handed the value of an Accept field and gives bytes back.

Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from daarion_gw.observe.counters import (
    BOUNDS,
    Counters,
    RouteCounters,
    ServerCounters,
    UpstreamCounters,
)

_BY_ROUTE = ("route", "upstream")
_BY_SERVER = ("upstream", "server")
# Index of `answers` -> label "class".
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
_HISTOGRAM_LABELS = (*(str(bound) for bound in BOUNDS), "+Inf")

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_ASKS_FOR_OPENMETRICS = re.compile(
    r"(?:^|,) *application/openmetrics-text *; *version=(?:0\.0\.1|1\.0\.0)\b"
)


class Metrics:
    """All that `/metrics` says. ``children`` gives the pids of further processes that serve."""

    def __init__(
        self, counters: Counters, version: str, children: Callable[[], Sequence[int]] = tuple
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_CountersCollector(counters, version))
        self._registry.register(_ProcessesCollector(children))

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return (text, its Content-Type) in the format that an Accept field prefers."""
        # The library compares whatever version a client names, and raises on a strange one.
        wanted = _OPENMETRICS if _ASKS_FOR_OPENMETRICS.search(accept) else ""
        encode, content_type = choose_encoder(wanted)
        return encode(self._registry), content_type


class _ProcessesCollector(Collector):
    """prometheus_client's `process_*` of this process, with those of its children added."""

    _SECONDS = "process_cpu_seconds"
    _STARTED = "process_start_time_seconds"

    def __init__(self, children: Callable[[], Sequence[int]]) -> None:
        self._children = children

    def collect(self) -> Iterator[Metric]:
        found = {metric.name: metric for metric in self._of("self")}
        for pid in self._children():
            for metric in self._of(pid):
                if metric.name in found and metric.name != self._STARTED:
                    self._add(found[metric.name], metric.samples[0].value)
        if self._SECONDS in found:
            # Children that have ended: what was spent is spent.
            ended = os.times()
            self._add(found[self._SECONDS], ended.children_user + ended.children_system)
        yield from found.values()

    @staticmethod
    def _of(pid: int | str) -> Iterable[Metric]:
        found: Iterable[Metric] = ProcessCollector(pid=partial(str, pid), registry=None).collect()
        return found

    @staticmethod
    def _add(metric: Metric, value: float) -> None:
        sample = metric.samples[0]
        metric.samples[0] = sample._replace(value=sample.value + value)


class _CountersCollector(Collector):
    """Turns the counters into metric families at each scrape."""

    def __init__(self, counters: Counters, version: str) -> None:
        self._counters = counters
        self._version = version

    def collect(self) -> Iterator[Metric]:
        routes = tuple(self._counters.routes())
        servers = tuple(self._counters.servers())
        yield InfoMetricFamily(
            "daarion_build",
            "The gateway's version and the Python under it.",
            {"version": self._version, "python": platform.python_version()},
        )
        yield from self._processes()
        yield from self._front()
        yield from _route_counts(routes)
        yield from _route_answers(routes)
        yield _durations(routes)
        yield from _server_counts(servers)
        yield from _server_answers(servers)
        yield from _server_health(servers)
        yield from _upstream_counts(tuple(self._counters.upstreams()))
        yield self._certificates()

    def _processes(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "daarion_workers", "Processes that serve now.", self._counters.workers
        )
        yield CounterMetricFamily(
            "daarion_worker_ends",
            "Workers that ended without having been told to.",
            self._counters.worker_ends,
        )

    def _certificates(self) -> Metric:
        until = GaugeMetricFamily(
            "daarion_certificate_expiry_timestamp_seconds",
            "When the certificate that is shown for a name expires, in seconds of the Unix clock.",
            labels=("name",),
        )
        for name, at in sorted(self._counters.certificates.items()):
            until.add_metric((name,), at)
        return until

    def _front(self) -> Iterator[Metric]:
        front = self._counters.front
        yield CounterMetricFamily(
            "daarion_connections",
            "Connections accepted from clients.",
            front.connections_accepted,
        )
        yield GaugeMetricFamily(
            "daarion_connections_open", "Connections of clients open now.", front.connections_open
        )
        yield GaugeMetricFamily(
            "daarion_overload_level",
            "0 normal, 1 no keep-alive, 2 requests are refused, 3 no connections are accepted.",
            front.overload_level,
        )
        refused = CounterMetricFamily(
            "daarion_refused",
            "Requests and connections refused before a route was known.",
            labels=("status",),
        )
        for status, count in sorted(front.refused.items()):
            refused.add_metric((str(status),), count)
        yield refused


def _route_counts(routes: Iterable[RouteCounters]) -> Iterator[Metric]:
    requests = CounterMetricFamily("daarion_requests", "Requests received.", labels=_BY_ROUTE)
    in_flight = GaugeMetricFamily(
        "daarion_in_flight", "Requests not yet answered to the end.", labels=_BY_ROUTE
    )
    opened = CounterMetricFamily("daarion_websockets", "WebSockets opened.", labels=_BY_ROUTE)
    open_now = GaugeMetricFamily(
        "daarion_websockets_open", "WebSockets open now.", labels=_BY_ROUTE
    )
    size = CounterMetricFamily(
        "daarion_bytes",
        "Bytes of bodies received from and sent to clients.",
        labels=(*_BY_ROUTE, "direction"),
    )
    for each in routes:
        labels = (each.route, each.upstream)
        requests.add_metric(labels, each.requests)
        in_flight.add_metric(labels, each.in_flight)
        opened.add_metric(labels, each.websockets_opened)
        open_now.add_metric(labels, each.websockets_open)
        size.add_metric((*labels, "received"), each.bytes_received)
        size.add_metric((*labels, "sent"), each.bytes_sent)
    return iter((requests, in_flight, opened, open_now, size))


def _route_answers(routes: Iterable[RouteCounters]) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "daarion_answers",
        "Answers by class of status; none: ended without an answer.",
        labels=(*_BY_ROUTE, "class"),
    )
    faults = CounterMetricFamily(
        "daarion_faults",
        "Requests that the gateway answered or ended by itself, by reason.",
        labels=(*_BY_ROUTE, "fault"),
    )
    for each in routes:
        for kind, count in zip(_CLASSES, each.answers, strict=True):
            answers.add_metric((each.route, each.upstream, kind), count)
        for fault, count in sorted(each.faults.items()):
            faults.add_metric((each.route, each.upstream, fault), count)
    return iter((answers, faults))


def _durations(routes: Iterable[RouteCounters]) -> Metric:
    durations = HistogramMetricFamily(
        "daarion_request_seconds",
        "Time from the head of a request to the end of its answer.",
        labels=_BY_ROUTE,
    )
    for each in routes:
        buckets = list(zip(_HISTOGRAM_LABELS, accumulate(each.buckets), strict=True))
        durations.add_metric((each.route, each.upstream), buckets, each.seconds_sum)
    return durations


def _server_counts(servers: Iterable[ServerCounters]) -> Iterator[Metric]:
    counters = {
        "requests": "Requests sent to a server.",
        "connections": "Connections opened to a server.",
        "connect_failures": "Attempts to connect to a server that failed.",
        "retries": "Requests sent to a server that had been sent before, to it or to another.",
    }
    families = {
        name: CounterMetricFamily(f"daarion_upstream_{name}", text, labels=_BY_SERVER)
        for name, text in counters.items()
    }
    in_flight = GaugeMetricFamily(
        "daarion_upstream_in_flight",
        "Requests at a server, not yet answered to the end.",
        labels=_BY_SERVER,
    )
    open_now = GaugeMetricFamily(
        "daarion_upstream_connections_open",
        "Connections to a server open now, idle ones included.",
        labels=_BY_SERVER,
    )
    for each in servers:
        labels = (each.upstream, each.server)
        families["requests"].add_metric(labels, each.requests)
        families["connections"].add_metric(labels, each.connections_opened)
        families["connect_failures"].add_metric(labels, each.connect_failures)
        families["retries"].add_metric(labels, each.retries)
        in_flight.add_metric(labels, each.in_flight)
        open_now.add_metric(labels, each.connections_open)
    return iter((*families.values(), in_flight, open_now))


def _server_answers(servers: Iterable[ServerCounters]) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "daarion_upstream_answers",
        "Answers of a server by class of status; none: it gave no answer.",
        labels=(*_BY_SERVER, "class"),
    )
    size = CounterMetricFamily(
        "daarion_upstream_bytes",
        "Bytes sent to and received from a server.",
        labels=(*_BY_SERVER, "direction"),
    )
    for each in servers:
        labels = (each.upstream, each.server)
        for kind, count in zip(_CLASSES, each.answers, strict=True):
            answers.add_metric((*labels, kind), count)
        size.add_metric((*labels, "sent"), each.bytes_sent)
        size.add_metric((*labels, "received"), each.bytes_received)
    return iter((answers, size))


def _server_health(servers: Iterable[ServerCounters]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "daarion_upstream_up",
        "1 where a server is asked, 0 where it is down or ejected, if only for one process.",
        labels=_BY_SERVER,
    )
    ejections = CounterMetricFamily(
        "daarion_upstream_ejections",
        "How often a server was left out because of how it answered.",
        labels=_BY_SERVER,
    )
    probes = CounterMetricFamily(
        "daarion_upstream_probes",
        "Health checks of a server that ended, by result.",
        labels=(*_BY_SERVER, "result"),
    )
    for each in servers:
        labels = (each.upstream, each.server)
        # What is not configured any more has counted, and is neither up nor down.
        if each.members:
            up.add_metric(labels, int(not each.out))
        ejections.add_metric(labels, each.ejections)
        probes.add_metric((*labels, "passed"), each.probes_passed)
        probes.add_metric((*labels, "failed"), each.probes_failed)
    return iter((up, ejections, probes))


def _upstream_counts(upstreams: Iterable[UpstreamCounters]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "daarion_upstream_waiting",
        "Requests that wait for a place at an upstream, or for a server of it to come back.",
        labels=("upstream",),
    )
    busy = CounterMetricFamily(
        "daarion_upstream_busy",
        "Requests refused because there was no place for them in time.",
        labels=("upstream",),
    )
    is_open = GaugeMetricFamily(
        "daarion_upstream_breaker_open",
        "Processes in which the breaker of an upstream is open or half-open.",
        labels=("upstream",),
    )
    for each in upstreams:
        waiting.add_metric((each.upstream,), each.waiting)
        busy.add_metric((each.upstream,), each.busy)
        is_open.add_metric((each.upstream,), each.breaker_open)
    return iter((waiting, busy, is_open))

"""The admin listener's site: `/metrics`, `/status`, `/healthz` and an index. It only reads.

It must not know the reactor, the settings or the exchange: the counters say what happened, and
`describe`, which the service supplies, says what is configured.

`describe()` returns a dict that is shown as it is, with counters put beside the names in it:

    {"listeners": ["tcp:8080"], "source": "gateway.yaml" or None,
     "routes": [{"route": "/api/", "upstream": "microdao-api",
                 "servers": [{"server": "127.0.0.1:8000"}]}]}

Everything in it must be fit for JSON; further keys are welcome at each level. A route whose
"upstream" is missing or None (the gateway's own pages) gets no counters.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from daarion_gw import __version__
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import Counters, RouteCounters, ServerCounters
from daarion_gw.observe.metrics import Metrics
from daarion_gw.wire.target import has_word

Describe = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes behind a master: `refresh` brings the counters up to date, `pids` are theirs.

    The Deferred of `refresh` never fails, and does not wait for a process that hangs.
    """

    refresh: Callable[[], Deferred[None]]
    pids: Callable[[], Sequence[int]]


_INDEX = f"""daarion-gw {__version__}, admin listener

/metrics   counters as Prometheus or OpenMetrics text
/status    what is configured and what happened, as JSON
/healthz   OK while the process answers; /healthz?ready: 503 once it drains
"""


class AdminSite(Site):
    """A site that leaves no line in the log for each scrape."""

    noisy = False

    def log(self, request: Any) -> None:
        """Say nothing: the access log is for the exchanges that the gateway exists for."""


def site(counters: Counters, describe: Describe, workers: Workers | None = None) -> Site:
    """Return the factory that the admin endpoint listens with."""
    return AdminSite(root(counters, describe, workers))


def root(counters: Counters, describe: Describe, workers: Workers | None = None) -> Resource:
    """Return the root resource alone, to be mounted or tested."""
    index = _Index()
    metrics = Metrics(counters, __version__, workers.pids if workers else tuple)
    # Any: zope's interfaces mean nothing to a type checker.
    pages: dict[bytes, Any] = {
        b"metrics": _MetricsPage(metrics),
        b"status": _StatusPage(counters, describe),
        b"healthz": _HealthPage(describe),
    }
    if workers is not None:
        for name in (b"metrics", b"status"):
            pages[name] = _Refreshed(pages[name], workers.refresh)
    for name, page in pages.items():
        index.putChild(name, page)
    return index


class _Page(Resource):
    """One page without pages below it; answers GET and HEAD, and 404 and 405 as JSON."""

    content_type = "text/plain; charset=utf-8"

    def getChild(self, path: bytes, request: Request) -> Any:
        return _Refusal(Fault.NOT_FOUND, "no such page; / lists the pages that exist")

    def render(self, request: Request) -> bytes:
        request.setHeader("X-Content-Type-Options", "nosniff")
        request.setHeader("Cache-Control", "no-store")
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader("Allow", "GET, HEAD")
            refusal = _Refusal(Fault.METHOD_NOT_ALLOWED, "this page only reads: use GET or HEAD")
            return refusal.answer(request)
        body = self.answer(request)
        request.setHeader("Content-Length", str(len(body)))
        return b"" if request.method == b"HEAD" else body

    def answer(self, request: Request) -> bytes:
        """Return the body of the answer, having set its headers."""
        request.setHeader("Content-Type", self.content_type)
        return self.body()

    def body(self) -> bytes:
        """Return the page."""
        raise NotImplementedError


class _Refreshed(Resource):
    """A page that is rendered when the counters are up to date."""

    _log = Logger()

    def __init__(self, page: _Page, refresh: Callable[[], Deferred[None]]) -> None:
        super().__init__()
        self._page = page
        self._refresh = refresh

    def getChild(self, path: bytes, request: Request) -> Any:
        return self._page.getChild(path, request)

    def render(self, request: Request) -> int:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def write(_: None) -> None:
            if not gone:
                request.write(self._page.render(request))
                request.finish()

        refreshed = self._refresh()
        refreshed.addCallback(write)
        refreshed.addErrback(lambda failure: self._log.failure("a page failed", failure))
        return NOT_DONE_YET


class _Refusal(_Page):
    """A problem document (RFC 9457)."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__()
        self._fault = fault
        self._detail = detail

    def getChild(self, path: bytes, request: Request) -> Any:
        return self

    def answer(self, request: Request) -> bytes:
        request.setResponseCode(self._fault.status)
        request.setHeader("Content-Type", "application/problem+json")
        problem = {
            "type": "about:blank",
            "title": self._fault.title,
            "status": self._fault.status,
            "detail": self._detail,
        }
        return _as_json(problem)


class _Index(_Page):
    def getChild(self, path: bytes, request: Request) -> Any:
        if path == b"" and not request.postpath:
            return self
        return super().getChild(path, request)

    def body(self) -> bytes:
        return _INDEX.encode()


class _HealthPage(_Page):
    """Like the front's: asked for ``ready`` it is 503 once the gateway has been told to stop."""

    def __init__(self, describe: Describe) -> None:
        super().__init__()
        self._describe = describe

    def answer(self, request: Request) -> bytes:
        request.setHeader("Content-Type", self.content_type)
        # What else is described costs a sum over all workers: only who asks for it pays.
        if has_word(request.uri, b"ready") and self._describe().get("draining"):
            request.setResponseCode(503)
            request.setHeader("Retry-After", "1")
            return b"draining"
        return b"OK"


class _MetricsPage(_Page):
    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def answer(self, request: Request) -> bytes:
        accept = request.getHeader(b"Accept") or b""
        body, content_type = self._metrics.text(accept.decode("latin-1"))
        request.setHeader("Content-Type", content_type)
        request.setHeader("Vary", "Accept")
        return body


class _StatusPage(_Page):
    content_type = "application/json"

    def __init__(self, counters: Counters, describe: Describe) -> None:
        super().__init__()
        self._counters = counters
        self._describe = describe
        self._started = time.time()
        self._since = time.monotonic()

    def body(self) -> bytes:
        described = dict(self._describe())
        routes = described.pop("routes", ())
        front = self._counters.front
        status = {
            "version": __version__,
            "pid": os.getpid(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            "uptime_seconds": round(time.monotonic() - self._since, 3),
            **described,
            "connections": {
                "accepted": front.connections_accepted,
                "open": front.connections_open,
                "refused": {str(status): count for status, count in front.refused.items()},
            },
            "overload": front.overload_level,
            "routes": [self._route(route) for route in routes],
        }
        return _as_json(status)

    def _route(self, described: Mapping[str, Any]) -> dict[str, Any]:
        upstream = described.get("upstream")
        shown = dict(described)
        if upstream is None:
            return shown
        shown["servers"] = [
            {**server, "counters": _numbers(self._counters.server(upstream, server["server"]))}
            for server in described.get("servers", ())
        ]
        shown["counters"] = _numbers(self._counters.route(described["route"], upstream))
        whole = self._counters.upstream(upstream)
        shown["upstream_counters"] = {"waiting": whole.waiting, "busy": whole.busy}
        return shown


# Names and the histogram's buckets are told elsewhere.
_LEFT_OUT = {"route", "upstream", "server", "answers", "buckets"}
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


def _numbers(counters: RouteCounters | ServerCounters) -> dict[str, Any]:
    """All numbers of one set of counters by name, answers by class."""
    numbers: dict[str, Any] = {
        name: getattr(counters, name) for name in counters.__slots__ if name not in _LEFT_OUT
    }
    numbers["answers"] = dict(zip(_CLASSES, counters.answers, strict=True))
    return numbers


def _as_json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"

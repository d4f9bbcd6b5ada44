"""The ``tests:`` of a configuration, tried: does each request lead where it must?

The head is read by the parser that reads clients', and the way is found by `Routing`: what holds
here holds for traffic. Nothing is connected to, and no reactor is needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from daarion_gw.config.problems import Problem
from daarion_gw.config.route_tests import EXPECTATIONS, RouteTest, split
from daarion_gw.config.settings import Settings
from daarion_gw.errors import Fault
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.passage import Passage
from daarion_gw.wire.request import Known, RequestHead, parse_head
from daarion_gw.wire.target import path_of

from .routing import Miss, Routing, Way, has_start_page, passage, redirect_status

# The pages at "/healthz" and "/", as children of a root.
HEALTH, START = b"healthz", b""


class TestedWay(Way):
    """A route with the way to the first server of its upstream."""

    def __init__(self, settings: Settings, place: int) -> None:
        route = settings.routes[place]
        self.passages = [
            passage(route, server, b"") for server in settings.upstream_of(route).servers
        ]
        super().__init__(route, self.passages)

    @property
    def first(self) -> Passage:
        return self.passages[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a request, in words and in what a test may expect.

    does: without the target, which may hold what is not to be shown.
    """

    does: str
    route: str | None = None
    upstream: str | None = None
    target: str | None = None
    status: int | None = None

    @property
    def words(self) -> str:
        return self.does if self.target is None else f"{self.does} as {self.target}"


def failures(settings: Settings, mounted: Iterable[bytes] = ()) -> list[Problem]:
    """A problem for each test that does not hold. mounted: names beside the routes."""
    if not settings.tests:
        return []
    routing: Routing[TestedWay] = Routing()
    own = [START] if has_start_page(settings.routes) else []
    routing.children = dict.fromkeys([HEALTH, *own, *mounted])
    for place in range(len(settings.routes)):
        routing.add_route(TestedWay(settings, place))
    return [
        problem
        for number, test in enumerate(settings.tests)
        if (problem := _tried(routing, test, f"tests[{number}]", settings)) is not None
    ]


def _tried(
    routing: Routing[TestedWay], test: RouteTest, key: str, settings: Settings
) -> Problem | None:
    found = outcome(routing, test)
    wanted = {name: getattr(test, name) for name in EXPECTATIONS}
    missed = {
        name: value
        for name, value in wanted.items()
        if value is not None and value != getattr(found, name)
    }
    if not missed:
        return None
    asked = test.url if test.method == "GET" else f"{test.method} {test.url}"
    said, expected = found.words, " and ".join(f"{name} {value}" for name, value in missed.items())
    if test.hidden:
        asked, said, expected = "its request", found.does, f"another {' and '.join(missed)}"
    source = settings.source or ""
    return Problem(source, test.line, test.column, key, f"{asked} {said}", expected)


def outcome(routing: Routing[TestedWay], test: RouteTest) -> Outcome:
    """What becomes of a test's request."""
    try:
        head = _head(test)
    except WireError as error:
        return _answered(error.fault, error.detail)
    found = routing.find(head.host, head.target)
    if isinstance(found, Miss):
        return _missed(found, head)
    if not isinstance(found, TestedWay):
        return _own_page(head)
    route = found.route
    refusal = found.objection(path_of(head.target))
    if refusal is not None:
        fault, why = refusal
        words = f"is answered {fault.status} ({why})"
        return Outcome(words, route.key, route.upstream, None, fault.status)
    target = found.first.target(head.target).decode("ascii")
    words = f"goes to route {route.key} (upstream {route.upstream})"
    return Outcome(words, route.key, route.upstream, target)


def _head(test: RouteTest) -> RequestHead:
    """The head that a client would send."""
    host, target = split(test.url)
    # Only HTTP/1.0 can leave the host open, as a path alone does.
    end = "HTTP/1.0\r\n" if host is None else f"HTTP/1.1\r\nHost: {host}\r\n"
    head = f"{test.method} {target} {end}".encode("ascii")
    return parse_head(head, DEFAULT, Known())


def _own_page(head: RequestHead) -> Outcome:
    """A page beside the routes; of one that somebody mounted nobody knows the answer here."""
    path, status = path_of(head.target), None
    if path in (b"/", b"/" + HEALTH):
        status = 200 if head.method in (b"GET", b"HEAD") else Fault.METHOD_NOT_ALLOWED.status
    elif path.startswith(b"/healthz/"):
        status = Fault.NOT_FOUND.status
    words = "is answered by a page of the gateway's own"
    return Outcome(words if status is None else f"{words} with {status}", status=status)


def _missed(miss: Miss, head: RequestHead) -> Outcome:
    if miss is Miss.SLASH:
        status = redirect_status(head)
        does = f"is answered {status} (only the slash at its end is missing)"
        return Outcome(does, status=status)
    if miss is Miss.AMBIGUOUS:
        return _answered(
            Fault.AMBIGUOUS_PATH, "as it came and as it reads, it leads to two different routes"
        )
    return _answered(Fault.NOT_FOUND, "no route leads there")


def _answered(fault: Fault, why: str) -> Outcome:
    return Outcome(f"is answered {fault.status} ({why})", status=fault.status)

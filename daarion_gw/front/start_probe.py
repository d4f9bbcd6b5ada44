"""Does a service answer now? The question that the start page asks of every row.

Any HTTP answer counts, an error status too: something speaks there. It knows nothing of
pages, and nothing of the pool that proxied requests use: these are the gateway's own.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from daarion_gw.config.defaults import protocol_for
from daarion_gw.config.settings import Route, Server, Settings
from daarion_gw.upstream.agent import HangUp, agent_of, reasons, why

LIMIT = 1.5  # seconds for one server, from the first packet to the status line
FRESH = 2.0  # seconds for which an answer is kept, so that a busy page costs nothing
_REASONS = reasons(LIMIT)

log = Logger()


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One route as the start page shows it.

    `link` is where a person can look at it, None if nowhere.
    """

    path: str
    name: str
    servers: tuple[Server, ...]
    protocol: str
    link: str | None


def rows_of(settings: Settings) -> tuple[ServiceRow, ...]:
    """A row for each route."""
    return tuple(
        ServiceRow(
            path=route.key,
            name=route.upstream,
            servers=settings.upstream_of(route).servers,
            protocol=protocol_for(route.key),
            link=_link(route),
        )
        for route in settings.routes
    )


def _link(route: Route) -> str | None:
    """Where a person can look at a service; the Matrix protocol has nothing to look at."""
    looks = route.host is None and route.is_prefix and route.path != "/_matrix/"
    return route.path if looks else None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a service answers, and a few words such as "200 in 3 ms"."""

    answers: bool
    detail: str


Probe = Callable[[ServiceRow], Awaitable[Answer]]


def treq_probe(reactor: Any) -> Probe:
    """The real probe: GET on every server of a row at once, 1.5 s at most, kept for 2 s."""
    servers = _ServerProbe(reactor)

    async def ask(row: ServiceRow) -> Answer:
        asked = [Deferred.fromCoroutine(servers.ask(server)) for server in row.servers]
        return _together(await gatherResults(asked))

    return CachedProbe(ask, reactor.seconds)


def _together(answers: Sequence[Answer]) -> Answer:
    """What a row with several servers says: it answers when one of them does."""
    if len(answers) == 1:
        return answers[0]
    up = sum(answer.answers for answer in answers)
    return Answer(up > 0, f"{up} of {len(answers)} servers")


@dataclass(slots=True)
class _Kept:
    """An answer, or those who wait for it."""

    answer: Answer | None = None
    until: float = float("inf")
    waiting: list[Deferred[Answer]] = field(default_factory=list)


class CachedProbe:
    """Asks at most once at a time and once in FRESH seconds per row, whoever wants to know.

    So even a route that leads back to this very page ends in a timeout, not in a loop.
    """

    def __init__(self, probe: Probe, clock: Callable[[], float] = time.monotonic) -> None:
        self._probe = probe
        self._clock = clock
        self._kept: dict[ServiceRow, _Kept] = {}

    async def __call__(self, row: ServiceRow) -> Answer:
        now = self._clock()
        # Rows of an earlier configuration fall out here.
        self._kept = {known: kept for known, kept in self._kept.items() if now < kept.until}
        if row not in self._kept:
            self._kept[row] = kept = _Kept()
            Deferred.fromCoroutine(self._settle(row, kept))
        kept = self._kept[row]
        if kept.answer is not None:
            return kept.answer
        waiter: Deferred[Answer] = Deferred()
        kept.waiting.append(waiter)
        return await waiter

    async def _settle(self, row: ServiceRow, kept: _Kept) -> None:
        try:
            answer = await self._probe(row)
        except Exception:
            log.failure("Could not ask {row.name} whether it answers", row=row)
            answer = Answer(False, "could not be asked")
        kept.answer, kept.until = answer, self._clock() + FRESH
        for waiter in kept.waiting:
            waiter.callback(answer)
        kept.waiting.clear()


class _ServerProbe:
    """Asks one server, as exchanges reach it."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def ask(self, server: Server) -> Answer:
        own = server.host if server.unix is not None else server.label
        # Over TLS it is the endpoint that speaks it, whatever the URL says.
        target = f"http://{own}{server.path}/"
        begun = self._reactor.seconds()
        client = HTTPClient(agent_of(self._reactor, server))
        asked = client.get(target, allow_redirects=False, unbuffered=True)
        try:
            response = await asked.addTimeout(LIMIT, self._reactor)
        except Exception as fault:
            return Answer(False, why(fault, _REASONS))
        milliseconds = max(1, round((self._reactor.seconds() - begun) * 1000))
        response.deliverBody(HangUp())
        return Answer(True, f"{response.code} in {milliseconds} ms")

"""Does a service answer now? The question that the start page asks of every row.

Any HTTP answer counts, an error status too: something speaks there. It knows nothing of
pages, and nothing of the pool that proxied requests use: these are the gateway's own.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from treq.client import HTTPClient
from twisted.internet import defer, error
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    ResponseFailed,
    _HTTP11ClientFactory,
)

LIMIT = 1.5  # seconds for one server, from the first packet to the status line
FRESH = 2.0  # seconds for which an answer is kept, so that a busy page costs nothing
TLS_FAILED = "TLS failed"

log = Logger()


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One route as the start page shows it.

    `servers` are URLs such as "http://127.0.0.1:8000/base", ws and wss included, or
    "unix:/run/x.sock". `link` is where a person can look at it, None if nowhere.
    `verify` False: the gateway takes its certificate as it is, so the page does too.
    """

    path: str
    name: str
    servers: tuple[str, ...]
    protocol: str
    link: str | None
    verify: bool = True


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
        asked = [Deferred.fromCoroutine(servers.ask(url, row.verify)) for url in row.servers]
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


class _QuietFactory(_HTTP11ClientFactory):
    """Twisted's, without a line in the log for each connection that comes and goes."""

    noisy = False


class _ServerProbe:
    """Asks one server, by URL."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._pool._factory = _QuietFactory

    async def ask(self, url: str, verify: bool) -> Answer:
        agent, target = self._reach(url)
        begun = self._reactor.seconds()
        asked = HTTPClient(agent).get(target, allow_redirects=False, unbuffered=True)
        try:
            response = await asked.addTimeout(LIMIT, self._reactor)
        except Exception as fault:
            reason = _why(fault)
            return Answer(reason == TLS_FAILED and not verify, reason)
        milliseconds = max(1, round((self._reactor.seconds() - begun) * 1000))
        response.deliverBody(_NotRead())
        return Answer(True, f"{response.code} in {milliseconds} ms")

    def _reach(self, url: str) -> tuple[Any, str]:
        scheme, _, rest = url.partition(":")
        if scheme == "unix":
            place = _Socket(self._reactor, rest)
            agent = Agent.usingEndpointFactory(self._reactor, place, self._pool)
            return agent, "http://localhost/"
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        return Agent(self._reactor, pool=self._pool), f"{scheme}:{rest.rstrip('/')}/"


class _Socket:
    """Leads every request to one socket file."""

    def __init__(self, reactor: Any, path: str) -> None:
        self._endpoint = UNIXClientEndpoint(reactor, path)

    def endpointForURI(self, _uri: Any) -> UNIXClientEndpoint:
        return self._endpoint


class _NotRead(Protocol):
    """Hangs up instead of reading: only the status was wanted."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


# The first row that fits says it; the order goes from the particular to the general.
_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (ConnectionRefusedError, "refused the connection"),
    (DNSLookupError, "its name is not known"),
    ((error.TimeoutError, defer.TimeoutError, CancelledError), f"silent for {LIMIT} s"),
    (ConnectError, "cannot be reached"),
    (ConnectionClosed, "hung up without an answer"),
)


def _why(fault: Exception) -> str:
    """In a few words, without an address, why there was no answer."""
    for cause in (fault, *_causes(fault)):
        if _is_about_tls(cause):
            return TLS_FAILED
        for kind, words in _REASONS:
            if isinstance(cause, kind):
                return words
    if isinstance(fault, ResponseFailed):
        return "does not speak HTTP"
    return f"failed: {type(fault).__name__}"


def _causes(fault: Exception) -> list[Exception]:
    """What lies behind a failed request: the wire's own reasons, not the parser's."""
    reasons = getattr(fault, "reasons", ())
    causes = [reason.value for reason in reasons if isinstance(reason.value, Exception)]
    # An unreadable answer ends in a closed connection too; then that is not the cause.
    return [] if any(type(cause).__name__ == "ParseError" for cause in causes) else causes


def _is_about_tls(cause: Exception) -> bool:
    return type(cause).__module__.partition(".")[0] in ("OpenSSL", "service_identity")

"""Asks a server, again and again, whether it works: a request of the gateway's own.

It goes to the same address as traffic, with TLS verified alike, and says what was wrong. What
follows from that is not known here.
"""

import random
import re
from collections.abc import Callable
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from daarion_gw.config.resilience import HealthCheck
from daarion_gw.config.settings import Server

from .agent import HangUp, agent_of, reasons, why

USER_AGENT = "daarion-gw health check"
# As much of an answer is looked at, and no more is read.
BODY_AT_MOST = 64 * 1024
# The first one comes within so many seconds, at random; then each a tenth sooner or later.
_SOON = 1.0
_JITTER = 0.1


class Probing:
    """One server's probes, from `start` to `stop`: one at a time.

    tell: called after each with what was wrong, None when it passed.
    """

    def __init__(
        self,
        reactor: Any,
        server: Server,
        check: HealthCheck,
        tell: Callable[[str | None], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.check = check
        self._reactor = reactor
        self._tell = tell
        self._chance = chance
        self._client = HTTPClient(agent_of(reactor, server))
        self._reasons = reasons(check.timeout)
        own = server.host if server.unix is not None else server.label
        self._host = check.host or own
        # Over TLS it is the endpoint that speaks it, whatever the URL says.
        self._url = f"http://{own}{server.path}{check.path}"
        self._pattern = re.compile(check.body) if check.body is not None else None
        self._next: Any = None
        self._asked: Deferred[None] | None = None

    def start(self) -> None:
        """Begin, not all of several at the same moment."""
        self._wait(self._chance() * min(_SOON, self.check.interval))

    def stop(self) -> None:
        """Nothing is told any more, and no timer is left."""
        self._tell = _to_nobody
        call, self._next = self._next, None
        if call is not None:
            call.cancel()
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.cancel()

    def _wait(self, seconds: float) -> None:
        self._next = self._reactor.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._next = None
        began = self._reactor.seconds()
        asked = self._asked = Deferred.fromCoroutine(self._once(began))
        asked.addErrback(lambda failure: failure.trap(CancelledError))

    async def _once(self, began: float) -> None:
        limit = self.check.timeout
        try:
            wrong = await Deferred.fromCoroutine(self._ask()).addTimeout(limit, self._reactor)
        except Exception as fault:
            wrong = why(fault, self._reasons, in_full=True)
        if self._tell is _to_nobody:
            return
        self._asked = None
        jittered = self.check.interval * (1 + _JITTER * (2 * self._chance() - 1))
        # However long the answer took, the beat stays the same.
        self._wait(max(0.0, jittered - (self._reactor.seconds() - began)))
        self._tell(wrong)

    async def _ask(self) -> str | None:
        """What is wrong with the answer; raises when there is none."""
        headers = {"Host": self._host, "User-Agent": USER_AGENT}
        response = await self._client.get(
            self._url, headers=headers, allow_redirects=False, unbuffered=True
        )
        status = response.code
        pattern = self._pattern
        fits = any(low <= status <= high for low, high in self.check.statuses)
        if not fits or pattern is None:
            response.deliverBody(HangUp())
            return None if fits else f"status {status}"
        beginning = _Beginning()
        response.deliverBody(beginning)
        body = (await beginning.read).decode("utf-8", "replace")
        return None if pattern.search(body) else "the answer has no match of the pattern body"


def _to_nobody(_wrong: str | None) -> None:
    """Stands where somebody was told."""


class _Beginning(Protocol):
    """Reads as much of a body as is looked at. ``read``: fires with that."""

    def __init__(self) -> None:
        self._data = b""
        self.read: Deferred[bytes] = Deferred(self._cancel)

    def _hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

    def _cancel(self, _: object) -> None:
        self._hang_up()

    def dataReceived(self, data: bytes) -> None:
        if len(self._data) < BODY_AT_MOST:
            self._data += data[: BODY_AT_MOST - len(self._data)]
            if len(self._data) == BODY_AT_MOST:
                self._done()
                self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._done()

    def _done(self) -> None:
        if not self.read.called:
            self.read.callback(self._data)

"""An upstream at run time: its servers, and which of them gets the next exchange.

It knows requests only as `Request`, and nothing of what an exchange does with a server.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from twisted.logger import Logger

from daarion_gw.config.settings import Upstream
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import UpstreamCounters

from . import breaker as breaking
from .balance import Request, policy_of
from .breaker import Breaker
from .budget import Budget
from .condition import Condition, State
from .member import Member
from .queue import Places
from .sticky import Stickiness

_CLOSED = breaking.State.CLOSED


class Group:
    """The servers of one upstream, as one configuration has them.

    sticky, breaker: None when they are off. places: None where as many as like may ask at once.
    watches: whether it wants to hear how servers do; who does not ask it before telling tells it
    in vain. passed_over: statuses that another server is asked instead of. may_repeat: whether
    a request that was sent may have to be sent again. held: who waits for a server. secret: for
    cookies, where the settings have none.
    """

    _log = Logger()

    def __init__(
        self,
        upstream: Upstream,
        members: Sequence[Member],
        secret: bytes = b"",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.upstream = upstream
        # The same server twice is one that counts twice.
        self._weights: dict[Member, int] = {}
        for member, server in zip(members, upstream.servers, strict=True):
            self._weights[member] = self._weights.get(member, 0) + server.weight
        self.members = tuple(self._weights)
        self._draining = frozenset(
            member for member, server in zip(members, upstream.servers, strict=True) if server.drain
        )
        # Who gets new clients; who of them may be asked, as of so many changes of anybody's.
        self._takers = tuple(each for each in self.members if each not in self._draining)
        self._untried: Sequence[Member] = ()
        self._judged = -1
        self._serves = False
        said = upstream.breaker
        self.breaker = Breaker(said, clock()) if said is not None else None
        self.sticky = (
            Stickiness(upstream.sticky, upstream.name, self.members, secret)
            if upstream.sticky is not None
            else None
        )
        several = len(self.members) > 1
        self.watches = several and upstream.eject is not None
        self._policy = policy_of(upstream.balance, self._weights)
        self.counters = UpstreamCounters(upstream.name)
        self._clock = clock
        # The usual case costs nothing: one server, and nobody who could say that it is down.
        is_plain = upstream.health_check is None and not self._draining
        self._only = self.members[0] if is_plain and not several else None
        retry = upstream.retry
        repeats = bool(retry.tries) and several
        self.passed_over = frozenset(retry.statuses if repeats else ())
        self.may_repeat = repeats or bool(upstream.wait_for)
        self.budget = Budget(retry.budget, self.requests)
        self.places: Places[Any] | None = None
        self.held: set[Any] = set()

    def __repr__(self) -> str:
        return f"<Group {self.upstream.name}: {', '.join(map(repr, self.members))}>"

    def settle(self, counters: UpstreamCounters, share: int, before: "Group | None") -> None:
        """Go on where the one ``before`` a reload was. share: how many processes ask as one.

        The one before may yet have to go on: nothing of it changes until `serve`.
        """
        self.counters = counters
        upstream = self.upstream
        if before is not None and before.upstream.breaker == upstream.breaker:
            self.breaker = before.breaker
        if before is not None and set(before.members) == set(self.members):
            self.budget = before.budget
        if before is not None and before.upstream.limits == upstream.limits:
            self.places = before.places
        elif upstream.limits.in_flight is not None:
            self.places = Places(upstream.limits, share)

    def serve(self) -> None:
        """Requests go by this one from now on."""
        self._serves = True
        self.budget.settle(self.upstream.retry.budget)
        self.counters.breaker_open = int(not self._is_closed)

    def retire(self) -> None:
        """None goes by it any more; what is under way ends with it, and says nothing of now."""
        self._serves = False
        self.counters.breaker_open = 0

    @property
    def requests(self) -> int:
        """How many requests were sent to its servers so far."""
        return sum(member.pool.counters.requests for member in self.members)

    def tick(self) -> None:
        """A second is over."""
        self.budget.tick(self.requests)
        # Exchanges of a configuration before may have changed it.
        self.counters.breaker_open = int(not self._is_closed)

    @property
    def _is_closed(self) -> bool:
        return self.breaker is None or self.breaker.state is _CLOSED

    # who is asked

    def pick(self, request: Request, tried: Collection[Member]) -> Member | None:
        """The server to ask next; None when there is none that may be asked and was not tried."""
        if not tried and self._only is not None:
            return self._only
        if self.sticky is not None:
            bound = self.sticky.bound(request.head)
            if bound is not None and bound.condition.is_ready and bound not in tried:
                return bound
        candidates = self._candidates(tried)
        if len(candidates) > 1:
            return self._policy.choose(candidates, request)
        return candidates[0] if candidates else None

    def _candidates(self, tried: Collection[Member]) -> Sequence[Member]:
        if tried:
            return self._among([each for each in self._takers if each not in tried])
        if self._judged != Condition.changes:
            self._judged = Condition.changes
            self._untried = self._among(self._takers)
        return self._untried

    @staticmethod
    def _among(left: Sequence[Member]) -> Sequence[Member]:
        """Those of ``left`` that may be asked."""
        ready = [each for each in left if each.condition.is_ready]
        if ready:
            return ready
        # Better one that was left out than none; one that probes say is down is no better.
        return [each for each in left if not each.condition.is_down]

    # how it went: only called where `watches` says so

    def answered(self, member: Member, status: int) -> None:
        """``member`` gave an answer."""
        now = self._clock()
        self._judge(member, member.condition.answered(status, now), now)

    def failed(self, member: Member, fault: Fault) -> None:
        """``member`` could not be connected to, gave no answer, or broke one off."""
        now = self._clock()
        self._judge(member, member.condition.failed(fault.name, now), now)

    def _judge(self, member: Member, reason: str | None, now: float) -> None:
        if reason is not None and self._is_spare(member):
            member.eject(reason, now)

    def _is_spare(self, member: Member) -> bool:
        """Whether another server could take its work: the last one is never ejected."""
        return any(
            each.condition.is_ready and each is not member and each not in self._draining
            for each in self.members
        )

    def ended(self, began: float, now: float, good: bool | None) -> None:
        """An exchange that the breaker let through has ended, whichever servers it asked.

        began, now: by `time.perf_counter`. good: None when its client left, or was at fault.
        """
        breaker = self.breaker
        if breaker is None:
            return
        sentence = breaker.ended(began, now, good)
        is_closed = self._is_closed
        if self._serves:
            self.counters.breaker_open = int(not is_closed)
        if sentence is not None:
            tell = self._log.info if is_closed else self._log.warn
            tell("upstream {name}: {sentence}", name=self.upstream.name, sentence=sentence)

    # telling

    def describe(self) -> dict[str, Any]:
        """How it stands with the servers and the breaker, fit for JSON."""
        now, wall = self._clock(), time.time()

        def told(state: str, reason: str, since: float) -> dict[str, str]:
            moment = time.gmtime(wall - (now - since))
            shown = {"state": state, "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)}
            return {**shown, "reason": reason} if reason else shown

        servers = {}
        for member in self.members:
            condition = member.condition
            state = condition.state
            if state is State.UP and member in self._draining:
                state = State.DRAINING
            servers[member.server.label] = told(state.value, condition.reason, condition.since)
        shown: dict[str, Any] = {"servers": servers}
        breaker = self.breaker
        if breaker is not None:
            shown["breaker"] = told(breaker.state.value, breaker.reason, breaker.since)
        return shown

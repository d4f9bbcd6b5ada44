"""What an exchange does until a server has answered: it waits, and asks again where that is safe.

The rules are "Again, or not" in ARCHITECTURE.md. An exchange has a `Seeking` only from when it
needs one: those that find a server at once, and whose server answers, pay nothing for it. What
is sent, and how an answer reads, is not known here.
"""

from collections.abc import Callable
from enum import Enum, auto
from random import uniform
from typing import TYPE_CHECKING, Any, Final

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.observe.counters import NO_ANSWER
from daarion_gw.upstream.connection import UpstreamConnection
from daarion_gw.upstream.draining import Draining
from daarion_gw.upstream.member import Member
from daarion_gw.upstream.queue import Entry, Places
from daarion_gw.wire.answer import AnswerHead

from .asking import ask, can_repeat, connect, has_said_all, report, wait

if TYPE_CHECKING:
    from .exchange import Exchange

# How soon a server that could not be reached is tried again, at first and at last (seconds).
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
# What says that a server is not there, and not that it does badly.
_NOT_THERE: Final = frozenset(
    {Fault.UPSTREAM_REFUSED, Fault.UPSTREAM_UNRESOLVED, Fault.UPSTREAM_CONNECT_TIMEOUT}
)


class WaitsFor(Enum):
    """What has to come before a server can be asked."""

    NOTHING = auto()
    PLACE = auto()
    SERVER = auto()


class Seeking:
    """One exchange's search for a server, from when it is not simply the first one.

    until: when the waiting for a server is over. is_nowhere: whether no server was asked yet.
    """

    __slots__ = ("_again", "_client", "_exchange", "_may_hold", "_pause", "_place", "_queue",
                 "_timer", "_tried", "_waits_for", "_was_sent", "_why", "is_nowhere",
                 "until")  # fmt: skip

    def __init__(self, exchange: "Exchange") -> None:
        self.until = NEVER
        self.is_nowhere = False
        self._exchange = exchange
        self._tried: tuple[Member, ...] = ()
        # How many other servers it was sent to.
        self._again = 0
        # Not where a server got it and did badly: it is there.
        self._may_hold = bool(exchange.proxy.group.upstream.wait_for)
        self._pause = FIRST_PAUSE
        # Why no server can be reached, for people.
        self._why = ""
        self._was_sent = False
        self._waits_for = WaitsFor.NOTHING
        self._timer: Any = None
        self._client = b""
        self._queue: Places[Seeking] | None = None
        self._place: Places[Seeking] | None = None

    # a place

    def has_place(self) -> bool:
        """Ask for a place among those that are asked at once. If not: it waits, or is refused."""
        exchange = self._exchange
        places = exchange.proxy.group.places
        assert places is not None
        self._client = exchange.client
        entry, displaced = places.enter(self._client, self)
        if entry is Entry.PLACE:
            self._place = places
            return True
        self._is_nowhere_yet()
        if entry is Entry.TURNED_AWAY:
            self.turn_away("as many as may wait already")
        else:
            self._queue = places
            deadline = exchange.reception.sweep.now + places.limits.wait
            self._wait(WaitsFor.PLACE, deadline)
        # Last: its client may ask again at once, and displace this one in its turn.
        if displaced is not None:
            displaced.turn_away("its client has more waiting than another")
        return False

    def turn_away(self, detail: str) -> None:
        """It waited in vain, or may not even wait."""
        exchange = self._exchange
        self._queue = None
        exchange.proxy.group.counters.busy += 1
        exchange.refuse(Fault.UPSTREAM_BUSY, f"has no place for one more: {detail}")

    def _given(self, place: "Places[Seeking]") -> None:
        """It has waited long enough: its turn comes when who was before it is through."""
        self._queue = None
        self._place = place
        self._become(WaitsFor.NOTHING)
        self._exchange.near.deadline = NEVER
        self._in(0.0, self._look_again)

    def give_place_back(self) -> None:
        """Another may be asked in its stead."""
        place, self._place = self._place, None
        if place is not None:
            following = place.leave()
            if following is not None:
                following._given(place)

    # no server could be reached

    def refuse_unasked(self, fault: Fault, detail: str) -> None:
        """None is to be asked."""
        self._is_nowhere_yet()
        self._exchange.refuse(fault, detail)

    def nobody_is_there(self) -> None:
        """No server may be asked at present."""
        if self._may_hold:
            self._is_nowhere_yet()
            self._hold("has no server that is up")
        else:
            self.refuse_unasked(Fault.UPSTREAM_DOWN, "has no server that is up")

    def not_reached(self, fault: Fault, detail: str) -> None:
        """No connection to this one: nothing was sent, any request may go to the next."""
        exchange = self._exchange
        member = self._next()
        if member is not None:
            self._ask(member)
        elif self._may_hold and fault in _NOT_THERE:
            self._hold(detail)
        else:
            exchange.refuse(fault, detail)

    def _hold(self, why: str) -> None:
        """Wait for a server to come back, and look now and then whether one has."""
        self._why = why
        if self.until is NEVER:
            # When that is over the sweep says so, and never early.
            wait_for = self._exchange.proxy.group.upstream.wait_for
            self.until = self._exchange.reception.sweep.now + wait_for
        self._tried = ()
        self._exchange.proxy.group.held.add(self)
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self._wait(WaitsFor.SERVER, self.until)
        self._in(uniform(pause / 2, pause), self._look_again)

    def look_soon(self) -> None:
        """A server has answered somebody else: it need not wait for its next look."""
        self._stop_timer()
        self._pause = FIRST_PAUSE
        self._in(uniform(0.0, FIRST_PAUSE), self._look_again)

    def _look_again(self) -> None:
        exchange = self._exchange
        exchange.proxy.group.held.discard(self)
        member = exchange.proxy.group.pick(exchange, ())
        if member is None:
            self.nobody_is_there()
        else:
            self._ask(member)

    def _down(self) -> None:
        seconds = self._exchange.proxy.group.upstream.wait_for
        self._exchange.refuse(Fault.UPSTREAM_DOWN, f"{self._why}, and that for {seconds:g} s")

    # a server got it

    def once_more(self) -> None:
        """A kept-alive connection died before it brought anything: it had been idle too long."""
        self._part(NO_ANSWER).abort()
        connect(self._exchange)

    def not_answered(self, fault: Fault, detail: str, is_silent: bool) -> None:
        """The server did badly. is_silent: it went away before it said anything."""
        exchange = self._exchange
        if can_repeat(exchange):
            member = self._another()
            if member is not None:
                self._may_hold = self._may_hold and is_silent
                self._part(NO_ANSWER).abort()
                self._ask_soon(member)
                return
            if is_silent and self._may_hold:
                self._part(NO_ANSWER).abort()
                self._hold(detail)
                return
        exchange.refuse(fault, detail)

    def passes_over(self, head: AnswerHead) -> bool:
        """Whether another server is asked instead of taking this answer."""
        exchange = self._exchange
        member = self._another(has_answer=True) if can_repeat(exchange) else None
        if member is None:
            return False
        self._may_hold = False
        heard_all = has_said_all(exchange)
        draining = Draining(self._part(head.status // 100), exchange.reception.sweep)
        if not heard_all:
            draining.abort()
        self._ask_soon(member)
        return True

    def _part(self, kind: int) -> UpstreamConnection:
        """Have done with a server that got the request; ``kind`` of answer, as counted."""
        exchange = self._exchange
        far, exchange.far = exchange.far, None
        assert far is not None
        counters = exchange.pool.counters
        counters.in_flight -= 1
        counters.answers[kind] += 1
        self._was_sent = True
        return far

    def _another(self, has_answer: bool = False) -> Member | None:
        """The server that gets it next, if another may get it at all.

        has_answer: there is one already, which is worth more than a server that was left out.
        """
        group = self._exchange.proxy.group
        if not self.has_tries_left or not group.budget.has_left(group.requests):
            return None
        member = self._next()
        if member is None or (has_answer and not member.condition.is_ready):
            return None
        self._again += 1
        group.budget.spend()
        return member

    @property
    def has_tries_left(self) -> bool:
        return self._again < self._exchange.proxy.group.upstream.retry.tries

    def _ask_soon(self, member: Member) -> None:
        """At random, so that those that failed together do not come together."""
        delay = self._exchange.proxy.group.upstream.retry.delay * 2 ** (self._again - 1)
        self._wait(WaitsFor.NOTHING, NEVER)
        self._in(uniform(0.0, delay), self._ask, member)

    # asking

    def _next(self) -> Member | None:
        """A server that was not tried, which the one at hand now was."""
        exchange = self._exchange
        if exchange.member not in self._tried:
            self._tried += (exchange.member,)
        return exchange.proxy.group.pick(exchange, self._tried)

    def _ask(self, member: Member) -> None:
        self.is_nowhere = False
        ask(self._exchange, member)

    def reached(self) -> None:
        """There is a connection: the request is sent now."""
        self._become(WaitsFor.NOTHING)
        if self._was_sent:
            self._was_sent = False
            self._exchange.pool.counters.retries += 1

    # waiting

    def _is_nowhere_yet(self) -> None:
        exchange = self._exchange
        # Whatever is written of an exchange needs one; nothing is sent to it.
        exchange.choose(exchange.proxy.group.members[0])
        self.is_nowhere = True

    def _wait(self, what: WaitsFor, deadline: float) -> None:
        self._become(what)
        wait(self._exchange, deadline)

    def _become(self, waits_for: WaitsFor) -> None:
        nothing = WaitsFor.NOTHING
        change = (waits_for is not nothing) - (self._waits_for is not nothing)
        self._exchange.proxy.group.counters.waiting += change
        self._waits_for = waits_for

    def _in(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        def fire() -> None:
            self._timer = None
            call(*arguments)

        self._timer = self._exchange.reception.reactor.callLater(seconds, fire)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def late(self) -> None:
        """What was waited for did not come in time."""
        if self._queue is not None:
            queue, self._queue = self._queue, None
            queue.forget(self._client, self)
            self.turn_away(f"none came free within {queue.limits.wait:g} s")
        else:
            self._down()

    def stop(self) -> None:
        """The exchange is over: nothing of it waits any more, and its place is free."""
        self._become(WaitsFor.NOTHING)
        self._exchange.proxy.group.held.discard(self)
        self._stop_timer()
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.forget(self._client, self)
        self.give_place_back()


def wake(held: set[Any]) -> None:
    """A server has answered: all who wait for one look again."""
    while held:
        held.pop().look_soon()


def seek(exchange: "Exchange") -> Seeking:
    """The search of ``exchange``, which begins when it is first needed."""
    if exchange.seeking is None:
        exchange.seeking = Seeking(exchange)
    return exchange.seeking


def not_answered(exchange: "Exchange", fault: Fault, detail: str, is_silent: bool = False) -> None:
    """The server that got the request did badly before its answer began.

    is_silent: it went away before it said anything.
    """
    report(exchange, fault)
    seek(exchange).not_answered(fault, detail, is_silent)


def broken(exchange: "Exchange", far: UpstreamConnection, detail: str) -> None:
    """The connection with the request has ended, or brought what is no answer."""
    if far.receiver.has_begun:
        if far.is_lost:
            not_answered(exchange, Fault.UPSTREAM_BROKE, detail)
        else:
            not_answered(exchange, Fault.UPSTREAM_NONSENSE, f"sent {detail}")
    elif far.used and can_repeat(exchange):
        seek(exchange).once_more()
    else:
        # What TLS found wrong does not go away by itself.
        why = far.trouble or "closed the connection without an answer"
        not_answered(exchange, Fault.UPSTREAM_BROKE, why, is_silent=not far.trouble)

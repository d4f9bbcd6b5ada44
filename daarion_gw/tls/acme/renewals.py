"""Sees to it that there is a certificate for each domain, and a new one in time.

It decides what is to be done and when; the doing is `authority`'s, in a thread: at most one at a
time, in at most one process of those that have the same state folder.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from daarion_gw.config.acme import ACME

from . import keys
from .folder import ALPN, HTTP, StateFolder
from .plan import LOOK_USUALLY, Plan, Window, failed, renewed, taken
from .readiness import kinds_for

# Seconds between two looks at what is due, at whether another process has stopped asking, and at
# whether the state folder can be written by now.
LOOK, LOOK_FOR_LOCK, LOOK_FOR_FOLDER = 1.0, 10.0, 300.0
# Processes look once a second whether a challenge is pending (`daarion_gw.tls.challenges`).
SETTLES = 2.5
DUE_AT_ONCE = (
    "the one that was issued is to be renewed already, by this machine's clock or the authority's "
    "advice: is the clock right?"
)


def _facts(folder: StateFolder, name: str) -> keys.Facts | None:
    chain = folder.chain(name)
    try:
        return None if chain is None else keys.facts(chain)
    except ValueError:
        return None


class Renewals(Service):
    """Runs for as long as the gateway does, whether there is anything to do or not.

    acme: what is configured now, None = nothing. listen: the strings of the listeners.
    """

    _log = Logger()
    name = "acme"

    def __init__(
        self,
        reactor: Any,
        acme: Callable[[], ACME | None],
        listen: Sequence[str],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._reactor = reactor
        self._configured = acme
        self._listen = tuple(listen)
        self._chance = chance
        self._acme: ACME | None = None
        self._folder = StateFolder(Path())
        self._plans: dict[str, Plan] = {}
        self._is_prepared = False
        self._has_lock = False
        self._is_changed = False
        self._look_for_lock_at = 0.0
        # The domain that is being worked for.
        self._asking: str | None = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def startService(self) -> None:
        super().startService()
        self._looking.start(LOOK, now=False)

    def stopService(self) -> None:
        """What is under way goes on in its thread, and ends with the process."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    # what is due

    def _look(self) -> None:
        if self._asking is not None:
            return
        try:
            self._do_what_is_due()
        except Exception:
            # The next look is to come all the same.
            self._log.failure("looking after certificates failed")

    def _do_what_is_due(self) -> None:
        acme = self._configured()
        if acme != self._acme:
            self._take(acme)
        if acme is None or not self._is_ours(acme):
            return
        now = time.time()
        due = [name for name in acme.domains if self._plans[name].due <= now]
        if due:
            self._begin(acme, min(due, key=lambda name: self._plans[name].due))

    def _take(self, acme: ACME | None) -> None:
        # Whoever changes something wants to see what comes of it.
        self._is_changed = self._acme is not None
        self._acme = acme
        self._plans = {}
        if self._has_lock:
            self._folder.release()
        self._is_prepared = self._has_lock = False
        self._look_for_lock_at = 0.0
        if acme is not None:
            self._folder = StateFolder(Path(acme.state))

    def _is_ours(self, acme: ACME) -> bool:
        """Whether this process is the one that asks."""
        if self._has_lock:
            return True
        now = self._reactor.seconds()
        if now < self._look_for_lock_at:
            return False
        self._look_for_lock_at = now + LOOK_FOR_LOCK
        try:
            # Once: it waits for the disk, and all else for it.
            if not self._is_prepared:
                self._folder.prepare()
                self._is_prepared = True
            if not self._folder.take_lock():
                self._log.debug("another process asks for certificates")
                return False
            self._folder.clear_challenges()
            self._plans = self._first_plans(acme)
        except OSError as error:
            self._is_prepared = False
            self._look_for_lock_at = now + LOOK_FOR_FOLDER
            self._log.error("no certificate can be asked for: tls.acme.state: {error}", error=error)
            return False
        self._has_lock = True
        return True

    def _first_plans(self, acme: ACME) -> dict[str, Plan]:
        kept = self._folder.plans()
        return {name: self._plan_for(acme, name, taken(kept.get(name))) for name in acme.domains}

    def _plan_for(self, acme: ACME, name: str, kept: Plan | None) -> Plan:
        """What was planned, as long as it is about the certificate that there is."""
        now = time.time()
        found = _facts(self._folder, name)
        until = None if found is None else found.until
        if kept is not None and (kept.directory, kept.until) == (acme.directory, until):
            return replace(kept, at=now) if kept.failures and self._is_changed else kept
        is_from_elsewhere = kept is not None and kept.directory != acme.directory
        if found is None or is_from_elsewhere:
            return Plan(now, acme.directory, until=until)
        # Whether its authority has advice is to be seen.
        look_again = Window(again=0.0) if found.ari else Window()
        return renewed(found, acme.directory, look_again, now)

    # asking

    def _begin(self, acme: ACME, name: str) -> None:
        plan = self._plans[name]
        kinds = kinds_for(acme.challenge, self._listen) or (HTTP,)
        kind = kinds[plan.failures % len(kinds)]
        if plan.at <= time.time():
            self._log.info("{name}: asking {directory} for a certificate, by {kind}",
                           name=name, directory=acme.directory, kind=kind)  # fmt: skip
        self._asking = name
        work = _Work(acme, self._folder, name, plan, kind, self._chance())
        done = in_thread(self._reactor, work)
        done.addCallback(self._done, acme, name)
        done.addErrback(self._fell_over, acme, name)

    def _done(self, plan: Plan, acme: ACME, name: str) -> None:
        self._asking = None
        before = self._plans[name]
        self._plans[name] = plan
        if plan.failures:
            stays = f"; the old one stays, until {moment(plan.until)}" if plan.until else ""
            self._log.warn("{name}: no certificate: {why}; tried again {when}{stays}", name=name,
                           why=plan.error, when=moment(plan.at), stays=stays)  # fmt: skip
        elif plan.until != before.until:
            self._log.info("{name}: a certificate until {until}; the next is asked for {when}",
                           name=name, until=moment(plan.until), when=moment(plan.at))  # fmt: skip
        elif abs(plan.at - before.at) > LOOK:
            self._log.info("{name}: by the authority's advice the next is asked for {when}",
                           name=name, when=moment(plan.at))  # fmt: skip
        self._write_down(acme)

    def _fell_over(self, failure: Failure, acme: ACME, name: str) -> None:
        """A mistake of ours: nobody is asked without end for it."""
        self._asking = None
        error = failure.getErrorMessage()
        now, chance = time.time(), self._chance()
        self._plans[name] = failed(self._plans[name], error, acme.retry, 0.0, now, chance)
        self._log.failure("{name}: no certificate", failure, name=name)
        self._write_down(acme)

    def _write_down(self, acme: ACME) -> None:
        try:
            self._folder.keep_plans({name: plan.kept() for name, plan in self._plans.items()})
        except OSError as error:
            self._log.error("{state} cannot be written: {error}", state=acme.state, error=error)

    # telling

    def shown(self) -> dict[str, Any] | None:
        """For the status page; None where there is nothing to tell."""
        acme = self._acme
        if acme is None:
            return None
        return {
            "directory": acme.directory,
            "asks": self._has_lock,
            "asking": self._asking,
            "certificates": [
                {
                    "domain": name,
                    "until": moment(plan.until),
                    "next": moment(plan.at),
                    "failures": plan.failures,
                    "error": plan.error or None,
                }
                for name, plan in self._plans.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done in the thread for one domain: a certificate, or advice. Gives the next plan."""

    acme: ACME
    folder: StateFolder
    name: str
    plan: Plan
    kind: str
    chance: float

    def __call__(self) -> Plan:
        # Not above: they bring much, and only who asks needs it.
        from .authority import Authority, RefusedError

        plan, acme = self.plan, self.acme
        found = _facts(self.folder, self.name)
        is_due = plan.at <= time.time()
        try:
            authority = Authority(acme, self.folder, _settle)
            if is_due:
                replaced = found.ari if found is not None else None
                self.folder.install(self.name, *authority.obtain(self.name, self.kind, replaced))
                found = _facts(self.folder, self.name)
        except RefusedError as error:
            return self._failed(str(error), error.wish)
        except OSError as error:
            return self._failed(f"{error.filename}: {error.strerror}", 0.0)
        assert found is not None
        try:
            window = authority.window(found.ari) if found.ari is not None else Window()
        except RefusedError as error:
            _log.debug("no renewal information: {error}", error=error)
            if not is_due:
                return replace(plan, look_at=time.time() + LOOK_USUALLY)
            window = Window(again=LOOK_USUALLY)
        next_one = renewed(found, acme.directory, window, time.time())
        if is_due and next_one.at <= time.time():
            # Whoever does as told asks without end, until the authority's limits shut it out.
            return replace(self._failed(DUE_AT_ONCE, 0.0), until=found.until)
        return next_one

    def _failed(self, why: str, wish: float) -> Plan:
        return failed(self.plan, why, self.acme.retry, wish, time.time(), self.chance)


_log = Logger()


def _settle(kind: str) -> None:
    """Wait until every process has seen a challenge."""
    if kind == ALPN:
        time.sleep(SETTLES)


def in_thread(reactor: Any, work: Callable[[], Any]) -> Deferred[Any]:
    """What ``work`` gives, from a thread that nobody waits for when the process ends.

    That of a pool would be waited for, and with it an authority that does not answer.
    """
    given: Deferred[Any] = Deferred()

    def run() -> None:
        try:
            result = work()
        except BaseException:
            reactor.callFromThread(given.errback, Failure())
        else:
            reactor.callFromThread(given.callback, result)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return given


def moment(at: float | None) -> str | None:
    """A time for people and programs: ``2026-11-27T12:00:00Z``."""
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))

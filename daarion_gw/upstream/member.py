"""One server of an upstream at run time: its pool, and what is known about it.

It lives as long as (upstream, server) does, over reloads; routes and their settings come and go.
"""

import time
from typing import Any

from twisted.logger import Logger

from daarion_gw.config.settings import Server, Upstream

from .condition import Condition
from .pool import Pool
from .probe import Probing

_clock = time.perf_counter


class Member:
    """A server, compared by identity: the hot path looks things up by it."""

    __slots__ = ("_is_closed", "_probing", "_upstream", "condition", "pool", "server")

    _log = Logger()

    def __init__(self, server: Server, pool: Pool, upstream: Upstream) -> None:
        # As configured now: weight and drain may change over a reload, the address does not.
        self.server = server
        self.pool = pool
        self.condition = Condition(upstream.health_check, upstream.eject, _clock())
        self._upstream = upstream
        self._probing: Probing | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Member {self.server.label}>"

    # life

    def settle(self, server: Server, upstream: Upstream, reactor: Any) -> None:
        """What is said of it now, at the start and after a reload: probes begin, go on or end."""
        self.server = server
        self._upstream = upstream
        check = upstream.health_check
        self.pool.counters.members = 1
        self.changed(self.condition.settle(check, upstream.eject, _clock()))
        probing = self._probing
        if probing is not None and probing.check == check:
            return
        if probing is not None:
            probing.stop()
        self._probing = None
        if check is not None:
            self._probing = Probing(reactor, server, check, self._probed)
            self._probing.start()

    def close(self) -> None:
        """Nobody asks it any more, but for exchanges that began before."""
        self._is_closed = True
        if self._probing is not None:
            self._probing.stop()
            self._probing = None
        counters = self.pool.counters
        counters.members = counters.out = 0
        self.pool.close()

    # what is found out

    def _probed(self, wrong: str | None) -> None:
        counters = self.pool.counters
        if wrong is None:
            counters.probes_passed += 1
        else:
            counters.probes_failed += 1
        self.changed(self.condition.probed(wrong, _clock()))

    def eject(self, reason: str, now: float) -> None:
        """Leave it out for a while because of ``reason``."""
        if self._is_closed:
            # Nobody would let it back, and its counters may be another's by now.
            return
        self.pool.counters.ejections += 1
        self.changed(self.condition.eject(reason, now))

    def tick(self) -> None:
        """A second has passed."""
        if self.condition.is_ejected:
            self.changed(self.condition.tick(_clock()))

    def changed(self, sentence: str | None) -> None:
        """Say what has changed, if anything has."""
        if sentence is None:
            return
        is_ready = self.condition.is_ready
        self.pool.counters.out = int(not is_ready)
        tell = self._log.info if is_ready else self._log.warn
        tell("upstream {upstream}: server {server} {sentence}",
             upstream=self._upstream.name, server=self.server.label, sentence=sentence)  # fmt: skip

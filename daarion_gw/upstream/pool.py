"""The connections to one server: those that are idle, and who makes new ones.

Last in, first out: the connection used most recently is the least likely to be closed from
the other side. Nothing here looks at more than one connection per request.
"""

import math
from typing import Any

from daarion_gw.config.settings import Server
from daarion_gw.net.sweep import Sweep
from daarion_gw.net.transport import has_ended
from daarion_gw.observe.counters import ServerCounters

from .attempt import Asker, Attempt
from .connection import UpstreamConnection
from .names import Names
from .security import Secured

IDLE_AT_MOST = 128
IDLE_SECONDS = 60.0


class _NoTurns:
    """Stands in for a reactor that does not count its turns: no two are the same."""

    turn = math.nan


class Pool:
    """All connections to ``server``. secured: their TLS, or None."""

    def __init__(
        self, reactor: Any, names: Names, sweep: Sweep, server: Server, counters: ServerCounters
    ) -> None:
        self.reactor = reactor
        self.names = names
        self.server = server
        self.counters = counters
        self.secured = Secured(server) if server.scheme == "https" else None
        # What a connection reads in the very turn of the loop in which a request was sent on it
        # had come before: it is told by that. Other reactors than ours need to be asked.
        self._asks_always = not hasattr(reactor, "turn")
        self.turns = _NoTurns if self._asks_always else reactor
        self._sweep = sweep
        self._idle: list[UpstreamConnection] = []
        # What was introduced as one client's (PROXY protocol) must not serve another's request.
        self._keeps = server.send_proxy is None

    def __repr__(self) -> str:
        open_now = self.counters.connections_open
        return f"<Pool {self.server.label}: {len(self._idle)} idle of {open_now}>"

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self, careful: bool) -> UpstreamConnection | None:
        """An idle connection, or None. ``careful``: what is sent on it can't be sent twice."""
        while self._idle:
            connection = self._idle.pop()
            if not (careful or self._asks_always) or not has_ended(connection.transport):
                return connection
            connection.abort()
        return None

    def connect(self, asker: Asker, timeout: float, header: bytes = b"") -> Attempt:
        """Make a new connection within ``timeout`` seconds, with ``header`` before all else."""
        return Attempt(self, asker, timeout, header)

    def give_back(self, connection: UpstreamConnection) -> None:
        if not self._keeps:
            connection.close()
            return
        if len(self._idle) >= IDLE_AT_MOST:
            connection.abort()
            return
        connection.idle_until = self._sweep.now + IDLE_SECONDS
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def connection_opened(self, connection: UpstreamConnection) -> None:
        self.counters.connections_opened += 1
        self.counters.connections_open += 1

    def connection_closed(self, connection: UpstreamConnection) -> None:
        self.counters.connections_open -= 1
        if connection.taker is None:
            self.forget(connection)

    def close_idle(self, before: float | None = None) -> None:
        """Close the connections that have been idle for too long (all, without a time)."""
        # The oldest are in front: as soon as one may stay, all may.
        stay = 0
        for connection in self._idle:
            if before is not None and connection.idle_until > before:
                break
            stay += 1
        old, self._idle = self._idle[:stay], self._idle[stay:]
        for connection in old:
            connection.close()

    def close(self) -> None:
        """Nobody asks any more: close what is idle, and the rest as soon as it is."""
        self._keeps = False
        self.close_idle()

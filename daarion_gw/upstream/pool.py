"""The connections to one server: those that are idle, and the making of new ones.

Last in, first out: the connection used most recently is the least likely to be closed from
the other side. Nothing here looks at more than one connection per request.
"""

import errno
import math
from typing import Any, Protocol

from twisted.internet import error
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from daarion_gw.config.settings import Server
from daarion_gw.errors import Fault
from daarion_gw.net.sweep import Sweep
from daarion_gw.net.transport import connect_tcp, connect_unix, has_ended
from daarion_gw.observe.counters import ServerCounters

from .connection import UpstreamConnection
from .names import Names
from .security import tls_factory

IDLE_AT_MOST = 128
IDLE_SECONDS = 60.0
# What connecting needs and this machine or process has no more of: files, memory, ports.
_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class Asker(Protocol):
    """Who asked for a connection. One of the two is called, unless it was cancelled."""

    def far_connected(self, connection: UpstreamConnection) -> None: ...
    def far_failed(self, fault: Fault, detail: str) -> None: ...


class _NoTurns:
    """Stands in for a reactor that does not count its turns: no two are the same."""

    turn = math.nan


class Pool:
    """All connections to ``server``."""

    def __init__(
        self, reactor: Any, names: Names, sweep: Sweep, server: Server, counters: ServerCounters
    ) -> None:
        self.reactor = reactor
        self.names = names
        self.server = server
        self.counters = counters
        # What a connection reads in the very turn of the loop in which a request was sent on it
        # had come before: it is told by that. Other reactors than ours need to be asked.
        self._asks_always = not hasattr(reactor, "turn")
        self.turns = _NoTurns if self._asks_always else reactor
        self._sweep = sweep
        self._idle: list[UpstreamConnection] = []
        self._is_closed = False

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

    def connect(self, asker: Asker, timeout: float) -> "Attempt":
        """Make a new connection within ``timeout`` seconds."""
        return Attempt(self, asker, timeout)

    def give_back(self, connection: UpstreamConnection) -> None:
        if self._is_closed:
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
        self._is_closed = True
        self.close_idle()


class _Factory(ClientFactory):
    """Tells an attempt how the connecting went."""

    noisy = False

    def __init__(self, attempt: "Attempt") -> None:
        self._attempt = attempt

    def buildProtocol(self, addr: object) -> "_Arriving":
        return _Arriving(self._attempt)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._attempt.failed_at_address(reason.value)


class _Arriving(UpstreamConnection):
    """A connection that tells its attempt that it has come."""

    def __init__(self, attempt: "Attempt") -> None:
        super().__init__(attempt.pool)
        self._attempt: Attempt | None = attempt

    def connectionMade(self) -> None:
        super().connectionMade()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.connected(self)


class Attempt:
    """The making of one connection: resolve, then one address after the other."""

    def __init__(self, pool: Pool, asker: Asker, timeout: float) -> None:
        self.pool = pool
        self._asker: Asker | None = asker
        self._timeout = timeout or None
        self._addresses: list[str] = []
        self._connector: Any = None
        self._is_resolved = False
        # The limit for finding the name; each address then has one of its own.
        self._resolving: Any = None
        server = pool.server
        if server.unix is not None:
            self._connector = connect_unix(
                pool.reactor,
                server.unix,
                _Factory(self),
                self._timeout,  # type: ignore[arg-type]
            )
        else:
            pool.names.find(server.host, self._resolved)
            if timeout and not self._is_resolved:
                self._resolving = pool.reactor.callLater(timeout, self._not_resolved)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._asker = None
        self._stop_resolving()
        if self._connector is not None:
            self._connector.stopConnecting()

    def _stop_resolving(self) -> None:
        self._is_resolved = True
        resolving, self._resolving = self._resolving, None
        if resolving is not None:
            resolving.cancel()

    def _not_resolved(self) -> None:
        self._resolving = None
        name = self.pool.server.host
        self._fail(Fault.UPSTREAM_CONNECT_TIMEOUT, f"the name {name} was not resolved in time")

    def _resolved(self, addresses: list[str]) -> None:
        if self._asker is None:
            return
        self._stop_resolving()
        self._addresses = addresses
        if not addresses:
            self._fail(
                Fault.UPSTREAM_UNRESOLVED, f"the name {self.pool.server.host} has no address"
            )
            return
        self._try_next()

    def _try_next(self) -> None:
        server, pool = self.pool.server, self.pool
        factory: Any = _Factory(self)
        if server.scheme == "https":
            factory = tls_factory(server, factory)
        address = self._addresses.pop(0)
        self._connector = connect_tcp(pool.reactor, address, server.port, factory, self._timeout)  # type: ignore[arg-type]

    def connected(self, connection: UpstreamConnection) -> None:
        self._connector = None
        asker, self._asker = self._asker, None
        if asker is None:
            connection.abort()
        else:
            asker.far_connected(connection)

    def failed_at_address(self, reason: BaseException | None) -> None:
        self._connector = None
        self.pool.counters.connect_failures += 1
        if self._asker is None:
            return
        if self._addresses:
            self._try_next()
            return
        self.pool.names.forget(self.pool.server.host)
        if getattr(reason, "osError", None) in _OUT_OF:
            self._fail(Fault.OVERLOADED, f"cannot be connected to: {reason}")
        elif isinstance(reason, error.TimeoutError):
            self._fail(Fault.UPSTREAM_CONNECT_TIMEOUT, "did not accept the connection in time")
        elif isinstance(reason, error.ConnectionRefusedError):
            self._fail(Fault.UPSTREAM_REFUSED, "refused the connection")
        else:
            self._fail(Fault.UPSTREAM_REFUSED, f"cannot be reached ({reason})")

    def _fail(self, fault: Fault, detail: str) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.far_failed(fault, detail)

"""The making of one connection: resolve, then one address after the other, until one answers.

Several addresses race as RFC 8305 has it ("Happy Eyeballs"): each next one begins a quarter of
a second after the one before, or as soon as that fails, and the first to be connected wins. One
address, which is the rule, is simply connected to.
"""

import errno
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet import error
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from daarion_gw.errors import Fault
from daarion_gw.net.transport import connect_tcp, connect_unix

from .beginning import Beginning
from .connection import UpstreamConnection

if TYPE_CHECKING:
    from .pool import Pool

# Seconds that an address has before the next one is tried beside it (RFC 8305 section 5).
HEAD_START = 0.25
# What connecting needs and this machine or process has no more of: files, memory, ports.
_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class Asker(Protocol):
    """Who asked for a connection. One of the two is called, unless it was cancelled."""

    def far_connected(self, connection: UpstreamConnection) -> None: ...
    def far_failed(self, fault: Fault, detail: str) -> None: ...


class _Factory(ClientFactory):
    """Tells an attempt how the connecting went."""

    noisy = False

    def __init__(self, attempt: "Attempt", address: str) -> None:
        self._attempt = attempt
        self._address = address

    def buildProtocol(self, addr: object) -> "_Arriving":
        return _Arriving(self._attempt, self._address)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._attempt.failed_at_address(self._address, reason.value)


class _Arriving(UpstreamConnection):
    """A connection that tells its attempt that it has come."""

    def __init__(self, attempt: "Attempt", address: str) -> None:
        super().__init__(attempt.pool)
        self._attempt: Attempt | None = attempt
        self._address = address

    def connectionMade(self) -> None:
        super().connectionMade()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.connected(self, self._address)


class Attempt:
    """One connection in the making. ``timeout``: seconds for all of it, 0 = no limit.

    header: what it begins with, before TLS.
    """

    def __init__(self, pool: "Pool", asker: Asker, timeout: float, header: bytes = b"") -> None:
        self.pool = pool
        self._header = header
        self._asker: Asker | None = asker
        self._timeout = timeout or None
        # When it began, if that was not just now.
        self._began: float | None = None
        # Those that were not begun yet; those that were, with what connects to them.
        self._left: list[str] = []
        self._begun: dict[str, Any] = {}
        self._is_resolved = False
        self._resolving: Any = None
        self._head_start: Any = None
        server = pool.server
        if server.unix is not None:
            factory = self._factory(server.unix)
            self._begun[server.unix] = connect_unix(
                pool.reactor,
                server.unix,
                factory,
                self._timeout,  # type: ignore[arg-type]
            )
            return
        pool.names.find(server.host, self._resolved)
        if timeout and not self._is_resolved:
            self._began = pool.reactor.seconds()
            self._resolving = pool.reactor.callLater(timeout, self._not_resolved)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._asker = None
        self._stop()

    def _stop(self) -> None:
        """End what is under way."""
        self._stop_resolving()
        self._stop_waiting()
        self._left.clear()
        begun, self._begun = self._begun, {}
        for connector in begun.values():
            if connector.state == "connecting":
                connector.stopConnecting()

    # the name

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
        server = self.pool.server
        if not addresses:
            self._fail(Fault.UPSTREAM_UNRESOLVED, f"the name {server.host} has no address")
            return
        if len(addresses) > 1:
            addresses = self.pool.names.in_order(addresses, server.port)
            if self._began is None:
                self._began = self.pool.reactor.seconds()
        self._left = addresses
        self._begin_next()

    # its addresses

    def _begin_next(self) -> None:
        self._head_start = None
        server, pool = self.pool.server, self.pool
        address = self._left.pop(0)
        factory = self._factory(address)
        timeout: Any = self._timeout
        if timeout is not None and self._began is not None:
            # The limit is for all of it.
            timeout = max(0.0, timeout - (pool.reactor.seconds() - self._began))
        if self._left:
            self._head_start = pool.reactor.callLater(HEAD_START, self._begin_next)
        self._begun[address] = connect_tcp(pool.reactor, address, server.port, factory, timeout)

    def _factory(self, address: str) -> Any:
        factory: Any = _Factory(self, address)
        if self.pool.secured is not None:
            factory = self.pool.secured.around(factory)
        return Beginning(self._header, factory) if self._header else factory

    def _stop_waiting(self) -> None:
        head_start, self._head_start = self._head_start, None
        if head_start is not None:
            head_start.cancel()

    def connected(self, connection: UpstreamConnection, address: str) -> None:
        asker, self._asker = self._asker, None
        if asker is None:
            connection.abort()
            return
        self._begun.pop(address, None)
        if self._begun or self._left:
            self._won(address)
        asker.far_connected(connection)

    def _won(self, address: str) -> None:
        """Of several addresses this one was the first."""
        names, port = self.pool.names, self.pool.server.port
        names.works(address, port)
        for slower in self._begun:
            # It had its head start and did not use it.
            names.failed(slower, port)
        self._stop()

    def failed_at_address(self, address: str, reason: BaseException | None) -> None:
        self._begun.pop(address, None)
        if self._asker is None:
            # Cancelled, or another was faster.
            return
        self.pool.counters.connect_failures += 1
        if self._left or self._begun:
            self.pool.names.failed(address, self.pool.server.port)
        if self._left:
            self._stop_waiting()
            self._begin_next()
        elif not self._begun:
            self._fail_because(reason)

    def _fail_because(self, reason: BaseException | None) -> None:
        """The last address has failed."""
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

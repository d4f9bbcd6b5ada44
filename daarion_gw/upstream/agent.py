"""Requests of the gateway's own: a client that leads to one server, and why it got no answer.

They have nothing to do with the pools that proxied requests use. Whoever asks says what an
answer means.
"""

from typing import Any

from twisted.internet import defer, error
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.protocol import Protocol
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    ResponseFailed,
    _HTTP11ClientFactory,
)

from daarion_gw.config.settings import Server
from daarion_gw.wire.proxy_header import own_header

from .beginning import BeginningEndpoint
from .security import MistrustError, Secured, tls_failure

TLS_FAILED = "TLS failed"

Reasons = tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]


def agent_of(reactor: Any, server: Server) -> Agent:
    """A client all of whose requests go to ``server``, each on a connection of its own."""
    return Agent.usingEndpointFactory(reactor, _Place(reactor, server), quiet_pool(reactor))


def quiet_pool(reactor: Any) -> HTTPConnectionPool:
    """Keeps nothing, and leaves no line in the log for each connection that comes and goes."""
    pool = HTTPConnectionPool(reactor, persistent=False)
    pool._factory = _QuietFactory
    return pool


class _QuietFactory(_HTTP11ClientFactory):
    noisy = False


class _Place:
    """Leads every request to one server, whatever its URL says."""

    def __init__(self, reactor: Any, server: Server) -> None:
        endpoint: Any
        if server.unix is not None:
            endpoint = UNIXClientEndpoint(reactor, server.unix)
        else:
            endpoint = HostnameEndpoint(reactor, server.host.encode("ascii"), server.port)
        if server.send_proxy is not None:
            endpoint = BeginningEndpoint(own_header(server.send_proxy), endpoint)
        if server.scheme == "https":
            secured: Any = Secured(server)
            endpoint = wrapClientTLS(secured, endpoint)
        self._endpoint = endpoint

    def endpointForURI(self, _uri: Any) -> Any:
        return self._endpoint


class HangUp(Protocol):
    """Hangs up instead of reading: only the status was wanted."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


def reasons(limit: float) -> Reasons:
    """Faults and what they are in a few words, for who waits ``limit`` seconds.

    The first row that fits says it; the order goes from the particular to the general.
    """
    return (
        (ConnectionRefusedError, "refused the connection"),
        (DNSLookupError, "its name is not known"),
        ((error.TimeoutError, defer.TimeoutError, CancelledError), f"silent for {limit:g} s"),
        (ConnectError, "cannot be reached"),
        (ConnectionClosed, "hung up without an answer"),
    )


def why(fault: Exception, known: Reasons, in_full: bool = False) -> str:
    """In a few words, without an address, why there was no answer.

    in_full: for the operator, who may read what a certificate says.
    """
    for cause in (fault, *_causes(fault)):
        if _is_about_tls(cause):
            found = tls_failure(cause) if in_full else ""
            return f"{TLS_FAILED}: {found}" if found else TLS_FAILED
        for kind, words in known:
            if isinstance(cause, kind):
                return words
    if isinstance(fault, ResponseFailed):
        return "does not speak HTTP"
    return f"failed: {type(fault).__name__}"


def _causes(fault: Exception) -> list[Exception]:
    """What lies behind a failed request: the wire's own reasons, not the parser's."""
    causes = [
        reason.value
        for reason in getattr(fault, "reasons", ())
        if isinstance(reason.value, Exception)
    ]
    # An unreadable answer ends in a closed connection too; then that is not the cause.
    return [] if any(type(cause).__name__ == "ParseError" for cause in causes) else causes


def _is_about_tls(cause: Exception) -> bool:
    return isinstance(cause, MistrustError) or type(cause).__module__.startswith("OpenSSL.")

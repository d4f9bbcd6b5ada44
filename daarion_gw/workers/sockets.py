"""Listening sockets that are bound in one process and accepted from in others.

The strings stay Twisted's own (and its plugins'): each is parsed here and there by the same
parser, with a stand-in for the reactor. The master's binds and never accepts; the worker's takes
the socket that it was handed instead of binding. What wraps a socket, TLS say, is thus built in
the worker, whatever it is.
"""

import socket
import time
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from daarion_gw.front.listeners import ListenError, endpoint

from .turns import Table

# Seconds until a worker looks again at a connection that it left to another, and how often it
# does so before it takes it, and some of those behind it, itself.
PAUSE = 0.001
LOOKS = 3
AFTER_ALL = 8

_SYSTEMD = "systemd:"


class NotSharedError(ListenError):
    """A kind of listener that only one process can have."""

    # Wrong usage.
    status = 2


class _Held:
    """Mixed into a listening port: it is bound, and others accept from it."""

    # Its end is not that of the socket, which workers may be busy emptying.
    _shouldShutdown = False

    def startReading(self) -> None:
        """Accept nothing."""


class HeldTCP(_Held, tcp.Port):
    """The master's end of a TCP listener."""


class HeldUNIX(_Held, unix.Port):
    """The master's end of a UNIX listener: it makes the file and takes it away."""


class _InTurn:
    """Mixed into a listening port of a worker: it accepts when it is its turn."""

    _shouldShutdown = False
    table: Table
    index: int
    # See `daarion_gw.front.listeners.shut`.
    is_shut = False
    _looks = 0
    _looked = 0.0

    def doRead(self: Any) -> None:
        """Accept what is this worker's share of what waits, or leave it to others."""
        room = self.table.room(self.index)
        if not room:
            now = time.monotonic()
            # What was left to another long ago was another connection.
            self._looks = self._looks + 1 if now - self._looked < 3 * PAUSE else 1
            self._looked = now
            if self._looks <= LOOKS:
                self.stopReading()
                self.reactor.callLater(PAUSE, self._look_again)
                return
            room = AFTER_ALL
        self._looks = 0
        self.numberAccepts = room
        super().doRead()  # type: ignore[misc]

    def _look_again(self: Any) -> None:
        if self.connected and not self.disconnecting and not self.is_shut:
            self.startReading()


class SharedTCP(_InTurn, tcp.Port):
    """A worker's end of a TCP listener."""


class SharedUNIX(_InTurn, unix.Port):
    """A worker's end of a UNIX listener; the file is the master's."""

    def startListening(self: Any) -> None:
        """Begin (IListeningPort); the file's mode and the backlog are set already."""
        tcp._reservedFD.reserve()
        self.factory.doStart()
        self.socket, self._preexistingSocket = self._preexistingSocket, None
        self.fileno = self.socket.fileno
        self.connected = True
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Close this end (IListeningPort)."""
        tcp.Port.connectionLost(self, reason)


class _Instead:
    """Stands in for a reactor while an endpoint listens; everything else is the reactor's."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenSSL(self, port: int, factory: Any, *rest: Any, **words: Any) -> Any:
        """See IReactorSSL; as Twisted's own does it."""
        context = rest[0] if rest else words.pop("contextFactory")
        wrapped = TLSMemoryBIOFactory(context, False, factory)
        listening = self.listenTCP(port, wrapped, *rest[1:], **words)
        listening._type = "TLS"
        return listening


class Binding(_Instead):
    """The master's: binds, and accepts nothing."""

    def listenTCP(self, port: int, factory: Any, *rest: Any, **words: Any) -> Any:
        """See IReactorTCP."""
        held = HeldTCP(port, factory, *rest, **{**words, "reactor": self._reactor})
        held.startListening()
        return held

    def listenUNIX(self, address: Any, factory: Any, *rest: Any, **words: Any) -> Any:
        """See IReactorUNIX."""
        held = HeldUNIX(address, factory, *rest, **{**words, "reactor": self._reactor})
        held.startListening()
        return held

    def adoptStreamPort(self, file: int, family: int, factory: Any) -> Any:
        """See IReactorSocket: a socket that this process was started with."""
        held: Any
        if family == socket.AF_UNIX:
            held = HeldUNIX._fromListeningDescriptor(self._reactor, file, factory)
        else:
            held = HeldTCP._fromListeningDescriptor(self._reactor, file, family, factory)
        held.startListening()
        held.adopted = True
        return held


class Unserved(Factory):
    """What the master listens with: it never accepts."""

    noisy = False
    # Some kinds of listener, which are none to hand down, make a connection at once.
    protocol = Protocol


def check_shared(description: str, port: Any) -> None:
    """Raise `NotSharedError` if ``port``, which came of listening, is not one to hand down."""
    adopted = getattr(port, "adopted", False)
    if not isinstance(port, _Held) or (adopted and not description.startswith(_SYSTEMD)):
        raise NotSharedError(
            f"cannot listen on {description!r} with several workers: this kind of listener "
            "cannot be handed down to them; use tcp:, ssl:, daarion-tls:, unix: or systemd:, "
            "or --workers 1"
        )


class Taking(_Instead):
    """A worker's, for one listener: takes the socket that was handed down."""

    def __init__(self, reactor: Any, file: int, table: Table, index: int) -> None:
        super().__init__(reactor)
        self._socket = socket.socket(fileno=file)
        self._socket.setblocking(False)
        self._table = table
        self._index = index

    def listenTCP(self, _port: int, factory: Any, *_rest: Any, **_words: Any) -> Any:
        """See IReactorTCP; how it was to be bound is past."""
        shared = SharedTCP._fromListeningDescriptor(
            self._reactor, self._socket.fileno(), self._socket.family, factory
        )
        return self._begun(shared)

    def listenUNIX(self, _address: Any, factory: Any, *_rest: Any, **_words: Any) -> Any:
        """See IReactorUNIX."""
        file = self._socket.fileno()
        return self._begun(SharedUNIX._fromListeningDescriptor(self._reactor, file, factory))

    def _begun(self, shared: Any) -> Any:
        shared.table, shared.index = self._table, self._index
        self._socket.close()
        shared.startListening()
        return shared

    def endpoint(self, description: str) -> Any:
        """The endpoint of a listener's string; raises `ListenError`."""
        if description.startswith(_SYSTEMD):
            return _Taken(self)
        return endpoint(self, description)

    def listen(self, factory: Any) -> Any:
        """Accept for ``factory``, whatever the kind of socket."""
        if self._socket.family == socket.AF_UNIX:
            return self.listenUNIX("", factory)
        return self.listenTCP(0, factory)


class _Taken:
    """An endpoint whose socket is all that there is to it (IStreamServerEndpoint)."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking

    def listen(self, factory: Any) -> Deferred[Any]:
        """Accept for ``factory``."""
        return succeed(self._taking.listen(factory))

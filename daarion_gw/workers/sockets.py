"""Listening sockets that are bound in one process and accepted from in others.

The strings are parsed here and there by the same parser, with a stand-in for the reactor
(`daarion_gw.front.sockets`). The master's binds and never accepts; the worker's takes the socket
that it was handed instead of binding, and accepts when it is its turn.
"""

import socket
import time
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol

from daarion_gw.front.listeners import ListenError, endpoint
from daarion_gw.front.sockets import SYSTEMD, Inherited, Instead, Taking, UNIXPort
from daarion_gw.net.activation import activated

from .turns import Table

# Seconds until a worker looks again at a connection that it left to another, and how often it
# does so before it takes it, and some of those behind it, itself.
PAUSE = 0.001
LOOKS = 3
AFTER_ALL = 8


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


class HeldUNIX(_Held, UNIXPort):
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


class SharedUNIX(_InTurn, UNIXPort):
    """A worker's end of a UNIX listener; the file is the master's."""


class Binding(Instead):
    """The master's: binds, or takes what systemd has bound there, and accepts nothing."""

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """See IReactorTCP."""
        sock = activated().take(port, interface)
        if sock is None:
            held = HeldTCP(port, factory, backlog, interface, self._reactor)
        else:
            with sock:
                held = self._adopted(sock.fileno(), sock.family, factory)
        held.startListening()
        return held

    def _adopted(self, file: int, family: int, factory: Any) -> Any:
        return HeldTCP._fromListeningDescriptor(self._reactor, file, family, factory)

    def listenUNIX(self, address: Any, factory: Any, *rest: Any, **words: Any) -> Any:
        """See IReactorUNIX."""
        held = HeldUNIX(address, factory, *rest, **{**words, "reactor": self._reactor})
        held.startListening()
        return held

    def adoptStreamPort(self, file: int, family: int, factory: Any) -> Any:
        """See IReactorSocket: a socket that this process was started with."""
        activated().claim(file)
        held: Any
        if family == socket.AF_UNIX:
            held = HeldUNIX._fromListeningDescriptor(self._reactor, file, factory)
        else:
            held = self._adopted(file, family, factory)
        held.startListening()
        # A file is that of who made it: it will be wanted for the next one.
        held.owns_file = False
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
    if not isinstance(port, _Held) or (adopted and not description.startswith(SYSTEMD)):
        raise NotSharedError(
            f"cannot listen on {description!r} with several workers: this kind of listener "
            "cannot be handed down to them; use tcp:, ssl:, daarion-tls:, unix: or systemd:, "
            "or --workers 1"
        )


class Sharing(Taking):
    """A worker's, for one listener: takes the socket that was handed down, in turn with others."""

    tcp_port = SharedTCP
    unix_port = SharedUNIX

    def __init__(self, reactor: Any, file: int, table: Table, index: int) -> None:
        super().__init__(reactor, file)
        self._table = table
        self._index = index

    def _begin(self, port: Any) -> None:
        port.table, port.index = self._table, self._index
        super()._begin(port)


class Holding(Taking):
    """A master's, for one listener: takes the socket that another master handed over."""

    tcp_port = HeldTCP
    unix_port = HeldUNIX


def bind_or_take(reactor: Any, inherited: Inherited, description: str) -> Any:
    """The endpoint that the master has of a listener's string; raises `ListenError`."""
    file = inherited.take(description)
    if file is None:
        return endpoint(Binding(reactor), description)
    return Holding(reactor, file).endpoint(description)

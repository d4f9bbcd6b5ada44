"""Listening sockets that come from another process, or will go on in one.

The strings stay Twisted's own (and its plugins'): each is parsed by the parser it has, with a
stand-in for the reactor that takes a socket there is already instead of binding one. So whatever
wraps a socket, TLS say, is built here, whatever it is. This module must not know who hands over.
"""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, succeed
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.python.lockfile import FilesystemLock

from daarion_gw.net.activation import activated

from .listeners import ListenError, endpoint

SYSTEMD = "systemd:"


class UNIXPort(unix.Port):
    """A UNIX listener whose file may be another process's to take away."""

    owns_file = True

    def take_up(self: Any) -> None:
        """Accept from the socket that was handed over; its mode and backlog are set already."""
        tcp._reservedFD.reserve()
        self.owns_file = False
        self.factory.doStart()
        self.socket, self._preexistingSocket = self._preexistingSocket, None
        self.fileno = self.socket.fileno
        self.connected = True
        # As many at once as Twisted begins with.
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Close this end (IListeningPort), and take away what is ours."""
        if self.owns_file:
            super().connectionLost(reason)
        else:
            tcp.Port.connectionLost(self, reason)

    def own_file(self) -> None:
        """The process that made the file is about to end: from now on it is ours."""
        self.owns_file = True
        lock = Path(os.fsdecode(self._bindPath) + ".lock")
        if not lock.is_symlink():
            return
        # Twisted's lock: a link to nowhere that names a process. There is never none.
        fresh = lock.with_name(f"{lock.name}.{os.getpid()}")
        fresh.symlink_to(str(os.getpid()))
        fresh.replace(lock)
        self.lockFile = FilesystemLock(str(lock))
        self.lockFile.locked = True


class Instead:
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


class Opening(Instead):
    """Binds as the reactor does, so that what it gives can be handed over.

    Where systemd has bound already it takes systemd's socket.
    """

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """See IReactorTCP."""
        sock = activated().take(port, interface)
        if sock is None:
            return self._reactor.listenTCP(port, factory, backlog, interface)
        with sock:
            return self._reactor.adoptStreamPort(sock.fileno(), sock.family, factory)

    def listenUNIX(self, address: Any, factory: Any, *rest: Any, **words: Any) -> Any:
        """See IReactorUNIX."""
        port = UNIXPort(address, factory, *rest, **{**words, "reactor": self._reactor})
        port.startListening()
        return port

    def adoptStreamPort(self, file: int, family: int, factory: Any) -> Any:
        """See IReactorSocket: a socket that this process was started with."""
        activated().claim(file)
        if family != socket.AF_UNIX:
            return self._reactor.adoptStreamPort(file, family, factory)
        port: Any = UNIXPort._fromListeningDescriptor(self._reactor, file, factory)
        port.startListening()
        # Who made it will want it for the next one.
        port.owns_file = False
        return port


class Taking(Instead):
    """For one listener: takes the socket that was handed over. file: its descriptor, ours now.

    tcp_port, unix_port: of which kind the listening ports are.
    """

    tcp_port: Any = tcp.Port
    unix_port: Any = UNIXPort

    def __init__(self, reactor: Any, file: int) -> None:
        super().__init__(reactor)
        self._socket = socket.socket(fileno=file)
        self._socket.setblocking(False)
        self._socket.set_inheritable(False)

    def listenTCP(self, _port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """See IReactorTCP; where it was to be bound is past."""
        port = self.tcp_port._fromListeningDescriptor(
            self._reactor, self._socket.fileno(), self._socket.family, factory
        )
        self._begin(port)
        # Twisted listens once more.
        port.backlog = backlog
        port.startListening()
        return port

    def listenUNIX(self, _address: Any, factory: Any, *_rest: Any, **_words: Any) -> Any:
        """See IReactorUNIX."""
        port = self.unix_port._fromListeningDescriptor(
            self._reactor, self._socket.fileno(), factory
        )
        self._begin(port)
        port.take_up()
        return port

    def _begin(self, port: Any) -> None:
        """``port`` has a copy of the socket, and does not accept yet."""
        self._socket.close()

    def endpoint(self, description: str) -> Any:
        """The endpoint of a listener's string; raises `ListenError`."""
        if description.startswith(SYSTEMD):
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


class Inherited:
    """Sockets by the strings of their listeners; each goes once, to the first who asks for it."""

    def __init__(self, sockets: Iterable[tuple[str, int]] = ()) -> None:
        self._left = list(sockets)

    def take(self, description: str) -> int | None:
        """The descriptor of the socket that listened for this string."""
        for place, (text, file) in enumerate(self._left):
            if text == description:
                del self._left[place]
                return file
        return None

    def close(self) -> None:
        """What nobody asked for is listened on no more."""
        left, self._left = self._left, []
        for _, file in left:
            os.close(file)


def open_or_take(reactor: Any, inherited: Inherited, description: str) -> Any:
    """The endpoint of a listener's string, with its socket if it was handed over.

    Raises `ListenError`.
    """
    file = inherited.take(description)
    if file is None:
        return endpoint(Opening(reactor), description)
    return Taking(reactor, file).endpoint(description)


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a process has from the one whose place it takes; nothing, if it takes nobody's.

    instance: how that one knew requests that it had sent itself.
    """

    instance: bytes | None = None
    listeners: Inherited = field(default_factory=Inherited)
    admin: Inherited = field(default_factory=Inherited)

    def close(self) -> None:
        """All that is wanted has been taken."""
        self.listeners.close()
        self.admin.close()


class Ports:
    """The open listeners of a process by their strings; that of the operator is apart."""

    def __init__(self) -> None:
        self.listeners: list[tuple[str, Any]] = []
        self.admin: list[tuple[str, Any]] = []

    @property
    def _all(self) -> list[tuple[str, Any]]:
        return self.listeners + self.admin

    def check(self) -> None:
        """Raise `ListenError` when one of them cannot be handed over."""
        for description, port in self._all:
            if not isinstance(port, tcp.Port):
                raise ListenError(
                    f"the listener {description!r} is no listening socket, and cannot be "
                    "handed over"
                )

    def let_go(self) -> None:
        """Another process has the sockets too: their end here is not that of the listeners."""
        for _, port in self._all:
            port._shouldShutdown = False
            port.owns_file = False

    def own(self) -> None:
        """No other process will take away what belongs to them (any more)."""
        for description, port in self._all:
            if isinstance(port, UNIXPort) and not description.startswith(SYSTEMD):
                port.own_file()

    def stop(self) -> list[Deferred[Any]]:
        """Accept no more; when that takes time, its ends."""
        stopping = [port.stopListening() for _, port in self._all]
        return [done for done in stopping if isinstance(done, Deferred)]

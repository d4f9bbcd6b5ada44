"""TCP and UNIX transports of Twisted that send at once.

Twisted's own ``write`` keeps the bytes for the next turn of the loop and asks the poller,
before and after, whether the socket can be written to (twisted issue 5303). Mostly it can:
so these try first, and only what the kernel did not take goes the long way. The order of
bytes, producers and errors stay as Twisted has them.
"""

import socket
from typing import Any

from twisted.internet import main, tcp, unix

# One recv may bring this many bytes; also what Twisted lets pile up before it pauses a producer.
READ_SIZE = 64 * 1024 + 256


class SendsAtOnce:
    """Mixed into a Twisted stream transport, before it."""

    # For our own reactor: readable means nothing but doRead.
    reads_plainly = True
    # How many bytes stand in a pipe for this peer (see `splice`).
    in_pipe = 0

    def write(self: Any, data: bytes) -> None:
        """Send ``data`` now if nothing waits before it, else queue it (ITransport)."""
        if (
            self._tempDataLen
            or self.dataBuffer
            or self.TLS
            or self.disconnecting
            or not self.connected
        ):
            super().write(data)  # type: ignore[misc]
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            # Full, or broken: Twisted's own doWrite finds out which, and says so in the
            # loop, where nobody is in the middle of something.
            sent = 0
        if sent < len(data):
            super().write(data[sent:] if sent else data)  # type: ignore[misc]

    def doRead(self: Any) -> Any:
        """Take what has come (IReadDescriptor)."""
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None


class Accepted(SendsAtOnce, tcp.Server):
    """The near end of an accepted TCP connection.

    tells_hangup: whether the peer's leaving is told at once, with what it sent still unread.
    """

    tells_hangup = True

    def loseConnection(self: Any) -> None:
        """Close when all is written; a peer that says no more may still be listening."""
        self.tells_hangup = False
        super().loseConnection()

    def abortConnection(self: Any) -> None:
        """Close at once."""
        self.tells_hangup = False
        super().abortConnection()


class Connected(SendsAtOnce, tcp.Client):
    """The near end of a TCP connection that we made."""


class ConnectedUNIX(SendsAtOnce, unix.Client):
    """The near end of a UNIX connection that we made."""


class Connector(tcp.Connector):
    """Makes `Connected`."""

    def _makeTransport(self) -> tcp.Client:
        return Connected(self.host, self.port, self.bindAddress, self, self.reactor)


class UNIXConnector(unix.Connector):
    """Makes `ConnectedUNIX`."""

    def _makeTransport(self) -> Any:
        return ConnectedUNIX(self.address, self, self.reactor, self.checkPID)


def connect_tcp(reactor: Any, host: str, port: int, factory: Any, timeout: float) -> Connector:
    """Like ``reactor.connectTCP``, to an address, with a transport that sends at once."""
    connector = Connector(host, port, factory, timeout, None, reactor)
    connector.connect()
    return connector


def connect_unix(reactor: Any, path: str, factory: Any, timeout: float) -> UNIXConnector:
    """Like ``reactor.connectUNIX``, with a transport that sends at once."""
    connector = UNIXConnector(path, factory, timeout, reactor, False)
    connector.connect()
    return connector


def send_at_once(port: Any) -> None:
    """Let a listening port of Twisted's make `Accepted` transports, where it makes TCP ones."""
    # A UNIX port is a TCP port too, for Twisted.
    if isinstance(port, tcp.Port) and not isinstance(port, unix.Port):
        port.transport = Accepted
        # Accepted sockets inherit it: small answers must not wait for the one before.
        port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def backlog(transport: Any) -> int:
    """How many bytes written to ``transport`` the kernel has not taken yet."""
    below = getattr(transport, "transport", None)
    if below is not None and not hasattr(transport, "dataBuffer"):
        return backlog(below)
    waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    return waiting + getattr(transport, "in_pipe", 0)


def has_ended(transport: Any) -> bool:
    """Whether an idle connection's peer has closed it, or sent something nobody asked for.

    The loop may have that news still before it; a request that must not be sent twice asks.
    """
    try:
        transport.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):
        # Under TLS bytes may come at any time (tickets): only the loop can tell.
        return not hasattr(transport, "TLS") and hasattr(transport, "socket")
    return True

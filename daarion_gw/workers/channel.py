"""What master and worker say to each other: one JSON object a line, over a socket pair.

The master gives orders (``do``), the worker reports (``say``); the rest of an object is what the
order or the report is about. Nothing is said while requests pass. Which words there are is known
to `daarion_gw.workers.crewman` and `daarion_gw.workers.worker`; this module does not know them.
"""

import json
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from daarion_gw.net.transport import backlog

Message = dict[str, Any]

# What the other end does not read is kept up to this many bytes of what can be done without.
KEEP_AT_MOST = 1024 * 1024


class Channel(LineOnlyReceiver):
    """One end. ``take`` gets each message, ``lost`` is called once when the other end is gone."""

    delimiter = b"\n"
    # The settings and counters of ten thousand routes.
    MAX_LENGTH = 64 * 1024 * 1024

    def __init__(self, take: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._take = take
        self._lost = lost

    def lineReceived(self, line: bytes) -> None:
        self._take(json.loads(line))

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._lost()

    def send(self, message: Message) -> None:
        """Say it; it is dropped when the other end is gone."""
        transport: Any = self.transport
        if transport is not None:
            transport.write(encoded(message))

    def close(self) -> None:
        """Let what was said arrive, then be gone."""
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

    def tell(self, message: Message) -> None:
        """Say it if the other end listens: what can be done without."""
        transport: Any = self.transport
        if transport is not None and backlog(transport) < KEEP_AT_MOST:
            transport.write(encoded(message))


class Lines(LineOnlyReceiver):
    """What a worker writes to its standard error. ``take`` gets each line, ``lost`` the end."""

    delimiter = b"\n"

    def __init__(self, take: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._take = take
        self._lost = lost

    def lineReceived(self, line: bytes) -> None:
        self._take(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """It is worth reading all the same."""
        self._take(line)

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._buffer:
            self._take(self._buffer)
        self._lost()


def encoded(message: Message) -> bytes:
    """One message as it is sent."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class _Ready(Factory):
    """Gives a channel that there is already."""

    noisy = False

    def __init__(self, channel: Protocol) -> None:
        self._channel = channel

    def buildProtocol(self, addr: object) -> Protocol:
        return self._channel


def adopt(reactor: Any, end: socket.socket, channel: Protocol) -> None:
    """Let ``channel`` speak over ``end``, which is closed: the reactor has a copy."""
    end.setblocking(False)
    reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, _Ready(channel))
    end.close()


def first_message(end: socket.socket) -> tuple[Message, bytes]:
    """The first message, and what came behind it; blocks, and raises EOFError without one."""
    data = b""
    while b"\n" not in data:
        piece = end.recv(64 * 1024)
        if not piece:
            raise EOFError("the master is gone")
        data += piece
    line, _, rest = data.partition(b"\n")
    return json.loads(line), rest

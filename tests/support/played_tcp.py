"""TCP played in memory: a reactor whose clock is the test's, transports, and connecting.

Nothing happens by itself: what a transport's end means comes with the next `turn` of the loop, as
it does under a real one. It knows nothing of HTTP.
"""

from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.python.failure import Failure

# How much a peer that reads nothing lets pile up before the producer is paused (bytes).
FULL = 256


class PlayedReactor(Clock):
    """``turn``: counted, as our own reactor does. connecting: who waits for a server."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 1
        self.transports: list[PlayedTransport] = []
        self.connecting: list[PlayedConnector] = []

    def next_turn(self) -> None:
        """What was written is out; connections that were ended tell so."""
        while True:
            self.turn += 1
            self.advance(0)
            ended = [each for each in self.transports if each.is_due]
            if not ended:
                return
            for each in ended:
                each.lose(error.ConnectionAborted if each.aborted else error.ConnectionDone)

    def pass_time(self, seconds: float) -> None:
        """In twenty steps: what has a deadline meets it at the end of one."""
        for _ in range(20):
            self.advance(seconds / 20)
            self.next_turn()


class PlayedTransport:
    """One end, with a protocol; the test is the other one.

    written: all that was. reads: whether the peer takes what is written. aborted, closing: what
    the protocol did. gone: whether `connectionLost` was said.
    """

    TLS = False
    offset = 0
    _tempDataLen = 0
    disconnecting = False

    def __init__(self, reactor: PlayedReactor, protocol: Any) -> None:
        self.written = b""
        self.reads = True
        self.aborted = self.closing = self.half_closed = self.gone = False
        self.is_paused = False
        self._reactor = reactor
        self._protocol = protocol
        self._waiting = 0
        self._producer: Any = None
        self._has_paused_it = False
        reactor.transports.append(self)

    # The test's side.

    @property
    def is_open(self) -> bool:
        return not (self.gone or self.aborted or self.closing or self.half_closed)

    @property
    def is_full(self) -> bool:
        """Whether its producer was told to stop."""
        return self._has_paused_it

    @property
    def is_due(self) -> bool:
        return not self.gone and (self.aborted or (self.closing and not self._waiting))

    def receive(self, data: bytes) -> None:
        """``data`` comes from the peer."""
        assert not self.gone and not self.is_paused
        if not self.aborted:
            self._protocol.dataReceived(data)

    def lose(self, why: type[Exception] = error.ConnectionDone) -> None:
        """The connection is over."""
        assert not self.gone, "it is lost twice"
        self.gone = True
        self._protocol.connectionLost(Failure(why()))

    def set_reads(self, reads: bool) -> None:
        self.reads = reads
        if reads:
            self._waiting = 0
            if self._has_paused_it and self._producer is not None:
                self._has_paused_it = False
                self._producer.resumeProducing()

    # The protocol's side: what Twisted's transports have.

    @property
    def dataBuffer(self) -> bytes:
        return bytes(self._waiting)

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        if self.gone or self.aborted or self.closing:
            return
        assert not self.half_closed, "something is written behind the end"
        self.written += data
        if not self.reads:
            self._waiting += len(data)
            if self._waiting > FULL and self._producer is not None and not self._has_paused_it:
                self._has_paused_it = True
                self._producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False

    def loseConnection(self) -> None:
        self.closing = True

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.7", 50000)

    getHost = getPeer


class PlayedConnector:
    """Stands where `net.transport.Connector` does. The test says what becomes of it."""

    def __init__(
        self, host: str, port: int, factory: Any, timeout: float | None, bind: Any, reactor: Any
    ) -> None:
        self._factory = factory
        self._reactor: PlayedReactor = reactor
        self.timeout = timeout
        self._late: Any = None
        self.state = "disconnected"

    def connect(self) -> None:
        self.state = "connecting"
        self._reactor.connecting.append(self)
        if self.timeout:
            self._late = self._reactor.callLater(self.timeout, self.fail, error.TimeoutError)

    def stopConnecting(self) -> None:
        self.fail(error.UserError)

    disconnect = stopConnecting

    def _decided(self) -> None:
        self.state = "disconnected"
        self._reactor.connecting.remove(self)
        if self._late is not None and self._late.active():
            self._late.cancel()

    def fail(self, why: type[Exception] = error.ConnectionRefusedError) -> None:
        self._decided()
        self._factory.clientConnectionFailed(self, Failure(why()))

    def succeed(self) -> PlayedTransport:
        self._decided()
        self.state = "connected"
        protocol = self._factory.buildProtocol(None)
        transport = PlayedTransport(self._reactor, protocol)
        protocol.makeConnection(transport)
        return transport

"""A client that there is no room for: it hears so at once, and no request of it is read."""

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from daarion_gw.errors import Fault
from daarion_gw.net.sweep import NEVER
from daarion_gw.wire.passage import SECURITY_LINES

from .error_page import render
from .refusals import RETRY_AFTER

if TYPE_CHECKING:
    from .reception import Reception

# How long a client that is still sending gets to see why it was refused (seconds).
LINGER: Final = 1.0
# How many get so long: each holds a file, which there may be few of.
LINGERING_AT_MOST: Final = 32

_FAULT: Final = Fault.OVERLOADED
_TYPE, _BODY = render(_FAULT.status, _FAULT.title, "", None, None, wants_html=False)
ANSWER: Final = (
    b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"
    b"%b%bConnection: close\r\n\r\n%b"
) % (
    _FAULT.status, _FAULT.title.encode(), _TYPE, len(_BODY), RETRY_AFTER, SECURITY_LINES[0], _BODY,
)  # fmt: skip


class TurnedAway(Protocol):
    """Its connection, from its beginning to its near end. It counts as none of the gateway's."""

    transport: Any

    def __init__(self, reception: "Reception") -> None:
        self._reception = reception
        self._lingers = False
        self.deadline = NEVER

    def connectionMade(self) -> None:
        reception = self._reception
        reception.admission.turned_away()
        transport = self.transport
        if ISSLTransport.providedBy(transport):
            # An answer would take a handshake, which costs more than what is saved.
            transport.transport.abortConnection()
            return
        transport.write(ANSWER)
        if reception.lingering >= LINGERING_AT_MOST:
            transport.loseConnection()
            return
        # Closed while its request is still coming, the client would lose the answer.
        self._lingers = True
        reception.lingering += 1
        self.deadline = reception.sweep.now + LINGER
        reception.sweep.watched.add(self)
        transport.loseWriteConnection()

    def deadline_passed(self, now: float) -> None:
        """It had its time."""
        self.deadline = NEVER
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        if self._lingers:
            self._reception.lingering -= 1
            self._reception.sweep.watched.discard(self)

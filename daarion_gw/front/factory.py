"""What a listener is given: it makes the object for each client's connection."""

from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from .http1 import HTTP_2, HTTP1Connection
from .reception import Reception
from .turned_away import TurnedAway


@implementer(IProtocolNegotiationFactory)
class HTTP1Factory(Factory):
    """Makes a connection object for each client."""

    noisy = False

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def acceptableProtocols(self) -> list[bytes]:
        """What ALPN may agree on; without an answer Twisted's TLS ends the handshake."""
        return [HTTP_2, b"http/1.1"]

    def buildProtocol(self, addr: object) -> Protocol:
        reception = self._reception
        if reception.admission.has_room(addr):
            return HTTP1Connection(reception)
        # None would do for TCP alone: what Twisted wraps connections in does not know it.
        return TurnedAway(reception)

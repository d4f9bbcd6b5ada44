"""Connections to servers that begin with bytes of ours, before TLS and all else.

What the bytes say (a header of the PROXY protocol) is not known here.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.protocols.policies import WrappingFactory
from zope.interface import implementer


class Beginning(WrappingFactory):
    """Makes the protocols of another factory; each finds ``header`` sent when it is connected."""

    noisy = False

    def __init__(self, header: bytes, wrapped: Any) -> None:
        super().__init__(wrapped)
        self._header = header

    def buildProtocol(self, addr: Any) -> Any:
        protocol: Any = self.wrappedFactory.buildProtocol(addr)
        if protocol is not None:
            self._begin_with_header(protocol)
        return protocol

    def _begin_with_header(self, protocol: Any) -> None:
        make = protocol.makeConnection

        def begin(transport: Any) -> None:
            del protocol.makeConnection
            transport.write(self._header)
            make(transport)

        protocol.makeConnection = begin


@implementer(IStreamClientEndpoint)
class BeginningEndpoint:
    """The same for a client endpoint of Twisted's."""

    def __init__(self, header: bytes, below: Any) -> None:
        self._header = header
        self._below = below

    def connect(self, factory: Any) -> Deferred[Any]:
        """See IStreamClientEndpoint."""
        connecting: Deferred[Any] = self._below.connect(Beginning(self._header, factory))
        return connecting

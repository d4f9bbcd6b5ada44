"""Tells Twisted that there are listeners whose string begins with daarion-tls."""

from typing import Any

from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamServerEndpointStringParser)
class _DaarionTLS:
    prefix = "daarion-tls"

    def parseStreamServer(self, reactor: Any, *arguments: str, **words: str) -> Any:
        # Plugins are looked through by every program that uses Twisted's: they pay nothing.
        from daarion_gw.tls.endpoint import parse

        return parse(reactor, *arguments, **words)


daarion_tls = _DaarionTLS()

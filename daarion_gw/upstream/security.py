"""TLS towards upstream servers: verified unless the operator said otherwise."""

from typing import Any

from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory

from daarion_gw.config.settings import Server


def tls_factory(server: Server, factory: Any) -> Any:
    """``factory`` behind a TLS client that checks the server's certificate and name."""
    if server.verify:
        options: Any = ssl.optionsForClientTLS(server.host)
    else:
        options = ssl.CertificateOptions(verify=False)
    return TLSMemoryBIOFactory(options, True, factory)

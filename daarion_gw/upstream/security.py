"""TLS towards upstream servers: verified unless the operator said otherwise."""

from typing import Any

from OpenSSL.SSL import Error
from service_identity import VerificationError
from twisted.internet import ssl
from twisted.protocols.tls import TLSMemoryBIOFactory

from daarion_gw.config.settings import Server


def tls_options(server: Server) -> Any:
    """A TLS client that checks the server's certificate and name, where it is told to."""
    if server.verify:
        return ssl.optionsForClientTLS(server.host)
    return ssl.CertificateOptions(verify=False)


def tls_factory(server: Server, factory: Any) -> Any:
    """``factory`` behind a TLS client of its own."""
    return TLSMemoryBIOFactory(tls_options(server), True, factory)


def tls_failure(reason: BaseException | None) -> str:
    """What TLS says about the end of a connection; nothing when it was not TLS that ended it."""
    if isinstance(reason, VerificationError):
        return "has a certificate for another name"
    if isinstance(reason, Error):
        # A list of (library, function, what went wrong), unless the peer just left.
        errors = reason.args[0] if reason.args else ()
        found = [str(entry[-1]) for entry in errors] if isinstance(errors, list) else []
        return f"cannot be talked to over TLS: {', '.join(found)}" if found else ""
    return ""

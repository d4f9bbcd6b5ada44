"""TLS towards upstream servers: verified unless the operator said otherwise.

What a server's certificate must be is judged within the handshake (RFC 5280 6, RFC 9525): one
that is not believed gets an alert and not a byte of a request. Whoever hears that the
connection has ended hears why, in words for the operator.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from OpenSSL.crypto import X509, X509StoreFlags
from OpenSSL.SSL import (
    OP_NO_COMPRESSION,
    OP_NO_RENEGOTIATION,
    OP_NO_TICKET,
    TLS1_2_VERSION,
    TLS_CLIENT_METHOD,
    VERIFY_NONE,
    VERIFY_PEER,
    Connection,
    Context,
    Error,
)
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from daarion_gw import pem
from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.server_tls import ServerTLS
from daarion_gw.config.settings import Server

_log = Logger()

# What the server says of the certificate that it was shown, or missed (RFC 8446 6.2).
_WANTS_ONE = ("alert certificate required",)
_REFUSES_OURS = tuple(
    f"alert {what}"
    for what in ("bad certificate", "unsupported certificate", "certificate revoked",
                 "certificate expired", "certificate unknown", "unknown ca", "access denied")
)  # fmt: skip


class MistrustError(Exception):
    """A server's certificate is not believed: what is wrong with it, to be read after its name."""


# Errors of OpenSSL's verification (x509_vfy.h).
_SELF_SIGNED = 18
_EXPIRED, _NOT_YET = 10, 9
# A root that nobody has named, or an issuer of whom nothing is known.
_UNKNOWN_ISSUER = frozenset({2, 19, 20, 21, 27})
_OTHERS = {
    7: "with a signature that is wrong",
    23: "that was revoked",
    26: "that is not one for a server",
    28: "that is rejected",
    66: "with a key that is too small",
    67: "of a CA with a key that is too small",
    68: "with a signature that is too weak",
}


# By all that they depend on, as long as somebody uses them: several servers, and probes of them,
# share what is alike. The certificates of the system alone are a megabyte.
_CONTEXTS: WeakValueDictionary[tuple[object, ...], Context] = WeakValueDictionary()


def _context(verify: bool, checks: bool, tls: ServerTLS) -> Context:
    key = verify, checks, tls.ca, tls.cert, tls.key
    context = _CONTEXTS.get(key)
    if context is None:
        context = _CONTEXTS[key] = _new_context(verify, checks, tls)
    return context


def _new_context(verify: bool, checks: bool, tls: ServerTLS) -> Context:
    """checks: whether certificates are looked at at all."""
    context = Context(TLS_CLIENT_METHOD)
    context.set_min_proto_version(TLS1_2_VERSION)
    # Connections are kept, sessions are not.
    context.set_options(OP_NO_COMPRESSION | OP_NO_RENEGOTIATION | OP_NO_TICKET)
    if tls.cert is not None and tls.key is not None:
        _show(context, tls.cert.text, tls.key.text, tls.cert.path)
    if verify:
        _trust(context, tls)
    if checks:
        context.set_verify(VERIFY_PEER, _judged)
    else:
        context.set_verify(VERIFY_NONE)
    return context


def _trust(context: Context, tls: ServerTLS) -> None:
    if tls.ca is None:
        context.set_default_verify_paths()
        return
    store = context.get_cert_store()
    assert store is not None
    for certificate in pem.certificates(tls.ca.text.encode()):
        store.add_cert(X509.from_cryptography(certificate))
    # Whoever is named is trusted, be it a root, one below it, or the server's own.
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)


def _show(context: Context, cert: str, key: str, path: str) -> None:
    own, *between = pem.certificates(cert.encode())
    try:
        context.use_certificate(own)
        for certificate in between:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(pem.private_key(key.encode()))
    except Error as error:
        # What was in the files was looked at; but OpenSSL has demands of its own, on sizes.
        found = f"OpenSSL does not take it: {_words(error)}"
        raise ConfigurationError([Problem(path, None, None, "", found)]) from error


@implementer(IOpenSSLClientConnectionCreator)
class Secured:
    """TLS towards one server, made once for all connections to it."""

    def __init__(self, server: Server) -> None:
        tls = server.tls or ServerTLS()
        self._name = tls.server_name or server.host
        is_address = isIPAddress(self._name) or isIPv6Address(self._name)
        # RFC 6066 3: an address is not asked for.
        self._asked_for = None if is_address else self._name.encode("ascii")
        self._is_for: Callable[[Any, str], None] = (
            verify_certificate_ip_address if is_address else verify_certificate_hostname
        )
        self._verifies = server.verify
        self._pins = frozenset(tls.pin or ())
        self._context = _context(server.verify, server.verify or bool(self._pins), tls)

    def clientConnectionForTLS(self, protocol: Any) -> Connection:
        """The TLS of a new connection (IOpenSSLClientConnectionCreator)."""
        connection = Connection(self._context, None)
        protocol.secured = self
        # Twisted sets the same; whoever else calls this may not.
        connection.set_app_data(protocol)
        if self._asked_for is not None:
            connection.set_tlsext_host_name(self._asked_for)
        return connection

    def around(self, factory: Any) -> TLSMemoryBIOFactory:
        """``factory`` behind a TLS client of its own."""
        creator: Any = self
        return TLSMemoryBIOFactory(creator, True, factory)

    def wrong_with(self, shown: X509, error: int, depth: int) -> str | None:
        """What speaks against a certificate of the chain that the server shows, if anything.

        error: what OpenSSL found, 0 = nothing. depth: 0 = the server's own.
        """
        certificate = shown.to_cryptography()
        if error and self._verifies:
            return _told(error, depth, certificate)
        if depth:
            return None
        if self._verifies:
            try:
                self._is_for(certificate, self._name)
            except (VerificationError, CertificateError):
                names = pem.names_told(certificate)
                if not names:
                    return "has a certificate without a name of a host (subjectAltName)"
                return f"has a certificate for {names} and not for {self._name}"
        pin = pem.pin_of(certificate) if self._pins else None
        if pin is not None and pin not in self._pins:
            return f"has a certificate with another key than pinned: sha256/{pin}"
        return None


def _judged(connection: Connection, shown: X509, error: int, depth: int, ok: int) -> bool:
    """Called by OpenSSL for each certificate and each error; whether to go on."""
    protocol = connection.get_app_data()
    try:
        wrong = protocol.secured.wrong_with(shown, 0 if ok else error, depth)
    except Exception as fault:
        # Nothing may get out of here, and what is not understood is not believed.
        _log.failure("a server's certificate could not be looked at")
        wrong = f"has a certificate that cannot be looked at ({type(fault).__name__})"
    if wrong is None:
        return True
    if protocol._reason is None:
        # Instead of OpenSSL's, which is always the same.
        protocol._reason = Failure(MistrustError(wrong))
    return False


def _told(error: int, depth: int, certificate: Any) -> str:
    whose = "has a certificate" if not depth else (
        f"has a certificate whose issuer {pem.subject_told(certificate)} has one"
    )  # fmt: skip
    if error == _EXPIRED:
        return f"{whose} that has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if error == _NOT_YET:
        first = certificate.not_valid_before_utc
        return f"{whose} that is valid from {first:%Y-%m-%d %H:%M} UTC only"
    if error == _SELF_SIGNED:
        return "has a certificate that it has signed itself, and that is not named as trusted"
    if error in _UNKNOWN_ISSUER:
        return f"has a certificate of an unknown CA: {pem.issuer_told(certificate)}"
    return f"{whose} {_OTHERS.get(error, f'that is not accepted (error {error} of OpenSSL)')}"


def tls_failure(reason: BaseException | None) -> str:
    """What TLS says about the end of a connection; nothing when it was not TLS that ended it."""
    if isinstance(reason, MistrustError):
        return str(reason)
    if not isinstance(reason, Error):
        return ""
    words = _words(reason)
    if words.endswith(_WANTS_ONE):
        return "wants a certificate from the gateway: cert and key in its tls"
    if words.endswith(_REFUSES_OURS):
        return f"does not accept the gateway's certificate: {words}"
    return f"cannot be talked to over TLS: {words}" if words else ""


def _words(error: Error) -> str:
    """What went wrong; nothing where the peer just left."""
    # A list of (library, function, what went wrong).
    errors = error.args[0] if error.args else ()
    return ", ".join(str(entry[-1]) for entry in errors) if isinstance(errors, list) else ""

"""The certificate that a client has shown: what upstreams are told of it, as field lines.

OpenSSL has verified it before it comes here; nothing of that is decided again but whether it has
expired since, which nobody looks at when a session is resumed.
"""

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from daarion_gw.pem import STRANGE

# A client opens many connections; a certificate is read once.
_REMEMBERED = 256

# What must not stand in a field, and what not all programs read as UTF-8.
_STRANGE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """lines: of a field block. expires: seconds since the epoch."""

    lines: bytes
    expires: float
    is_verified: bool = True


# Of who was asked for one and has shown none.
NOBODY = ClientCertificate(b"X-Client-Cert-Verified: false\r\n", math.inf, is_verified=False)


@lru_cache(_REMEMBERED)
def read_certificate(der: bytes) -> ClientCertificate:
    """What is said of a certificate in DER form; raises ValueError when it cannot be read."""
    try:
        return _read(der)
    except STRANGE as error:
        raise ValueError(str(error)) from error


def _read(der: bytes) -> ClientCertificate:
    certificate = x509.load_der_x509_certificate(der)
    lines = b"Client-Cert: :%b:\r\n%b%b%b" % (
        # RFC 9440 2.2, RFC 8941 3.3.5.
        base64.b64encode(der),
        b"X-Client-Cert-Verified: true\r\n",
        b"X-Client-Cert-Subject: %b\r\n" % subject_of(certificate),
        b"X-Client-Cert-Fingerprint: %b\r\n" % hashlib.sha256(der).hexdigest().encode("ascii"),
    )
    return ClientCertificate(lines, certificate.not_valid_after_utc.timestamp())


def subject_of(certificate: x509.Certificate) -> bytes:
    """The subject as RFC 4514 writes it, ``CN=anna,O=Example``, in printable ASCII alone.

    Whoever is let name himself in a certificate must not write lines of his own: any other
    character is escaped (RFC 4514 2.4).
    """
    text = certificate.subject.rfc4514_string()
    return _STRANGE.sub(_escaped, text).encode("ascii")


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"\\{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))

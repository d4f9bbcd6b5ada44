"""Whether clients are asked for certificates, and whose: read from the settings, and their file.

Once per start and reload. What is told of a client's certificate stands in `client_certificate`.
"""

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from daarion_gw import pem
from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.tls import TLS
from daarion_gw.config.tls_policy import ClientCertificates

EXPECTED = "a file with the certificates of authorities in PEM form (-----BEGIN CERTIFICATE-----)"
PLACE = "tls.client_certificates.ca"


@dataclass(frozen=True, slots=True)
class Clients:
    """authorities: their certificates in PEM form. required: without one of theirs nobody comes in.

    label: tells them from others. A session that was begun with a certificate goes on only where
    the very same would be asked of it.
    """

    authorities: str
    required: bool
    label: bytes = field(init=False)

    def __post_init__(self) -> None:
        text = f"{self.required} {self.authorities}"
        object.__setattr__(self, "label", hashlib.sha256(text.encode("ascii")).digest())

    def __hash__(self) -> int:
        # It is a part of what is looked up for each connection.
        return hash(self.label)

    def ask(self, context: ssl.SSLContext) -> None:
        """Let ``context`` ask for certificates; raises ssl.SSLError."""
        context.load_verify_locations(cadata=self.authorities)
        # One below the root may stand for itself, so that no others of that root are let in.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL


def clients_of(tls: TLS, file: str) -> Clients | None:
    """What the settings say; None: nobody is asked. Raises ConfigurationError; file: of theirs."""
    asked = tls.client_certificates
    if asked is None:
        return None
    try:
        return read_clients(asked)
    except (OSError, ValueError) as error:
        found = f"{asked.ca}: {getattr(error, 'strerror', None) or error}"
        expected = None if isinstance(error, OSError) else EXPECTED
        raise ConfigurationError([Problem(file, None, None, PLACE, found, expected)]) from None


def read_clients(asked: ClientCertificates) -> Clients:
    """Read the file; raises OSError or ValueError with a plain sentence."""
    data = Path(asked.ca).read_bytes()
    try:
        found = pem.certificates(data)
    except pem.PEMError:
        raise ValueError("there is no certificate in it that can be read") from None
    authorities = "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in found)
    clients = Clients(authorities, asked.mode == "required")
    try:
        clients.ask(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except ssl.SSLError as error:
        # Not a key that may be told, but OpenSSL's reason.
        raise ValueError(f"OpenSSL does not take it: {error.reason or error}") from None
    return clients

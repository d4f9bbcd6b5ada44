"""A certificate authority of the test's own: certificates for whom it likes, good and bad."""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as files in PEM form."""

    cert: Path
    key: Path

    def server_context(self, asks: Path | None = None) -> ssl.SSLContext:
        """A server that shows it. asks: wants a certificate of this authority from clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if asks is not None:
            context.load_verify_locations(asks)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Authority:
    """Signs what it is asked to. ``cert``: the file with its own certificate.

    below: the authority that has signed this one, None for a root. days: from when to when its
    own certificate is valid.
    """

    _numbers = count()

    def __init__(
        self,
        folder: Path,
        name: str = "Test CA",
        below: "Authority | None" = None,
        days: tuple[int, int] = (-3, 3),
    ) -> None:
        self._folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _called(name)
        ca = x509.BasicConstraints(ca=True, path_length=None)
        signer = below or self
        builder = _builder(subject, _called(signer.name), self._key.public_key(), days)
        self.certificate = builder.add_extension(ca, critical=True).sign(
            signer._key, hashes.SHA256()
        )
        self.cert = folder / f"ca-{next(self._numbers)}.pem"
        self.cert.write_bytes(_pem(self.certificate))

    def issue(
        self,
        *names: str,
        days: tuple[int, int] = (-1, 1),
        key: Key | None = None,
        chain: Sequence["Authority"] = (),
    ) -> Issued:
        """A certificate for ``names``, DNS names and addresses; without any it has none.

        chain: whose certificates follow in the file.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_called("server"), _called(self.name), key.public_key(), days)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(list(map(_name, names))), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        number = next(self._numbers)
        issued = Issued(self._folder / f"cert-{number}.pem", self._folder / f"key-{number}.pem")
        issued.cert.write_bytes(
            b"".join(map(_pem, [certificate, *(each.certificate for each in chain)]))
        )
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return issued


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)

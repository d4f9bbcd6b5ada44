"""Keys, requests and certificates of our own making, and what a certificate says. All in PEM form.

No network and no files.
"""

import base64
import datetime
import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Of a certificate that is shown to a validation; clocks differ.
_BEFORE = _LASTING = datetime.timedelta(hours=1)
# id-pe-acmeIdentifier (RFC 8737 6.1).
_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the first certificate of a chain says.

    since, until: its time (UNIX seconds). ari: its name in questions for renewal information,
    None where it cannot have one. chance: from 0 to 1, another one for each certificate and
    always the same for this.
    """

    since: float
    until: float
    ari: str | None
    chance: float


def facts(chain: bytes) -> Facts:
    """Raises ValueError when it is none."""
    certificate = x509.load_pem_x509_certificate(chain)
    return Facts(
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        _ari(certificate),
        int.from_bytes(certificate.fingerprint(hashes.SHA256())[:4], "big") / 2**32,
    )


def _ari(certificate: x509.Certificate) -> str | None:
    """Authority key identifier and serial number (RFC 9773 4.1)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    identifier = found.value.key_identifier
    if identifier is None:
        return None
    serial = certificate.serial_number
    # As DER has it: with a zero before a byte whose first bit is set.
    digits = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return f"{_unpadded(identifier)}.{_unpadded(digits)}"


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def belongs(chain: bytes, key: bytes, name: str) -> bool:
    """Whether the chain's first certificate is for this key and this name."""
    certificate = x509.load_pem_x509_certificate(chain)
    public = serialization.load_pem_private_key(key, password=None).public_key()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return certificate.public_key() == public and name in names.get_values_for_type(x509.DNSName)


def new_key() -> bytes:
    """A private key on P-256."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def request_for(key: bytes, name: str) -> bytes:
    """A certificate signing request (RFC 8555 7.4)."""
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    request = builder.sign(_loaded(key), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def challenge(name: str, authorization: str) -> bytes:
    """Certificate and key for a validation by TLS-ALPN-01 (RFC 8737 3).

    authorization: the key authorization of the challenge's token (RFC 8555 8.1).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    # An OCTET STRING of 32 bytes.
    digest = b"\x04\x20" + hashlib.sha256(authorization.encode("ascii")).digest()
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daarion-gw challenge")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _LASTING)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + _pem(key)


def _loaded(key: bytes) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key, password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

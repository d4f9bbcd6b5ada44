"""Certificates and keys in PEM form: what is in them, and in plain words what is wrong with them.

It knows no files and no connections: whoever read the bytes says where they came from. Nothing
of a key is ever shown. Imports nothing of the gateway's.
"""

from base64 import b64encode
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

A_CERTIFICATE = "a certificate in PEM form (-----BEGIN CERTIFICATE-----)"
A_KEY = "a private key in PEM form (-----BEGIN PRIVATE KEY-----), without a password"
# How many of a certificate's names are told, and how long a name may be: a server says them.
_TOLD = 4
_LONGEST = 200

# What cryptography raises, besides ValueError, for certificates that bend the rules.
STRANGE = (
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    TypeError,
)


class PEMError(ValueError):
    """What should be there is not, or is of no use; says what is there instead."""


class NoneThereError(PEMError):
    """There is nothing of the kind."""


def certificates(data: bytes) -> list[x509.Certificate]:
    """All certificates in ``data``, one at least. Raises `PEMError`."""
    try:
        return x509.load_pem_x509_certificates(data)
    except (ValueError, *STRANGE) as error:
        has_key = b"PRIVATE KEY-----" in data
        found = "there is a private key in it, and no certificate" if has_key else "it has none"
        raise NoneThereError(f"{found} that can be read") from error


def private_key(data: bytes) -> Any:
    """The private key in ``data``. Raises `PEMError`."""
    try:
        # To look for the factors of RSA's takes a third of a second; to sign with it, nothing.
        key = serialization.load_pem_private_key(
            data, password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError as error:
        raise PEMError(
            "the key is encrypted, and nobody is there to ask for its password: "
            "write it without one (openssl pkey -in OLD -out NEW) and guard the file"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NoneThereError("it has none that can be read") from error
    if isinstance(key, rsa.RSAPrivateKey) and not _works(key):
        raise PEMError("the key is damaged: what it signs cannot be verified")
    return key


def _works(key: rsa.RSAPrivateKey) -> bool:
    form, digest = padding.PKCS1v15(), hashes.SHA256()
    try:
        key.public_key().verify(key.sign(b"", form, digest), b"", form, digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def belongs_to(key: Any, certificate: x509.Certificate) -> bool:
    """Whether ``certificate`` is the one of this private key."""
    try:
        return _spki(key.public_key()) == _spki(certificate.public_key())
    except (ValueError, *STRANGE):
        # It has one of a kind that is not known, and the private one is known.
        return False


def pin_of(certificate: x509.Certificate) -> str:
    """Base64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469 2.4)."""
    return b64encode(sha256(_spki(certificate.public_key())).digest()).decode("ascii")


def _spki(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, form)
    return encoded


def names_told(certificate: x509.Certificate) -> str:
    """The hosts that it is for, fit for a sentence: ``a.example, 10.0.0.1``; empty without any."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ""
    names = [
        *found.value.get_values_for_type(x509.DNSName),
        *map(str, found.value.get_values_for_type(x509.IPAddress)),
    ]
    more = ", …" if len(names) > _TOLD else ""
    return presentable(", ".join(names[:_TOLD]) + more)


def issuer_told(certificate: x509.Certificate) -> str:
    """Who has signed it, fit for a sentence: ``CN=Our CA,O=Us``."""
    return presentable(certificate.issuer.rfc4514_string()) or "nobody"


def subject_told(certificate: x509.Certificate) -> str:
    """Whom it is about, fit for a sentence."""
    return presentable(certificate.subject.rfc4514_string()) or "nobody"


def presentable(text: str) -> str:
    """What a stranger says, without what would do something in a log or be endless."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"

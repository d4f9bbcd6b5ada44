"""A certificate and its key, looked at before they are used: what is wrong, and in which file.

OpenSSL says "PEM lib" for most mistakes and names no file; a gateway that does not start has
to say more. Nothing of a key is ever shown.
"""

import datetime
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


def load_into(context: ssl.SSLContext, cert_file: str, key_file: str) -> bytes:
    """Let ``context`` show this certificate; gives its SHA-256 fingerprint.

    The file has the certificate first, then those that lead to the root. Raises OSError where
    a file cannot be read and ValueError where what is in it cannot be used.
    """
    chain = _read(cert_file)
    leaf = _first_certificate(cert_file, chain)
    _check_time(cert_file, leaf)
    _check_key(cert_file, key_file, leaf)
    try:
        context.load_cert_chain(cert_file, key_file)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ValueError(f"{cert_file}: OpenSSL does not take it: {reason}") from error
    return leaf.fingerprint(hashes.SHA256())


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise type(error)(error.errno, os.strerror(error.errno or 0), file) from error


def _first_certificate(file: str, data: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(data)[0]
    except ValueError as error:
        has_key = b"PRIVATE KEY-----" in data
        found = "there is a private key in it, but no certificate" if has_key else "it has none"
        raise ValueError(
            f"{file}: a certificate in PEM form is expected (-----BEGIN CERTIFICATE-----), "
            f"but {found} that can be read"
        ) from error


def _check_time(file: str, certificate: x509.Certificate) -> None:
    now = datetime.datetime.now(datetime.UTC)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > last:
        raise ValueError(f"{file}: the certificate has expired on {last:%Y-%m-%d %H:%M} UTC")
    if now < first:
        raise ValueError(
            f"{file}: the certificate is valid from {first:%Y-%m-%d %H:%M} UTC only, "
            f"and this machine's clock says {now:%Y-%m-%d %H:%M} UTC"
        )


def _check_key(cert_file: str, key_file: str, certificate: x509.Certificate) -> None:
    data = _read(key_file)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ValueError(
            f"{key_file}: the key is encrypted, and nobody is there to ask for its password: "
            "write it without one (openssl pkey -in OLD -out NEW) and guard the file"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{key_file}: a private key in PEM form is expected (-----BEGIN PRIVATE KEY-----), "
            "but it has none that can be read"
        ) from error
    if _public(key.public_key()) != _public(certificate.public_key()):
        raise ValueError(f"{key_file}: this key does not belong to the certificate in {cert_file}")


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]

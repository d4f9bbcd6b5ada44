"""A certificate and its key, looked at before they are used: what is wrong, and in which file.

OpenSSL says "PEM lib" for most mistakes and names no file; a gateway that does not start has
to say more. What makes a pair unusable is raised; what clients will not like, or not for long,
is found, and the pair is served all the same: who else serves its names? Nothing of a key is
ever shown.
"""

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from daarion_gw import pem

from .roots import is_known

DAY = 86400.0
# How long before its end a certificate is complained of, unless it lives for a few days only.
SOON = 21 * DAY
NAMES_SHOWN = 4


class Standing(Enum):
    """Where now is in the life of a certificate."""

    EARLY = "not yet valid"
    FINE = "valid"
    SOON = "valid, not for long"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of a certificate. is_wrong: no client takes it as it is."""

    text: str
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a pair of files says. Times are of the Unix clock, in seconds.

    names: those of subjectAltName, in lower case, as they go over the wire (``*.example.com``
    and addresses included). issuer: its common name. chain: what is wrong with what leads from
    it to a root, or nothing. fingerprint: SHA-256.
    """

    cert_file: str
    key_file: str
    names: tuple[str, ...]
    issuer: str
    not_before: float
    not_after: float
    fingerprint: bytes
    chain: str = ""

    def standing(self, now: float) -> Standing:
        """How it is at ``now``."""
        if now < self.not_before:
            return Standing.EARLY
        if now > self.not_after:
            return Standing.EXPIRED
        # Some live for six days, and are renewed when a third of that is left.
        long = min(SOON, (self.not_after - self.not_before) / 3)
        return Standing.SOON if self.not_after - now < long else Standing.FINE

    def findings(self, now: float) -> list[Finding]:
        """All that its operator should know at ``now``, each with the file's name."""
        found = []
        match self.standing(now):
            case Standing.EXPIRED:
                last = _date(self.not_after)
                found.append(Finding(f"the certificate has expired on {last}", is_wrong=True))
            case Standing.EARLY:
                sentence = (
                    f"the certificate is valid from {_date(self.not_before)} only, "
                    f"and this machine's clock says {_date(now)}"
                )
                found.append(Finding(sentence, is_wrong=True))
            case Standing.SOON:
                left = f"the certificate expires {_left(self.not_after - now)}"
                found.append(Finding(f"{left}, on {_date(self.not_after)}: renew it"))
        if not self.names:
            found.append(Finding("the certificate has no name (subjectAltName): no client takes "
                                 "it for any host"))  # fmt: skip
        if self.chain:
            found.append(Finding(self.chain))
        return [Finding(f"{self.cert_file}: {each.text}", each.is_wrong) for each in found]

    @property
    def known_as(self) -> str:
        """Its names for a log line: the first of them, if they are many."""
        shown = ", ".join(self.names[:NAMES_SHOWN]) or "no name"
        more = len(self.names) - NAMES_SHOWN
        return f"{shown} and {more} more" if more > 0 else shown

    def line(self, now: float) -> str:
        """All of it in a line."""
        until = f"until {_date(self.not_after)}"
        if now <= self.not_after:
            until += f" ({_left(self.not_after - now)})"
        return f"certificate for {self.known_as}, by {self.issuer}, {until}: {self.cert_file}"


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _left(seconds: float) -> str:
    days = int(seconds // DAY)
    if days:
        return f"in {days} day{'s' * (days != 1)}"
    return f"in {int(seconds // 3600)} hours"


def read(cert_file: str, key_file: str, chain_file: str | None = None) -> Certificate:
    """What two files say, that belong together.

    The first has the certificate, then those that lead to the root, unless they are in
    ``chain_file``. Raises OSError where a file cannot be read and ValueError where what is in
    it cannot be used.
    """
    data = _read(cert_file)
    leaf, *others = _certificates(cert_file, data)
    if chain_file is not None:
        others += _certificates(chain_file, _read(chain_file))
    try:
        _check_key(cert_file, key_file, leaf, others)
        return _said(cert_file, key_file, leaf, others)
    except pem.STRANGE as error:
        raise ValueError(f"{cert_file}: nothing is known here of such a pair: {error}") from error


def _said(
    cert_file: str, key_file: str, leaf: x509.Certificate, others: list[x509.Certificate]
) -> Certificate:
    return Certificate(
        cert_file=cert_file,
        key_file=key_file,
        names=_names(cert_file, leaf),
        issuer=_title(leaf.issuer),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        fingerprint=leaf.fingerprint(hashes.SHA256()),
        chain=_gap(leaf, others),
    )


def load_into(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    """Let ``context`` show what `read` has read; raises OSError or ValueError like it."""
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ValueError(f"{cert_file}: OpenSSL does not take it: {reason}") from error
    except OSError as error:
        # It does not say which of the two has gone since it was read.
        gone = next((file for file in (cert_file, key_file) if not Path(file).exists()), cert_file)
        raise type(error)(error.errno, os.strerror(error.errno or 0), gone) from error


def _no_password() -> str:
    # Without this OpenSSL asks at the terminal, should the key have become an encrypted one.
    return ""


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise type(error)(error.errno, os.strerror(error.errno or 0), file) from error


def _certificates(file: str, data: bytes) -> list[x509.Certificate]:
    try:
        return pem.certificates(data)
    except pem.PEMError as error:
        raise ValueError(
            f"{file}: a certificate in PEM form is expected (-----BEGIN CERTIFICATE-----), "
            f"but {error}"
        ) from error


def _check_key(
    cert_file: str, key_file: str, leaf: x509.Certificate, others: list[x509.Certificate]
) -> None:
    data = _read(key_file)
    try:
        key = pem.private_key(data)
    except pem.NoneThereError as error:
        raise ValueError(
            f"{key_file}: a private key in PEM form is expected (-----BEGIN PRIVATE KEY-----), "
            f"but {error}"
        ) from error
    except pem.PEMError as error:
        raise ValueError(f"{key_file}: {error}") from error
    if pem.belongs_to(key, leaf):
        return
    if any(pem.belongs_to(key, other) for other in others):
        raise ValueError(
            f"{cert_file}: the certificate of the key in {key_file} has to be the first in it, "
            "before those that lead to the root"
        )
    raise ValueError(f"{key_file}: this key does not belong to the certificate in {cert_file}")


def _names(file: str, leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except ValueError as error:
        raise ValueError(f"{file}: its names cannot be read: {error}") from error
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys(hosts + addresses))


def _title(name: x509.Name) -> str:
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)
    return name.rfc4514_string() or "nobody"


def _gap(leaf: x509.Certificate, others: list[x509.Certificate]) -> str:
    """Why clients may find no way from ``leaf`` to a root that they know; empty: they will."""
    if leaf.issuer == leaf.subject or any(_has_signed(other, leaf) for other in others):
        return ""
    issuer = _title(leaf.issuer)
    if any(other.subject == leaf.issuer for other in others):
        return f"the certificate of {issuer} that is with it is another one than has signed it"
    if is_known(leaf.issuer):
        return ""
    return (
        f"the chain is missing: the certificate of its issuer, {issuer}, is not with it, nor a "
        "root that this machine knows; clients that do not have it refuse the connection "
        "(certbot's fullchain.pem has both)"
    )


def _has_signed(issuer: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

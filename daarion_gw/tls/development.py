"""Certificates for development: an authority of one's own, and a certificate of it for some names.

A folder has ``ca.pem`` and ``ca-key.pem``, ``cert.pem`` and ``key.pem``. The authority is made
once and used again, so that browsers are told of it once. Whoever has its key could speak for
what it may speak for, so it may for names of development alone, and for those it was made for.
"""

import datetime
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"
CERTIFICATE, KEY = "cert.pem", "key.pem"
NAMES = ("localhost", "127.0.0.1", "::1")
# Browsers take no longer ones: 398 days, the first and the last included.
DAYS = 397
AUTHORITY_DAYS = 3650
# A clock may be behind this one.
SLACK = datetime.timedelta(hours=12)
# What no authority of the public's speaks for: RFC 2606, 6762, 8375, and ICANN's "internal".
LOCAL_NAMES = ("localhost", "test", "example", "local", "home.arpa", "internal")
LOCAL_NETWORKS = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
IGNORED = "# Keys are for nobody else: git sees nothing of this folder.\n*\n"

_DNS = re.compile(r"(?:\*\.)?(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
Name = x509.DNSName | x509.IPAddress


class DevelopmentError(Exception):
    """Why there is no certificate: what happened, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """What there is now. is_new: whether the authority is. ignored: whether git leaves it alone."""

    folder: Path
    names: tuple[str, ...]
    until: datetime.datetime
    authority: str
    is_new: bool
    ignored: bool


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    is_new: bool = False

    def has_issued(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def not_for(self, names: Sequence[Name]) -> list[str]:
        """For which of ``names`` it may not speak."""
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.NameConstraints)
        except x509.ExtensionNotFound:
            return []
        permitted = found.value.permitted_subtrees or ()
        return [_text(name) for name in names if not any(_covers(each, name) for each in permitted)]


def make(
    folder: Path,
    texts: Sequence[str],
    is_forced: bool = False,
    now: datetime.datetime | None = None,
) -> Made:
    """Make a certificate for names and addresses in ``folder``, and an authority if there is none.

    is_forced: also where that takes away something. Raises `DevelopmentError` or OSError; then
    nothing has changed.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    names = list(dict.fromkeys(_name(text) for text in texts or NAMES))
    authority = _authority_in(folder, names, is_forced, now)
    if not is_forced:
        _see_that_nothing_is_lost(folder, authority, names)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issued(authority, names, key, now)
    folder.mkdir(parents=True, exist_ok=True)
    ignored = _keep_from_git(folder)
    if authority.is_new:
        _write(folder / AUTHORITY_KEY, _pem_of_key(authority.key), 0o600)
        _write(folder / AUTHORITY, _pem(authority.certificate), 0o644)
    # One that was copied from elsewhere may have come with other rights.
    (folder / AUTHORITY_KEY).chmod(0o600)
    _write(folder / KEY, _pem_of_key(key), 0o600)
    # With whom it is of, as what is published has it: whoever looks sees a whole chain.
    _write(folder / CERTIFICATE, _pem(certificate) + _pem(authority.certificate), 0o644)
    until = certificate.not_valid_after_utc
    told = tuple(_text(name) for name in names)
    return Made(folder, told, until, _called(authority.certificate), authority.is_new, ignored)


# names


def _name(text: str) -> Name:
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return x509.DNSName(_plain(text))
    if getattr(address, "scope_id", None):
        raise DevelopmentError(f"{text}: a certificate knows no interfaces; leave out the %")
    return x509.IPAddress(address)


def _plain(text: str) -> str:
    """A name as it stands in a certificate: in lower case, and ASCII (RFC 5890)."""
    try:
        plain = text.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        plain = ""
    if len(plain) > 253 or not _DNS.fullmatch(plain):
        raise DevelopmentError(
            f"{text!r} is no name that a certificate can be for: expected are names such as "
            "app.test and *.app.test, and addresses such as 10.0.0.5 and ::1, without scheme, "
            "port or path"
        )
    return plain


def _text(name: x509.GeneralName) -> str:
    return str(name.value)


def _covers(permitted: x509.GeneralName, name: Name) -> bool:
    """Whether a name constraint lets a name pass (RFC 5280, section 4.2.1.10)."""
    if isinstance(permitted, x509.IPAddress) and isinstance(name, x509.IPAddress):
        return name.value in permitted.value  # type: ignore[operator]
    if isinstance(permitted, x509.DNSName) and isinstance(name, x509.DNSName):
        return f".{name.value.removeprefix('*.')}".endswith(f".{permitted.value}")
    return False


def _constraints(names: Sequence[Name]) -> x509.NameConstraints:
    domains = [*LOCAL_NAMES]
    networks = [ipaddress.ip_network(text) for text in LOCAL_NETWORKS]
    for name in names:
        if isinstance(name, x509.DNSName):
            domains.append(name.value.removeprefix("*."))
        else:
            networks.append(ipaddress.ip_network(str(name.value)))
    permitted: list[x509.GeneralName] = [x509.DNSName(each) for each in dict.fromkeys(domains)]
    permitted += [x509.IPAddress(each) for each in dict.fromkeys(networks)]
    return x509.NameConstraints(permitted, None)


# the authority


def _authority_in(
    folder: Path, names: Sequence[Name], is_forced: bool, now: datetime.datetime
) -> _Authority:
    """That of the folder, or a new one; raises `DevelopmentError` where the old one will not do."""
    files = folder / AUTHORITY, folder / AUTHORITY_KEY
    there = [file for file in files if file.exists()]
    if not there:
        return _new_authority(names, now)
    try:
        if len(there) == 1:
            raise DevelopmentError(f"{there[0]} is there without {_other(there[0], files)}")
        authority = _read_authority(*files)
        if authority.certificate.not_valid_after_utc <= now:
            raise DevelopmentError(f"{files[0]} has expired")
        if others := authority.not_for(names):
            raise DevelopmentError(f"{files[0]} may not speak for {', '.join(others)}")
    except DevelopmentError as error:
        if is_forced:
            return _new_authority(names, now)
        raise DevelopmentError(
            f"{error}; --force makes a new authority in its place, of which browsers have to be "
            "told anew, --folder makes one elsewhere"
        ) from None
    return authority


def _other(file: Path, files: tuple[Path, Path]) -> Path:
    return files[1] if file == files[0] else files[0]


def _read_authority(file: Path, key_file: Path) -> _Authority:
    certificate = _read(file)
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DevelopmentError(f"{key_file} is no key that can be used") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DevelopmentError(f"{key_file} is a key of another kind than this makes")
    if key.public_key() != certificate.public_key():
        raise DevelopmentError(f"{key_file} is not the key of {file}")
    return _Authority(certificate, key)


def _read(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except ValueError:
        raise DevelopmentError(f"{file} is no certificate") from None


def _called(authority: x509.Certificate) -> str:
    return authority.subject.rfc4514_string()


def _new_authority(names: Sequence[Name], now: datetime.datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two of them with one name would be taken for each other.
    called = f"daarion-gw development {os.urandom(4).hex()}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _begun(subject, subject, key, now, now + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_constraints(names), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key, is_new=True)


# certificates


def _see_that_nothing_is_lost(folder: Path, authority: _Authority, names: Sequence[Name]) -> None:
    """Raise `DevelopmentError` where the new certificate would not do for what the old one does."""
    file, key_file = folder / CERTIFICATE, folder / KEY
    if file.exists():
        why = _why_it_must_stay(file, authority, names)
    else:
        why = f"{key_file} is there without {file}" if key_file.exists() else None
    if why is not None:
        raise DevelopmentError(f"{why}; --force replaces both files, --folder leaves them alone")


def _why_it_must_stay(file: Path, authority: _Authority, names: Sequence[Name]) -> str | None:
    try:
        old = _read(file)
    except DevelopmentError as error:
        return str(error)
    if not authority.has_issued(old):
        return f"{file} is not of the authority in {file.with_name(AUTHORITY)}"
    lost = [_text(name) for name in _names_of(old) if name not in names]
    return f"{file} is also for {', '.join(lost)}: name that too" if lost else None


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)


def _issued(
    authority: _Authority,
    names: Sequence[Name],
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "daarion-gw development")])
    issuer = authority.certificate
    until = min(now + datetime.timedelta(days=DAYS), issuer.not_valid_after_utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        _begun(subject, issuer.subject, key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(serves, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(of_issuer, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLACK)
        .not_valid_after(until)
        .add_extension(identifier, critical=False)
    )


def _usage(
    digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


# files


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(file: Path, data: bytes, mode: int) -> None:
    """Put it there whole, or not at all; a key is nobody else's from its first byte on."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    end = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(end, "wb") as written:
            written.write(data)
        fresh.chmod(mode)
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _keep_from_git(folder: Path) -> bool:
    """Whether git leaves the keys alone; it is told so unless it has been told something else."""
    file = folder / ".gitignore"
    if not file.exists():
        file.write_text(IGNORED)
    return not {"*", "*.pem"}.isdisjoint(line.strip() for line in file.read_text().splitlines())

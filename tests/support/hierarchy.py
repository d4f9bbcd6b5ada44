"""An authority of the tests' own: a root, one below it that signs, and certificates of theirs."""

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
CERTBOT = ("fullchain.pem", "privkey.pem")
PLAIN = ("cert.pem", "key.pem")


_SIGNS = (
    x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    ),
)  # fmt: skip


class Signer:
    """A key with a name, which signs; by itself when nobody is above it."""

    def __init__(self, title: str, above: "Signer | None" = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(title)
        self._above = above or self
        self.certificate = self._above.sign(self.name, self.key, -DAY, 3650 * DAY, is_signer=True)

    def sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        since: datetime.timedelta,
        until: datetime.timedelta,
        names: tuple[str, ...] = (),
        is_signer: bool = False,
        more: tuple[x509.ExtensionType, ...] = (),
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=is_signer, path_length=None), critical=True)
        )
        if names:
            found = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(found, critical=False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        below = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        # Scanners do not take a certificate that lacks these.
        for extension in (above, below, *(_SIGNS if is_signer else ()), *more):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


class Authority:
    """``file``: the root's certificate, in a folder for it alone."""

    def __init__(self, folder: Path) -> None:
        self.root = Signer("Test Root")
        self.signer = Signer("Test Authority 1", self.root)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "root.pem"
        self.file.write_bytes(_pem(self.root.certificate))

    def issue(
        self,
        folder: Path,
        *names: str,
        since: datetime.timedelta = -HOUR,
        until: datetime.timedelta = DAY,
        with_chain: bool = True,
        layout: tuple[str, str] = CERTBOT,
        more: tuple[x509.ExtensionType, ...] = (),
    ) -> tuple[Path, Path]:
        """Write a new certificate with its chain, and its new key; their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(names[0] if names else "nobody")
        leaf = self.signer.sign(name, key, since, until, names, more=more)
        chain = _pem(self.signer.certificate) if with_chain else b""
        folder.mkdir(parents=True, exist_ok=True)
        cert_file, key_file = (folder / name for name in layout)
        # As those do who think of readers: whole, and one after the other.
        _replace(cert_file, _pem(leaf) + chain)
        _replace(key_file, key_pem(key))
        return cert_file, key_file

    def client(self, *shown: Path) -> ssl.SSLContext:
        """A client that believes this authority and no other. shown: its own files, if any."""
        context = ssl.create_default_context(cafile=str(self.file))
        if shown:
            context.load_cert_chain(*shown)
        return context


class Certbot:
    """The folder that certbot keeps: ``live/NAME`` has links into ``archive/NAME``."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.live = folder / "live"
        self._archive = folder / "archive"
        self._authority = authority
        self._count = 0
        self.live.mkdir(parents=True)
        (self.live / "README").write_text("This directory contains your keys and certificates.")

    def renew(self, name: str, *others: str, between: Callable[[], object] = int) -> None:
        """A new certificate for a name, and more; the links are taken away and made anew.

        between: called when the certificate's link is new and the key's is the old one.
        """
        self._count += 1
        kept = [f"{stem}{self._count}.pem" for stem in ("fullchain", "privkey")]
        archive, live = self._archive / name, self.live / name
        self._authority.issue(archive, name, *others, layout=(kept[0], kept[1]))
        live.mkdir(exist_ok=True)
        for link, file in zip(CERTBOT, kept, strict=True):
            (live / link).unlink(missing_ok=True)
            (live / link).symlink_to(Path("..", "..", "archive", name, file))
            if link == CERTBOT[0]:
                between()
        if not (live / "cert.pem").exists():
            (live / "cert.pem").write_bytes((live / CERTBOT[0]).read_bytes())


def key_pem(
    key: ec.EllipticCurvePrivateKey,
    guard: serialization.KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        guard or serialization.NoEncryption(),
    )


def serial_of(der: bytes) -> int:
    """What tells one certificate from another of the same name."""
    return x509.load_der_x509_certificate(der).serial_number


def serial_in(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _replace(file: Path, data: bytes) -> None:
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(data)
    fresh.replace(file)


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, title)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

"""What upstreams are told of a client's certificate, field by field."""

import base64
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from daarion_gw.tls.client_certificate import read_certificate
from daarion_gw.wire.fields import check_block, pairs
from daarion_gw.wire.limits import DEFAULT
from tests.support.certificates import of_no_version

KEY = ec.generate_private_key(ec.SECP256R1())
UNTIL = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
OIDS = x509.NameOID


def made(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(UNTIL - datetime.timedelta(days=1))
        .not_valid_after(UNTIL)
        .sign(KEY, hashes.SHA256())
    )


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def told(*attributes: tuple[x509.ObjectIdentifier, str]) -> dict[bytes, bytes]:
    return dict(pairs(read_certificate(der_of(made(*attributes))).lines))


def test_all_of_it():
    certificate = made((OIDS.ORGANIZATION_NAME, "Example"), (OIDS.COMMON_NAME, "anna"))
    found = read_certificate(der_of(certificate))
    der = base64.b64encode(der_of(certificate))
    assert found.lines.split(b"\r\n") == [
        b"Client-Cert: :" + der + b":",
        b"X-Client-Cert-Verified: true",
        b"X-Client-Cert-Subject: CN=anna,O=Example",
        b"X-Client-Cert-Fingerprint: " + certificate.fingerprint(hashes.SHA256()).hex().encode(),
        b"",
    ]
    assert found.expires == UNTIL.timestamp()


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("anna", b"CN=anna"),
        ("a,b", b"CN=a\\,b"),
        (" a", b"CN=\\ a"),
        ("Ганна", b"CN=\\D0\\93\\D0\\B0\\D0\\BD\\D0\\BD\\D0\\B0"),
        ("a\r\nX-Client-Cert-Verified: true", b"CN=a\\0D\\0AX-Client-Cert-Verified: true"),
        ("a\nb", b"CN=a\\0Ab"),
        ("\x00\x7f\t", b"CN=\\00\\7F\\09"),
        ("\u2028", b"CN=\\E2\\80\\A8"),
    ],
)
def test_nobody_writes_a_line_of_his_own(name, subject):
    assert told((OIDS.COMMON_NAME, name))[b"X-Client-Cert-Subject"] == subject


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_any_name_makes_a_valid_block_of_four_fields(name):
    lines = read_certificate(der_of(made((OIDS.PSEUDONYM, name)))).lines
    check_block(lines, DEFAULT)
    assert len(pairs(lines)) == 4
    assert lines.isascii()


def test_what_cannot_be_read_is_said():
    with pytest.raises(ValueError):
        read_certificate(b"0")


def test_nor_one_of_a_version_that_there_is_none_of():
    text = made((OIDS.COMMON_NAME, "anna")).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="4 is not a valid X509 version"):
        read_certificate(ssl.PEM_cert_to_DER_cert(of_no_version(text).decode("ascii")))

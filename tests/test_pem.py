"""What is in PEM files, and the words for what is not."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from daarion_gw import pem
from tests.support.authority import Authority
from tests.support.certificates import of_no_version


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_chain_is_read_in_its_order(ca: Authority, tmp_path: Path) -> None:
    between = Authority(tmp_path, "Between", below=ca)
    issued = between.issue("app.example", chain=[between, ca])
    found = pem.certificates(issued.cert.read_bytes())
    assert [pem.subject_told(each) for each in found] == ["CN=server", "CN=Between", "CN=Test CA"]
    assert [pem.issuer_told(each) for each in found] == ["CN=Between", "CN=Test CA", "CN=Test CA"]


@pytest.mark.parametrize("data", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_no_certificate(data: bytes) -> None:
    with pytest.raises(pem.PEMError, match="it has none that can be read"):
        pem.certificates(data)
    with pytest.raises(pem.PEMError, match="it has none that can be read"):
        pem.private_key(data)


def test_one_of_a_version_that_there_is_none_of(ca: Authority) -> None:
    with pytest.raises(pem.PEMError, match="it has none that can be read"):
        pem.certificates(of_no_version(ca.issue("a").cert.read_bytes()))


def test_a_key_where_a_certificate_should_be(ca: Authority) -> None:
    with pytest.raises(pem.PEMError, match="there is a private key in it, and no certificate"):
        pem.certificates(ca.issue("a").key.read_bytes())


def test_a_locked_key() -> None:
    data = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )
    with pytest.raises(pem.PEMError, match="the key is encrypted"):
        pem.private_key(data)


def test_whose_key_it_is(ca: Authority) -> None:
    one, other = ca.issue("a"), ca.issue("b")
    (certificate,) = pem.certificates(one.cert.read_bytes())
    assert pem.belongs_to(pem.private_key(one.key.read_bytes()), certificate)
    assert not pem.belongs_to(pem.private_key(other.key.read_bytes()), certificate)


def test_names(ca: Authority) -> None:
    (certificate,) = pem.certificates(ca.issue("a.example", "10.0.0.1", "::1").cert.read_bytes())
    assert pem.names_told(certificate) == "a.example, 10.0.0.1, ::1"
    (certificate,) = pem.certificates(ca.issue().cert.read_bytes())
    assert pem.names_told(certificate) == ""


def test_what_a_stranger_says_does_nothing_in_a_log() -> None:
    assert pem.presentable("a\nb\x1b[2J") == "a?b?[2J"
    assert pem.presentable("x" * 9999) == "x" * 200 + "…"

"""Mistakes with certificates and keys: each is named with its file, at start."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daarion_gw.tls.certificate import load_into
from tests.support.certificates import make_certificate

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
NO_PASSWORD = serialization.NoEncryption()


def write_key(path, key, guard=NO_PASSWORD):
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, guard))


def write_certificate(path, key, first, last):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gw.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def files(tmp_path):
    return make_certificate(tmp_path)


def load(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return load_into(context, *(str(file) for file in files))


def said(files):
    with pytest.raises(ValueError) as caught:
        load(files)
    return str(caught.value)


def test_a_good_pair_gives_its_fingerprint(files):
    certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
    assert load(files) == certificate.fingerprint(hashes.SHA256())


def test_an_rsa_pair(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    write_key(tmp_path / "key.pem", key)
    write_certificate(tmp_path / "cert.pem", key, NOW - DAY, NOW + DAY)
    assert load((tmp_path / "cert.pem", tmp_path / "key.pem"))


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_not_there(files, which):
    files[which].unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load(files)
    assert caught.value.filename == str(files[which])
    assert caught.value.strerror == "No such file or directory"


def test_a_folder_is_no_certificate(files, tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        load((tmp_path, files[1]))
    assert caught.value.filename == str(tmp_path)


def test_another_certificates_key(files, tmp_path):
    write_key(tmp_path / "other.pem", ec.generate_private_key(ec.SECP256R1()))
    assert said((files[0], tmp_path / "other.pem")) == (
        f"{tmp_path}/other.pem: this key does not belong to the certificate in {files[0]}"
    )


def test_the_two_files_the_wrong_way_round(files):
    sentence = said(files[::-1])
    assert sentence.startswith(f"{files[1]}: a certificate in PEM form is expected")
    assert "there is a private key in it" in sentence


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_no_certificate_in_the_file(files, content):
    files[0].write_bytes(content)
    assert said(files).startswith(f"{files[0]}: a certificate in PEM form is expected")


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_no_key_in_the_file(files, content):
    files[1].write_bytes(content)
    assert said(files).startswith(f"{files[1]}: a private key in PEM form is expected")


def test_an_encrypted_key_is_not_asked_about(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_key(files[1], key, serialization.BestAvailableEncryption(b"secret"))
    assert said(files).startswith(f"{files[1]}: the key is encrypted")


def test_an_expired_certificate(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_certificate(files[0], key, NOW - 2 * DAY, NOW - DAY)
    assert said(files) == (
        f"{files[0]}: the certificate has expired on {NOW - DAY:%Y-%m-%d %H:%M} UTC"
    )


def test_a_certificate_of_the_future(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_certificate(files[0], key, NOW + DAY, NOW + 2 * DAY)
    assert said(files).startswith(f"{files[0]}: the certificate is valid from ")


def test_a_broken_certificate_behind_the_first(files):
    good = files[0].read_bytes()
    files[0].write_bytes(good + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert str(files[0]) in said(files)


def test_what_openssl_alone_refuses(tmp_path):
    key = rsa.generate_private_key(65537, 1024)
    write_key(tmp_path / "key.pem", key)
    write_certificate(tmp_path / "cert.pem", key, NOW - DAY, NOW + DAY)
    sentence = said((tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert sentence == f"{tmp_path}/cert.pem: OpenSSL does not take it: ee key too small"

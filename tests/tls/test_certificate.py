"""Mistakes with certificates and keys: each is named with its file, at start."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daarion_gw.tls.certificate import Standing, load_into, read
from daarion_gw.tls.context import Profile, new_context
from daarion_gw.tls.roots import _files, _names, is_known
from tests.support.certificates import make_certificate, of_no_version
from tests.support.hierarchy import Authority, Signer

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
    names = [str(file) for file in files]
    certificate = read(*names)
    load_into(new_context(Profile()), *names)
    return certificate


def found(certificate, now=NOW):
    return [(each.text, each.is_wrong) for each in certificate.findings(now.timestamp())]


def said(files):
    with pytest.raises(ValueError) as caught:
        load(files)
    return str(caught.value)


def test_what_a_good_pair_says(files):
    certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
    read = load(files)
    assert read.fingerprint == certificate.fingerprint(hashes.SHA256())
    assert read.names == ("gw.example", "127.0.0.1")
    assert read.issuer == "gw.example"
    assert read.not_after == certificate.not_valid_after_utc.timestamp()
    assert found(read) == []
    assert read.line(NOW.timestamp()) == (
        f"certificate for gw.example, 127.0.0.1, by gw.example, until "
        f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC (in 1 day): {files[0]}"
    ) or "(in 23 hours)" in read.line(NOW.timestamp())


def test_an_rsa_pair(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    write_key(tmp_path / "key.pem", key)
    write_certificate(tmp_path / "cert.pem", key, NOW - DAY, NOW + DAY)
    certificate = load((tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert [text for text, _ in found(certificate)] == [
        f"{tmp_path}/cert.pem: the certificate has no name (subjectAltName): no client takes it "
        "for any host"
    ]


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


def test_one_of_a_version_that_there_is_none_of(files):
    files[0].write_bytes(of_no_version(files[0].read_bytes()))
    assert said(files).startswith(f"{files[0]}: a certificate in PEM form is expected")


@pytest.mark.parametrize("content", [b"", b"nothing", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_no_key_in_the_file(files, content):
    files[1].write_bytes(content)
    assert said(files).startswith(f"{files[1]}: a private key in PEM form is expected")


def test_an_encrypted_key_is_not_asked_about(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_key(files[1], key, serialization.BestAvailableEncryption(b"secret"))
    assert said(files).startswith(f"{files[1]}: the key is encrypted")


def test_the_servers_own_certificate_is_not_the_first(tmp_path):
    cert, key = Authority(tmp_path).issue(tmp_path, "a.example")
    leaf, between = cert.read_text().split("-----END CERTIFICATE-----\n")[:2]
    cert.write_text(f"{between}-----END CERTIFICATE-----\n{leaf}-----END CERTIFICATE-----\n")
    assert said((cert, key)) == (
        f"{cert}: the certificate of the key in {key} has to be the first in it, before those "
        "that lead to the root"
    )


# what can be served, and yet


def test_a_damaged_rsa_key(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    good = key.private_numbers()
    bad = rsa.RSAPrivateNumbers(
        good.p, good.q, good.d ^ 4, good.dmp1 ^ 4, good.dmq1 ^ 4, good.iqmp, good.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    write_key(tmp_path / "key.pem", bad)
    write_certificate(tmp_path / "cert.pem", key, NOW - DAY, NOW + DAY)
    sentence = said((tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert sentence.startswith(f"{tmp_path}/key.pem: the key is damaged")


def test_an_expired_certificate(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_certificate(files[0], key, NOW - 2 * DAY, NOW - DAY)
    assert found(load(files))[0] == (
        f"{files[0]}: the certificate has expired on {NOW - DAY:%Y-%m-%d %H:%M} UTC", True
    )  # fmt: skip


def test_a_certificate_of_the_future(files):
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    write_certificate(files[0], key, NOW + DAY, NOW + 2 * DAY)
    text, is_wrong = found(load(files))[0]
    assert text.startswith(f"{files[0]}: the certificate is valid from {NOW + DAY:%Y-%m-%d %H:%M}")
    assert is_wrong


@pytest.mark.parametrize(
    ("life", "left", "standing"),
    [
        (90, 22, Standing.FINE),
        (90, 20.5, Standing.SOON),
        (6, 2.1, Standing.FINE),
        (6, 1.9, Standing.SOON),
        (90, 0, Standing.SOON),
        (90, -0.1, Standing.EXPIRED),
        (90, 90.1, Standing.EARLY),
    ],
)
def test_how_it_stands(tmp_path, life, left, standing):
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(tmp_path / "key.pem", key)
    write_certificate(tmp_path / "cert.pem", key, NOW, NOW + life * DAY)
    certificate = load((tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert certificate.standing(certificate.not_after - left * DAY.total_seconds()) is standing


def test_a_chain_that_is_missing(tmp_path):
    cert, key = Authority(tmp_path).issue(tmp_path, "a.example", with_chain=False)
    assert found(load((cert, key))) == [
        (f"{cert}: the chain is missing: the certificate of its issuer, Test Authority 1, is not "
         "with it, nor a root that this machine knows; clients that do not have it refuse the "
         "connection (certbot's fullchain.pem has both)", False),
    ]  # fmt: skip


def test_a_chain_of_another(tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.issue(tmp_path, "a.example", with_chain=False)
    namesake = Signer("Test Authority 1", authority.root)
    pem = namesake.certificate.public_bytes(serialization.Encoding.PEM)
    cert.write_bytes(cert.read_bytes() + pem)
    assert found(load((cert, key))) == [
        (f"{cert}: the certificate of Test Authority 1 that is with it is another one than has "
         "signed it", False),
    ]  # fmt: skip


def test_a_whole_chain_and_one_in_a_file_of_its_own(tmp_path):
    authority = Authority(tmp_path)
    assert found(load(authority.issue(tmp_path, "a.example"))) == []
    cert, key = authority.issue(tmp_path, "a.example", with_chain=False)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(authority.signer.certificate.public_bytes(serialization.Encoding.PEM))
    assert found(read(str(cert), str(key), str(chain))) == []


def test_an_issuer_that_this_machine_knows_need_not_be_there(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.signer.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    _names.cache_clear()
    try:
        assert is_known(authority.signer.name) and not is_known(authority.root.name)
        assert found(load(authority.issue(tmp_path, "a.example", with_chain=False))) == []
    finally:
        monkeypatch.undo()
        _names.cache_clear()


def test_this_machines_own_roots_can_be_read():
    paths = ssl.get_default_verify_paths()
    if paths.cafile or any(_files()):
        assert len(_names()) > 20


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

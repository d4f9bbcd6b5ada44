"""Keys, requests and certificates of our own, judged by cryptography and by OpenSSL itself."""

import hashlib
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from daarion_gw.tls.acme import keys
from tests.support.certificates import make_certificate

NAME = "app.example.com"


def test_a_request_names_the_domain_and_nothing_else():
    key = keys.new_key()
    request = x509.load_pem_x509_csr(keys.request_for(key, NAME))
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert list(request.subject) == []
    assert request.public_key() == serialization.load_pem_private_key(key, None).public_key()


def test_what_a_certificate_says(tmp_path):
    cert, _ = make_certificate(tmp_path)
    found = keys.facts(cert.read_bytes())
    assert found.since < time.time() < found.until
    assert found.ari is None
    assert 0 <= found.chance < 1
    assert found == keys.facts(cert.read_bytes())
    with pytest.raises(ValueError, match="PEM"):
        keys.facts(b"nonsense")


def test_a_certificate_for_another_key_or_name_does_not_belong(tmp_path):
    cert, key = (file.read_bytes() for file in make_certificate(tmp_path))
    assert keys.belongs(cert, key, "gw.example")
    assert not keys.belongs(cert, keys.new_key(), "gw.example")
    assert not keys.belongs(cert, key, "www.gw.example")


def test_what_is_shown_to_a_validation(tmp_path):
    """RFC 8737 3: the name, and the digest of the key authorization, critical."""
    pem = keys.challenge(NAME, "token.thumbprint")
    shown = x509.load_pem_x509_certificate(pem)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    said = shown.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert said.critical
    assert said.value.value == b"\x04\x20" + hashlib.sha256(b"token.thumbprint").digest()
    (tmp_path / "both.pem").write_bytes(pem)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "both.pem")


# The example of RFC 9773 4.1, with its certificate (appendix A).
RFC_9773 = b"""-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""


def test_the_name_of_a_certificate_in_questions_for_renewal_information():
    certificate = x509.load_pem_x509_certificate(RFC_9773)
    assert keys._ari(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

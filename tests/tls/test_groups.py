"""Key exchanges: Mozilla's groups, and none beside them."""

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from daarion_gw.tls.groups import GROUPS, groups_for, set_groups
from daarion_gw.tls.openssl import can_control
from tests.support.certificates import make_certificate
from tests.tls.in_memory import V13, VERSIONS, Pair, listening_with

needs_control = pytest.mark.skipif(not can_control(), reason="this OpenSSL is out of reach")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """With RSA: a key on a curve can be used by those only who know that curve."""
    return make_certificate(tmp_path_factory.mktemp("rsa"), rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def listening(certificate):
    return listening_with(*certificate)


def agrees_on(group, listening, certificate, version) -> bool:
    """Whether a client that knows ``group`` alone gets through its handshake."""
    pair = Pair(listening, certificate[0], **version)
    pair.context.set_ecdh_curve(group)
    # What was set after the object was made does not count.
    pair = Pair(listening, certificate[0], before=pair)
    try:
        pair.shake()
    except ssl.SSLError:
        return False
    return pair.client.cipher() is not None


@VERSIONS
@pytest.mark.parametrize("group", ["X25519", "prime256v1", "secp384r1"])
def test_mozillas_groups(group, listening, certificate, version):
    assert agrees_on(group, listening, certificate, version)


@needs_control
@VERSIONS
@pytest.mark.parametrize("group", ["X448", "secp521r1", "brainpoolP256r1"])
def test_no_other_curve(group, listening, certificate, version):
    assert not agrees_on(group, listening, certificate, version)


@needs_control
def test_nor_a_finite_field(listening, certificate):
    assert not agrees_on("ffdhe2048", listening, certificate, V13)


@needs_control
def test_this_openssl_takes_the_list():
    assert set_groups(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


@pytest.mark.parametrize(
    ("version", "groups"),
    [
        ((3, 0, 17, 0, 0), GROUPS),
        ((3, 4, 1, 0, 0), GROUPS),
        ((3, 5, 0, 0, 0), f"?X25519MLKEM768/{GROUPS}"),
        ((4, 0, 0, 0, 0), f"?X25519MLKEM768/{GROUPS}"),
    ],
)
def test_the_hybrid_one_where_openssl_has_it(version, groups):
    assert groups_for(version) == groups

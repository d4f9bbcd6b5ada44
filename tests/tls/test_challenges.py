"""A validation by TLS-ALPN-01 (RFC 8737) and everybody else's handshake, side by side."""

import hashlib
import ssl

import pytest
from cryptography import x509
from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from daarion_gw.tls import client_hello
from daarion_gw.tls.acme.folder import ALPN, StateFolder
from daarion_gw.tls.acme.keys import challenge
from daarion_gw.tls.challenges import PROTOCOL, Challenges
from daarion_gw.tls.connection import PLAIN_ANSWER
from tests.support.certificates import NAME
from tests.tls.in_memory import VERSIONS, Pair, Plain, listening_with

AUTHORIZATION = "token.thumbprint"
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


@pytest.fixture
def state(tmp_path):
    made = StateFolder(tmp_path / "state")
    made.prepare()
    return made


@pytest.fixture
def pending(state):
    """One challenge, for gw.example."""
    state.publish(ALPN, NAME, challenge(NAME, AUTHORIZATION))
    challenges = Challenges(state.alpn)
    challenges.look()
    return challenges


@pytest.fixture
def listening(certificate, pending):
    made = listening_with(*certificate)
    made.challenges = pending
    return made


@implementer(IHandshakeListener)
class Wrapped(Plain):
    """Tells whether it was told of a handshake."""

    is_open = False

    def handshakeCompleted(self) -> None:
        self.is_open = True


class Validation(Pair):
    """An authority that comes to look: it believes nobody, and offers what it is told to."""

    def __init__(self, listening, certificate, name=NAME, offers=("acme-tls/1",), **limits):
        super().__init__(listening, certificate[0], Wrapped())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(offers))
        for word, value in limits.items():
            setattr(context, word, value)
        self.client = context.wrap_bio(self._to_client, self.from_client, server_hostname=name)

    @property
    def shown(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.client.getpeercert(binary_form=True))

    @property
    def is_of_the_challenge(self) -> bool:
        return any(each.oid == IDENTIFIER for each in self.shown.extensions)


@VERSIONS
@pytest.mark.parametrize("size", [65536, 100, 1])
def test_a_validation_sees_what_it_came_for_and_nothing_else(listening, certificate, version, size):
    came = Validation(listening, certificate, **version)
    came.shake(size)
    assert came.client.selected_alpn_protocol() == "acme-tls/1"
    said = came.shown.extensions.get_extension_for_oid(IDENTIFIER)
    assert said.value.value[2:] == hashlib.sha256(AUTHORIZATION.encode()).digest()
    # Nobody else hears of it, and it ends there.
    assert came.said_goodbye()
    assert came.below.disconnecting
    assert not came.near.wrapped.is_open
    came.lose()
    assert came.plain.lost is not None
    assert came.plain.received == []


@VERSIONS
@pytest.mark.parametrize("size", [65536, 100, 1])
def test_meanwhile_others_see_the_certificate(listening, certificate, version, size):
    pair = Pair(listening, certificate[0], **version)
    pair.shake(size)
    pair.feed(pair.sealed(b"hello"), size)
    assert pair.plain.text == b"hello"


@pytest.mark.parametrize(
    ("name", "offers"),
    [
        ("other.example", ["acme-tls/1"]),
        (None, ["acme-tls/1"]),
        (NAME, ["h2", "http/1.1"]),
        # RFC 8737 3: one that validates offers that protocol alone.
        (NAME, ["acme-tls/1", "http/1.1"]),
    ],
)
def test_who_is_no_validation_of_this_challenge(listening, certificate, name, offers):
    came = Validation(listening, certificate, name, offers)
    came.shake()
    assert not came.is_of_the_challenge
    assert came.client.selected_alpn_protocol() != "acme-tls/1"
    assert came.near.wrapped.is_open


def test_when_none_is_pending_no_byte_is_looked_at(listening, certificate, state, monkeypatch):
    state.clear_challenges()
    listening.challenges.look()
    monkeypatch.setattr(client_hello, "read", lambda _: pytest.fail("it was read"))
    came = Validation(listening, certificate)
    came.shake()
    assert not came.is_of_the_challenge


def test_one_that_is_answered_while_a_client_is_in_the_middle(listening, certificate, state):
    pair = Pair(listening, certificate[0])
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.do_handshake()
    hello = pair.from_client.read()
    pair.feed(hello[:50])
    state.clear_challenges()
    listening.challenges.look()
    pair.feed(hello[50:])
    pair._to_client.write(pair.below.taken())
    pair.shake()
    assert pair.near.negotiatedProtocol == b"http/1.1"


def test_plain_text_is_told_so_all_the_same(listening, certificate):
    pair = Pair(listening, certificate[0])
    pair.near.dataReceived(b"GET / HTTP/1.1\r\n")
    assert pair.below.value() == PLAIN_ANSWER


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", b"\x00\xff" * 40])
def test_what_is_no_hello_is_judged_by_openssl(listening, certificate, noise):
    pair = Pair(listening, certificate[0])
    pair.near.dataReceived(noise)
    assert pair.below.disconnecting


def test_an_endless_hello_is_not_kept(listening, certificate):
    pair = Pair(listening, certificate[0])
    record = b"\x16\x03\x01\x40\x00"
    pair.feed(record + b"\x01\xff\xff\xff" + b"x" * (0x4000 - 4))
    for _ in range(5):
        pair.feed(record + b"x" * 0x4000)
    assert pair.below.disconnecting


# Which there are.


def test_they_come_and_go_with_their_files(state):
    challenges = Challenges(state.alpn)
    assert not challenges
    file = state.publish(ALPN, NAME, challenge(NAME, AUTHORIZATION))
    assert not challenges
    challenges.look()
    assert challenges
    first = challenges.context(client_hello.ClientHello(NAME, (PROTOCOL,)))
    challenges.look()
    assert challenges.context(client_hello.ClientHello(NAME, (PROTOCOL,))) is first
    # Another one for the same name.
    state.publish(ALPN, NAME, challenge(NAME, "other.thumbprint"))
    challenges.look()
    assert challenges.context(client_hello.ClientHello(NAME, (PROTOCOL,))) is not first
    file.unlink()
    challenges.look()
    assert not challenges


def test_no_folder_and_files_that_are_none(tmp_path):
    challenges = Challenges(tmp_path / "none")
    challenges.look()
    assert not challenges
    (tmp_path / "a.pem").write_text("nonsense")
    (tmp_path / ".b.pem").write_text("unfinished")
    challenges.settle(tmp_path)
    assert not challenges
    Challenges().look()

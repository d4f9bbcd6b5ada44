"""TLS towards a server, in memory: what it must show, what it is shown, and the words for it."""

import ssl
import subprocess
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL.SSL import Error, SysCallError, WantReadError
from twisted.internet.error import ConnectionDone, ConnectionLost

from daarion_gw import pem
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.server_tls import PEMFile, ServerTLS
from daarion_gw.config.settings import Server
from daarion_gw.upstream.security import MistrustError, Secured, tls_failure
from tests.support.authority import Authority, Issued


def file(path) -> PEMFile:
    return PEMFile(path=str(path), text=path.read_text())


def server(host: str = "app.example", verify: bool = True, **tls) -> Server:
    said = ServerTLS(**{name: value for name, value in tls.items() if value is not None})
    return Server(scheme="https", host=host, port=443, verify=verify, tls=said)


def shake(secured: Secured, context: ssl.SSLContext) -> tuple[str, str, ssl.SSLObject]:
    """A handshake: what went wrong for the client, and for the server; empty when nothing."""
    protocol = SimpleNamespace(_reason=None)
    ours = secured.clientConnectionForTLS(protocol)
    ours.set_connect_state()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = context.wrap_bio(incoming, outgoing, server_side=True)
    near = far = ""
    for _ in range(4):
        try:
            ours.do_handshake()
        except WantReadError:
            pass
        except Error as error:
            near = near or tls_failure(protocol._reason.value if protocol._reason else error)
        try:
            while True:
                incoming.write(ours.bio_read(65536))
        except WantReadError:
            pass
        try:
            theirs.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            far = far or str(error.reason)
        if data := outgoing.read():
            ours.bio_write(data)
    if not near:
        try:
            ours.recv(1)
        except WantReadError:
            pass
        except Error as error:
            near = tls_failure(error)
    return near, far, theirs


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path)


def outcome(told: Server, issued: Issued) -> str:
    return shake(Secured(told), issued.server_context())[0]


# who vouches for it


def test_an_authority_of_ones_own(ca, tmp_path):
    issued = ca.issue("app.example")
    assert outcome(server(ca=file(ca.cert)), issued) == ""
    other = Authority(tmp_path, "Another")
    near, far, _ = shake(Secured(server(ca=file(other.cert))), issued.server_context())
    assert near == "has a certificate of an unknown CA: CN=Test CA"
    assert "ALERT" in far, "the server is told"


def test_without_one_it_is_the_systems(ca):
    assert "of an unknown CA: CN=Test CA" in outcome(server(), ca.issue("app.example"))


def test_a_certificate_that_is_named_itself(ca):
    issued = ca.issue("app.example")
    assert outcome(server(ca=file(issued.cert)), issued) == ""


def test_one_that_it_has_signed_itself(ca, tmp_path):
    alone = Issued(ca.cert, tmp_path / "own.pem")
    alone.key.write_bytes(_key_of(ca))
    assert "that it has signed itself" in outcome(server("Test CA"), alone)


def _key_of(ca: Authority) -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    return ca._key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def test_one_between(ca, tmp_path):
    between = Authority(tmp_path, "Between", below=ca)
    alone, whole = between.issue("app.example"), between.issue("app.example", chain=[between])
    assert outcome(server(ca=file(ca.cert)), whole) == ""
    assert "unknown CA: CN=Between" in outcome(server(ca=file(ca.cert)), alone)
    assert outcome(server(ca=file(between.cert)), alone) == "", "it need not be a root"


@pytest.mark.parametrize(
    ("days", "told"), [((-2, -1), "that has expired on 2"), ((1, 2), "that is valid from 2")]
)
def test_its_dates(ca, days, told):
    said = outcome(server(ca=file(ca.cert)), ca.issue("app.example", days=days))
    assert said.startswith(f"has a certificate {told}") and "UTC" in said


def test_the_dates_of_who_has_signed_it(tmp_path):
    old = Authority(tmp_path, "Old CA", days=(-5, -2))
    said = outcome(server(ca=file(old.cert)), old.issue("app.example"))
    assert said.startswith("has a certificate whose issuer CN=Old CA has one that has expired on")


def test_verify_off(ca):
    assert outcome(server(verify=False), ca.issue("other.example", days=(-2, -1))) == ""


# whom it is for


@pytest.mark.parametrize(
    ("host", "name", "names", "is_good"),
    [
        ("app.example", None, ["app.example"], True),
        ("app.internal.example", None, ["*.internal.example"], True),
        ("a.b.internal.example", None, ["*.internal.example"], False),
        ("10.0.0.5", None, ["10.0.0.5"], True),
        ("10.0.0.5", None, ["app.example", "10.0.0.6"], False),
        ("::1", None, ["::1"], True),
        ("10.0.0.5", "app.example", ["app.example"], True),
        ("app.example", "10.0.0.5", ["app.example"], False),
        ("app.example", "10.0.0.5", ["10.0.0.5"], True),
        ("my_app", None, ["my_app"], True),
    ],
)
def test_its_names(ca, host, name, names, is_good):
    said = outcome(server(host, ca=file(ca.cert), server_name=name), ca.issue(*names))
    wanted = name or host
    told = f"has a certificate for {', '.join(names)} and not for {wanted}"
    assert said == ("" if is_good else told)


def test_one_without_names(ca):
    """The common name is none (RFC 9525 2): whoever has signed it."""
    said = outcome(server("server", ca=file(ca.cert)), ca.issue())
    assert said == "has a certificate without a name of a host (subjectAltName)"


def test_many_names_are_not_all_told(ca):
    said = outcome(server(ca=file(ca.cert)), ca.issue(*(f"{n}.example" for n in range(50))))
    assert said.endswith(
        "for 0.example, 1.example, 2.example, 3.example, … and not for app.example"
    )


@pytest.mark.parametrize(
    ("host", "name", "asked"),
    [
        ("app.example", None, "app.example"),
        ("10.0.0.5", None, None),
        ("10.0.0.5", "app.example", "app.example"),
        ("app.example", "::1", None),
    ],
)
def test_what_the_server_is_asked_for(ca, host, name, asked):
    seen = []
    context = ca.issue("app.example").server_context()
    context.sni_callback = lambda _, server_name, __: seen.append(server_name)
    shake(Secured(server(host, verify=False, server_name=name)), context)
    assert seen == [asked]


# pins


def pin_by_openssl(issued: Issued) -> str:
    """As the documents say how one is made."""
    command = (
        f"openssl x509 -in {issued.cert} -noout -pubkey | openssl pkey -pubin -outform der "
        "| openssl dgst -sha256 -binary | base64"
    )
    return subprocess.run(
        ["sh", "-c", command], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_pin_comes_on_top(ca):
    issued, other = ca.issue("app.example"), ca.issue("app.example")
    pin = pin_by_openssl(issued)
    assert outcome(server(ca=file(ca.cert), pin=(pin,)), issued) == ""
    assert outcome(server(ca=file(ca.cert), pin=(pin_by_openssl(other), pin)), issued) == ""
    said = outcome(server(ca=file(ca.cert), pin=(pin,)), other)
    assert said == (
        f"has a certificate with another key than pinned: sha256/{pin_by_openssl(other)}"
    )
    assert "unknown CA" in outcome(server(pin=(pin,)), issued)
    assert "not for" in outcome(server("b.example", ca=file(ca.cert), pin=(pin,)), issued)


def test_with_verify_off_it_decides_alone(ca):
    issued, other = ca.issue("app.example", days=(-2, -1)), ca.issue("app.example")
    told = server("any.example", verify=False, pin=(pin_by_openssl(issued),))
    assert outcome(told, issued) == ""
    assert "another key than pinned" in outcome(told, other)


def test_a_chain_that_has_the_pin_further_up_is_not_enough(ca, tmp_path):
    """As for curl: it is the server's own key that is pinned."""
    issued = ca.issue("app.example", chain=[ca])
    pin = pem.pin_of(ca.certificate)
    assert "another key than pinned" in outcome(server(ca=file(ca.cert), pin=(pin,)), issued)


# what it is shown


def test_a_certificate_for_a_server_that_asks(ca, tmp_path):
    own = ca.issue("gateway.example")
    context = ca.issue("app.example").server_context(asks=ca.cert)
    told = server(ca=file(ca.cert), cert=file(own.cert), key=file(own.key))
    near, far, theirs = shake(Secured(told), context)
    assert (near, far) == ("", "")
    shown = theirs.getpeercert()
    assert shown is not None and ("DNS", "gateway.example") in shown["subjectAltName"]


def test_its_chain_is_shown_with_it(ca, tmp_path):
    between = Authority(tmp_path, "Between", below=ca)
    own = between.issue("gateway.example", chain=[between])
    context = ca.issue("app.example").server_context(asks=ca.cert)
    told = server(ca=file(ca.cert), cert=file(own.cert), key=file(own.key))
    assert shake(Secured(told), context)[:2] == ("", "")


def test_a_key_that_is_too_small_for_openssl(ca):
    own = ca.issue("gateway.example", key=rsa.generate_private_key(65537, 1024))
    with pytest.raises(ConfigurationError) as found:
        Secured(server(cert=file(own.cert), key=file(own.key)))
    assert str(found.value) == f"{own.cert}: OpenSSL does not take it: ee key too small"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_in_vain_or_does_not_like_it(ca, tmp_path, version):
    context = ca.issue("app.example").server_context(asks=ca.cert)
    context.maximum_version = version
    said, far, _ = shake(Secured(server(ca=file(ca.cert))), context)
    assert far == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    if version is ssl.TLSVersion.TLSv1_3:
        assert said == "wants a certificate from the gateway: cert and key in its tls"
    else:
        assert said.startswith("cannot be talked to over TLS: ")
    own = Authority(tmp_path, "Another").issue("gateway.example")
    told = server(ca=file(ca.cert), cert=file(own.cert), key=file(own.key))
    said = shake(Secured(told), context)[0]
    assert said.startswith("does not accept the gateway's certificate: ") and "unknown ca" in said


def test_old_versions_are_not_spoken(ca):
    context = ca.issue("app.example").server_context()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    assert shake(Secured(server(verify=False)), context)[1] == "UNSUPPORTED_PROTOCOL"


# contexts


def test_what_is_alike_is_made_once(ca):
    own = ca.issue("gateway.example")
    first, second = Secured(server("a.example")), Secured(server("b.example"))
    assert first._context is second._context
    others = [
        Secured(server(verify=False)),
        Secured(server(ca=file(ca.cert))),
        Secured(server(cert=file(own.cert), key=file(own.key))),
    ]
    assert len({id(each._context) for each in [first, *others]}) == 4


def test_what_cannot_be_looked_at_is_not_believed(ca, monkeypatch):
    def fails(self, *_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Secured, "wrong_with", fails)
    said = outcome(server(ca=file(ca.cert)), ca.issue("app.example"))
    assert said == "has a certificate that cannot be looked at (RuntimeError)"


# words


def test_an_error_of_the_handshake():
    error = Error([("SSL routines", "", "wrong version number")])
    assert tls_failure(error) == "cannot be talked to over TLS: wrong version number"
    assert tls_failure(MistrustError("is odd")) == "is odd"


def test_an_end_that_is_none_of_its_affair():
    for reason in (ConnectionDone(), ConnectionLost(), Error([]), Error(), None, OSError(5, "x")):
        assert tls_failure(reason) == ""


def test_a_peer_that_leaves_within_a_handshake():
    assert tls_failure(SysCallError(-1, "Unexpected EOF")) == ""

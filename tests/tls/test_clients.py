"""Certificates of clients: who is let in, and who a resumed session belongs to."""

import itertools
import ssl
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ExtendedKeyUsage, ExtendedKeyUsageOID, load_pem_x509_certificate

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.tls import TLS
from daarion_gw.tls.client_certificate import NOBODY, read_certificate
from daarion_gw.tls.clients import clients_of
from daarion_gw.tls.context import Profile
from daarion_gw.tls.listening import Listening
from daarion_gw.tls.store import Store
from daarion_gw.tls.tickets import TicketKeys, can_set
from tests.support.certificates import NAME, of_no_version
from tests.support.hierarchy import DAY, HOUR, Authority
from tests.tls.in_memory import V13, VERSIONS, Pair

needs_keys = pytest.mark.skipif(not can_set(), reason="this Python's OpenSSL is out of reach")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="module")
def servers(folder):
    """The authority of the gateway's own certificate."""
    return Authority(folder / "servers")


@pytest.fixture(scope="module")
def authority(folder):
    """The one whose clients are let in."""
    return Authority(folder / "authority")


@pytest.fixture(scope="module")
def store(servers, folder):
    return Store.of_files(*map(str, servers.issue(folder / "server", NAME, "other.example")))


@pytest.fixture(scope="module")
def anna(authority, folder):
    return authority.issue(folder / "anna", "anna")


def clients(ca, mode):
    return clients_of(TLS(client_certificates={"ca": str(ca), "mode": mode}), "g.yaml")


def listening(store, authority=None, mode="optional", keys=None):
    asked = clients(authority.file, mode) if authority is not None else None
    return Listening(store, Profile(clients=asked), keys or TicketKeys())


def met(at, servers, shown=(), **words):
    """A connection of a client that shows these files; it has got as far as it gets."""
    pair = Pair(at, servers.file, **words)
    if shown:
        pair.context.load_cert_chain(*shown)
        pair = Pair(at, servers.file, before=pair)
    try:
        pair.shake()
        pair.heard()
    except ssl.SSLError:
        pass
    return pair


def let_in(pair) -> bool:
    pair.near.write(b"welcome")
    try:
        return pair.heard() == b"welcome"
    except ssl.SSLError:
        return False


def der_in(file) -> bytes:
    return load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)


# who is let in


@VERSIONS
@pytest.mark.parametrize("mode", ["optional", "required"])
def test_who_shows_a_good_one_is_known(store, servers, authority, anna, mode, version):
    pair = met(listening(store, authority, mode), servers, anna, **version)
    assert let_in(pair)
    known = pair.near.client_certificate
    assert known == read_certificate(der_in(anna[0]))
    assert known.is_verified and b"X-Client-Cert-Subject: CN=anna\r\n" in known.lines


@VERSIONS
def test_who_shows_none_comes_in_where_it_is_optional(store, servers, authority, version):
    pair = met(listening(store, authority), servers, **version)
    assert let_in(pair)
    assert pair.near.client_certificate is NOBODY


@VERSIONS
def test_and_does_not_where_it_is_required(store, servers, authority, version):
    pair = met(listening(store, authority, "required"), servers, **version)
    assert not let_in(pair)
    assert pair.near.client_certificate is None
    assert pair.plain.text == b""


@VERSIONS
def test_who_is_not_asked_is_nobody(store, servers, anna, version):
    pair = met(listening(store), servers, anna, **version)
    assert let_in(pair)
    assert pair.near.client_certificate is None


@pytest.fixture(scope="module")
def bad(authority, servers, folder):
    server_only = (ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),)
    return {
        "another authority's": servers.issue(folder / "bad-1", "anna"),
        "expired": authority.issue(folder / "bad-2", "anna", since=-2 * DAY, until=-HOUR),
        "not yet valid": authority.issue(folder / "bad-3", "anna", since=HOUR),
        "without its chain": authority.issue(folder / "bad-4", "anna", with_chain=False),
        "for servers": authority.issue(folder / "bad-5", "anna", more=server_only),
    }


@VERSIONS
@pytest.mark.parametrize("mode", ["optional", "required"])
@pytest.mark.parametrize(
    "which",
    ["another authority's", "expired", "not yet valid", "without its chain", "for servers"],
)
def test_who_shows_a_bad_one_does_not_come_in(store, servers, authority, bad, which, mode, version):
    pair = met(listening(store, authority, mode), servers, bad[which], **version)
    assert not let_in(pair)
    assert pair.near.client_certificate is None


def test_one_for_clients_is_good(store, servers, authority, folder):
    use = (ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),)
    issued = authority.issue(folder / "use", "anna", more=use)
    assert let_in(met(listening(store, authority, "required"), servers, issued))


def test_one_below_the_root_may_stand_for_itself(store, servers, authority, anna, folder):
    """So that no others of that root are let in."""
    below, file = authority.signer.certificate, folder / "below.pem"
    file.write_bytes(below.public_bytes(Encoding.PEM))
    at = Listening(store, Profile(clients=clients(file, "required")))
    assert let_in(met(at, servers, anna))


def test_whatever_name_the_client_asks_for(store, servers, authority, anna, folder):
    """Another certificate of the gateway's has another context."""
    two = Store.of_files(*map(str, servers.issue(folder / "first", "first.example")))
    files = servers.issue(folder / "second", NAME)
    two.take(two.plan([*two._sources, *Store.of_files(*map(str, files))._sources]))
    at = listening(two, authority, "required")
    for name in (NAME, "first.example"):
        assert not let_in(met(at, servers, name=name))
        pair = Pair(at, servers.file, name=name)
        pair.context.load_cert_chain(*anna)
        pair = Pair(at, servers.file, before=pair, name=name)
        pair.shake()
        assert let_in(pair)
        assert pair.near.client_certificate.is_verified


# sessions that are resumed


@VERSIONS
def test_a_session_keeps_its_certificate(store, servers, authority, anna, version):
    at = listening(store, authority, "required")
    first = met(at, servers, anna, **version)
    assert let_in(first)
    again = met(at, servers, before=first)
    assert let_in(again)
    assert again.client.session_reused
    assert again.near.client_certificate == first.near.client_certificate
    assert again.near.client_certificate.is_verified


@VERSIONS
def test_a_session_without_one_stays_without(store, servers, authority, anna, version):
    at = listening(store, authority)
    first = met(at, servers, **version)
    assert let_in(first)
    first.context.load_cert_chain(*anna)
    again = met(at, servers, before=first)
    assert let_in(again)
    assert again.client.session_reused
    assert again.near.client_certificate is NOBODY


@needs_keys
@VERSIONS
def test_no_session_goes_on_where_something_else_is_asked(
    store, servers, authority, anna, folder, version
):
    """Not even with the same certificate and the same keys."""
    keys = TicketKeys()
    others = Authority(folder / "others")
    places = [
        listening(store, None, keys=keys),
        listening(store, authority, "optional", keys),
        listening(store, authority, "required", keys),
        listening(store, others, "optional", keys),
    ]
    for begun, resumed in itertools.permutations(places, 2):
        shown = anna if begun is not places[3] else ()
        first = met(begun, servers, shown, **version)
        assert let_in(first)
        again = met(resumed, servers, before=first)
        assert not (let_in(again) and again.client.session_reused)
    # What shows that this can fail.
    same = listening(store, authority, "optional", keys)
    first = met(places[1], servers, anna, **version)
    assert let_in(first)
    assert met(same, servers, before=first).client.session_reused


@VERSIONS
@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_session_outlives_its_certificate_by_nothing(
    store, servers, authority, anna, mode, version, monkeypatch
):
    at = listening(store, authority, mode)
    first = met(at, servers, anna, **version)
    assert let_in(first)
    expires = first.near.client_certificate.expires
    monkeypatch.setattr(time, "time", lambda: expires + 1)
    again = met(at, servers, before=first)
    assert again.client.session_reused
    assert not let_in(again)
    assert again.near.client_certificate is None
    assert again.plain.text == b""


# other settings


@needs_keys
def test_listeners_go_over_to_what_is_asked_now(store, servers, authority, anna, folder):
    at = listening(store, authority, "required")
    first = met(at, servers, anna, **V13)
    assert let_in(first)
    others = Authority(folder / "new")
    at.ask(clients(others.file, "required"))
    store.keep({at.profile})
    assert not let_in(met(at, servers, anna))
    assert not let_in(met(at, servers, before=first))
    assert let_in(met(at, servers, others.issue(folder / "berta", "berta")))
    at.ask(None)
    assert let_in(met(at, servers))
    # What began under the old ones goes on.
    first.near.write(b"still")
    assert first.heard() == b"still"


def test_what_is_asked_no_more_is_forgotten(store, authority, servers):
    asked, not_asked = listening(store, authority), listening(store)
    store.keep({not_asked.profile})
    assert set(store._profiles) == {not_asked.profile}
    assert all(set(pair.contexts) == {not_asked.profile} for pair in store._pairs.values())
    assert let_in(met(not_asked, servers))
    asked.ask(asked.profile.clients)
    assert let_in(met(asked, servers))


def test_clients_are_told_apart_by_what_is_asked_of_them(authority, servers):
    one = clients(authority.file, "optional")
    assert one == clients(authority.file, "optional")
    assert hash(one) == hash(clients(authority.file, "optional"))
    labels = {
        Profile(clients=each).label
        for each in (None, one, replace(one, required=True), clients(servers.file, "optional"))
    }
    assert len(labels) == 4


# the file


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b"", "there is no certificate in it that can be read; expected a file with"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no cert"),
        (b"\xff\xfe", "there is no certificate in it that can be read"),
    ],
)
def test_a_file_that_is_no_use_is_told_of(content, told, tmp_path):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        clients(file, "optional")
    assert f"g.yaml: tls.client_certificates.ca: {file}: {told}" in str(error.value)


def test_so_is_a_certificate_of_a_version_that_there_is_none_of(authority, servers, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(of_no_version(servers.file.read_bytes()))
    with pytest.raises(ConfigurationError, match="there is no certificate in it"):
        clients(file, "optional")


def test_what_stands_around_the_certificates_does_not_matter(authority, servers, tmp_path):
    file = tmp_path / "ca.pem"
    both = [authority.file.read_bytes(), servers.file.read_bytes()]
    file.write_bytes("Свої\n".encode() + b"\n# and\n".join(both))
    found = clients(file, "optional")
    assert found is not None and found.authorities.count("BEGIN") == 2

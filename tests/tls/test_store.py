"""Certificates by the names that clients ask for: which one, and what it is chosen from."""

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.tls import TLS
from daarion_gw.tls.context import Profile
from daarion_gw.tls.listening import Listening
from daarion_gw.tls.sources import sources_of
from daarion_gw.tls.store import Store
from daarion_gw.tls.tickets import TicketKeys, can_set
from tests.support.hierarchy import DAY, PLAIN, Authority, serial_in, serial_of
from tests.tls.in_memory import VERSIONS, Pair

needs_keys = pytest.mark.skipif(not can_set(), reason="this Python's OpenSSL is out of reach")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def settings_of(*entries, strict=False, state=None):
    """``tls:`` with these certificates: a folder, or a pair of files.

    state: where the gateway has those that it gets by itself.
    """
    acme = state and {"domains": "a.example", "state": str(state)}
    certificates = [
        {"folder": str(entry)} if isinstance(entry, Path)
        else {"cert": str(entry[0]), "key": str(entry[1])}
        for entry in entries
    ]  # fmt: skip
    return TLS(certificates=certificates, strict=strict, acme=acme)


def store_of(*entries, strict=False, state=None, **words):
    return Store(sources_of(settings_of(*entries, state=state)), strict, **words)


@pytest.fixture
def three(authority, tmp_path):
    """The files for a host, for those below a domain, and for one of these."""
    return [
        authority.issue(tmp_path / "a", "a.example", "also.a.example"),
        authority.issue(tmp_path / "wild", "*.b.example", "b.example"),
        authority.issue(tmp_path / "exact", "x.b.example"),
    ]


@pytest.fixture
def asked(authority):
    """The serial number of the certificate that a client sees which asks for a name."""

    def ask(store, name, **limits):
        pair = Pair(Listening(store), authority.file, name=name, **limits)
        pair.context.check_hostname = False
        pair.client = pair.context.wrap_bio(pair._to_client, pair.from_client, server_hostname=name)
        pair.shake()
        der = pair.client.getpeercert(binary_form=True)
        assert der is not None
        return serial_of(der)

    return ask


# by name


@VERSIONS
@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("a.example", 0),
        ("also.a.example", 0),
        ("A.ExamplE", 0),
        ("www.b.example", 1),
        ("b.example", 1),
        ("x.b.example", 2),
        # A wildcard stands for one label; these have no certificate and get the first.
        ("x.y.b.example", 0),
        ("a.example.org", 0),
        ("example", 0),
        (None, 0),
    ],
)
def test_a_client_sees_the_certificate_for_the_name_it_asks_for(three, asked, name, which, version):
    assert asked(store_of(*three), name, **version) == serial_in(three[which][0])


@VERSIONS
@pytest.mark.parametrize("name", ["x.y.b.example", "nowhere.example", None])
def test_a_strict_store_refuses_who_names_nobody_it_has(three, authority, name, version):
    store = store_of(*three, strict=True)
    pair = Pair(Listening(store), authority.file, name=name, **version)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        pair.shake()
    assert pair.below.disconnecting
    assert pair.plain.text == b""


@VERSIONS
def test_a_strict_store_serves_the_others(three, asked, version):
    store = store_of(*three, strict=True)
    assert asked(store, "a.example", **version) == serial_in(three[0][0])
    assert asked(store, "q.b.example", **version) == serial_in(three[1][0])


def test_a_strict_store_with_one_certificate_is_strict_too(three, authority):
    pair = Pair(Listening(store_of(three[0], strict=True)), authority.file, name="b.example")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        pair.shake()


def test_a_name_without_its_first_label_is_none(three):
    store = store_of(*three)
    assert store.find(".b.example") is None
    assert store.find("") is None
    assert store.find("b.example") is not None


def test_capital_letters_mean_nothing(three):
    store = store_of(*three)
    assert store.find("A.ExamplE") is store.find("a.example") is not None
    assert store.find("Q.B.EXAMPLE") is store.find("b.example") is not None


@given(st.lists(st.sampled_from(["a", "b", "*", "", "x", "example"]), max_size=4).map(".".join))
def test_a_name_is_found_as_a_slow_search_would(name):
    class Found:
        def __init__(self, *names):
            self.names = names

    store = Store()
    pairs = [Found("a.example"), Found("*.example"), Found("*.b.example", "x.b.example")]
    store._by_name = {known: pair for pair in pairs for known in pair.names}

    def fits(known):
        if known == name:
            return True
        head, *rest = name.split(".")
        return known.startswith("*.") and head != "" and known.split(".")[1:] == rest

    expected = [known for known in store._by_name if fits(known)]
    exact = [known for known in expected if known == name]
    want = store._by_name[(exact or expected)[0]] if expected else None
    assert store.find(name) is want


def test_a_handshake_costs_the_same_with_many_certificates(three):
    class Counting(dict):
        looks = 0

        def get(self, *words):
            self.looks += 1
            return super().get(*words)

    store = store_of(*three)
    pair = store.find("a.example")
    store._by_name = Counting({f"h{number}.example": pair for number in range(1000)})
    for name in ("h999.example", "nowhere.example", "a.b.example"):
        store.find(name)
    assert store._by_name.looks == 5


def test_nobody_is_asked_where_there_is_no_choice(three, authority):
    profile = Profile()
    store = store_of(three[0])
    store.serve(profile)
    assert store.context(profile).sni_callback is None
    store = store_of(*three)
    store.serve(profile)
    assert store.context(profile).sni_callback is not None


def test_of_two_for_one_name_the_one_that_is_valid_is_shown(authority, asked, tmp_path):
    old = authority.issue(tmp_path / "old", "a.example", since=-2 * DAY, until=-DAY)
    new = authority.issue(tmp_path / "new", "a.example")
    other = authority.issue(tmp_path / "other", "a.example")
    assert asked(store_of(old, new, other), "a.example") == serial_in(new[0])


def test_a_profile_of_its_own_for_each_kind_of_listener(three, authority):
    store = store_of(*three)
    both, one = Listening(store, Profile((b"h2", b"http/1.1"))), Listening(store)
    for listening, agreed in ((both, b"h2"), (one, b"http/1.1"), (both, b"h2")):
        pair = Pair(listening, authority.file, name="x.b.example")
        pair.shake()
        assert pair.near.negotiatedProtocol == agreed


# tickets


def resumed(listening, authority, before, name="a.example", **version):
    pair = Pair(listening, authority.file, before=before, name=name, **version)
    pair.shake()
    pair.near.write(b"x")
    pair.heard()
    return pair


@needs_keys
@VERSIONS
@pytest.mark.parametrize("name", ["a.example", "x.b.example"])
def test_a_session_goes_on_for_the_same_name_in_every_worker(three, authority, name, version):
    keys = TicketKeys()
    here = Listening(store_of(*three), ticket_keys=keys)
    there = Listening(store_of(*three), ticket_keys=TicketKeys(keys.state))
    first = resumed(here, authority, None, name, **version)
    assert resumed(there, authority, first, name, **version).client.session_reused


@needs_keys
@VERSIONS
def test_a_session_ends_with_its_certificate(three, authority, tmp_path, version):
    store = store_of(*three)
    listening = Listening(store)
    first = resumed(listening, authority, None, **version)
    second = resumed(listening, authority, first, **version)
    assert second.client.session_reused
    authority.issue(tmp_path / "a", "a.example")
    store.look()
    assert not resumed(listening, authority, second, **version).client.session_reused


@needs_keys
@VERSIONS
def test_workers_that_have_taken_the_same_new_one_agree_again(three, authority, tmp_path, version):
    keys = TicketKeys()
    stores = [store_of(*three), store_of(*three)]
    here, there = (Listening(store, ticket_keys=keys) for store in stores)
    resumed(here, authority, None, **version)
    resumed(there, authority, None, **version)
    authority.issue(tmp_path / "a", "a.example")
    for store in stores:
        store.look()
    first = resumed(here, authority, None, **version)
    assert resumed(there, authority, first, **version).client.session_reused


@needs_keys
@VERSIONS
def test_a_session_does_not_go_on_at_a_listener_of_another_kind(three, authority, version):
    store, keys = store_of(*three), TicketKeys()
    first = resumed(Listening(store, ticket_keys=keys), authority, None, **version)
    other = Listening(store, Profile((b"h2", b"http/1.1")), keys)
    assert not resumed(other, authority, first, **version).client.session_reused


# what there may be


def test_an_awaited_folder_may_be_missing_and_a_client_is_refused_until_then(
    authority, asked, tmp_path
):
    folder = tmp_path / "state" / "certificates"
    store = store_of(state=tmp_path / "state")
    assert store.awaits and store.certificates == []
    listening = Listening(store)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        Pair(listening, authority.file, name="a.example").shake()
    assert store.look() == []
    files = authority.issue(folder / "a.example", "a.example")
    (change,) = store.look()
    assert change.is_good and change.text.startswith("new: certificate for a.example, by Test Aut")
    assert asked(store, "a.example") == serial_in(files[0])
    pair = Pair(listening, authority.file, name="a.example")
    pair.shake()


@pytest.mark.parametrize(
    "layout", [("fullchain.pem", "privkey.pem"), ("cert.pem", "key.pem"), ("tls.crt", "tls.key")]
)
@pytest.mark.parametrize("below", ["", "a"])
def test_each_layout_in_a_folder_and_below_it(authority, tmp_path, layout, below):
    files = authority.issue(tmp_path / "certs" / below, "a.example", layout=layout)
    (found,) = store_of(tmp_path / "certs").certificates
    assert (found.cert_file, found.key_file) == (str(files[0]), str(files[1]))
    assert found.names == ("a.example",)


def test_the_first_is_the_first_of_the_settings_and_in_folders_by_name(authority, tmp_path):
    for name in ("c", "b", "a"):
        authority.issue(tmp_path / "folder" / name, f"{name}.example")
    single = authority.issue(tmp_path / "z", "z.example", layout=PLAIN)
    names = [found.names[0] for found in store_of(single, tmp_path / "folder").certificates]
    assert names == ["z.example", "a.example", "b.example", "c.example"]


def mistakes(*entries, **words):
    with pytest.raises(ConfigurationError) as caught:
        store_of(*entries, file="gateway.yaml", **words)
    return [str(problem) for problem in caught.value.problems]


def test_every_mistake_is_told_at_once(authority, tmp_path):
    good = authority.issue(tmp_path / "good", "a.example")
    other = authority.issue(tmp_path / "other", "b.example")
    (tmp_path / "empty").mkdir()
    assert mistakes(good, (good[0], other[1]), tmp_path / "none", tmp_path / "empty") == [
        f"gateway.yaml: tls.certificates[1]: {other[1]}: this key does not belong to the "
        f"certificate in {good[0]}",
        f"gateway.yaml: tls.certificates[2]: {tmp_path}/none: No such file or directory",
        f"gateway.yaml: tls.certificates[3]: {tmp_path}/empty: there is no certificate in it; "
        "expected fullchain.pem and privkey.pem or cert.pem and key.pem or tls.crt and tls.key, "
        "in it or in folders below it",
    ]


def test_one_that_is_broken_in_a_folder_takes_nobody_with_it(authority, tmp_path):
    authority.issue(tmp_path / "live" / "a", "a.example")
    _, key = authority.issue(tmp_path / "live" / "b", "b.example")
    key.write_text("nothing")
    store = store_of(tmp_path / "live")
    assert [found.names for found in store.certificates] == [("a.example",)]
    (problem,) = store.problems
    assert problem.startswith(f"{key}: a private key in PEM form is expected")
    (tmp_path / "live" / "a" / "privkey.pem").unlink()
    (tmp_path / "live" / "a" / "fullchain.pem").unlink()
    assert mistakes(tmp_path / "live")[0].startswith(f"gateway.yaml: tls.certificates: {key}")


def test_half_a_pair_is_a_mistake_with_its_name(authority, tmp_path):
    _, key = authority.issue(tmp_path / "live" / "a", "a.example")
    key.unlink()
    (said,) = mistakes(tmp_path / "live")
    assert f"{key}: No such file or directory" in said


# new settings


def test_a_plan_changes_nothing_until_it_is_taken(three, authority, asked):
    store = store_of(three[0])
    Listening(store)
    plan = store.plan(sources_of(settings_of(three[2], three[0])))
    assert asked(store, "x.b.example") == serial_in(three[0][0])
    store.take(plan)
    assert asked(store, "x.b.example") == serial_in(three[2][0])
    assert asked(store, "nowhere.example") == serial_in(three[2][0])
    store.take(store.plan(sources_of(settings_of(three[2]))))
    assert asked(store, "a.example") == serial_in(three[2][0])
    store.take(store.plan(sources_of(settings_of(three[2])), strict=True))
    with pytest.raises(ssl.SSLError):
        asked(store, "a.example")


def test_a_plan_with_a_mistake_is_none(three, asked, tmp_path):
    store = store_of(three[0])
    with pytest.raises(ConfigurationError):
        store.plan(sources_of(settings_of(three[2], (tmp_path / "x.pem", three[0][1]))))
    assert [found.names[0] for found in store.certificates] == ["a.example"]
    assert asked(store, "x.b.example") == serial_in(three[0][0])


def test_one_that_is_served_stands_in_the_way_of_no_plan(three, asked):
    store = store_of(three[0])
    Listening(store)
    serial = serial_in(three[0][0])
    three[0][0].write_text("half-writ")
    store.take(store.plan(sources_of(settings_of(three[0], three[2]))))
    assert asked(store, "a.example") == serial

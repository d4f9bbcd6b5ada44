"""New files are taken as they come, broken ones are not, and time passes too."""

import shutil

import pytest

from daarion_gw.tls.listening import Listening
from daarion_gw.tls.store import Store
from tests.support.hierarchy import CERTBOT, DAY, Authority, Certbot, serial_in, serial_of
from tests.tls.in_memory import Pair
from tests.tls.test_store import settings_of, sources_of, store_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(authority, tmp_path):
    return authority.issue(tmp_path / "a", "a.example")


@pytest.fixture
def shown(authority):
    """What a client sees at a listener: a serial number."""

    def see(listening, name="a.example"):
        pair = Pair(listening, authority.file, name=name)
        pair.shake()
        return serial_of(pair.client.getpeercert(binary_form=True))

    return see


def told(store):
    return [change.text for change in store.look()]


def test_nothing_new_is_nothing_to_tell(files):
    store = store_of(files)
    assert told(store) == told(store) == []


def test_new_files_are_taken_and_who_is_connected_stays(files, authority, shown, tmp_path):
    listening = Listening(store := store_of(files))
    before = serial_in(files[0])
    open_one = Pair(listening, authority.file, name="a.example")
    open_one.shake()
    assert shown(listening) == before
    authority.issue(tmp_path / "a", "a.example")
    (line,) = told(store)
    assert line.startswith("new: certificate for a.example, by Test Authority 1, until 20")
    assert shown(listening) == serial_in(files[0]) != before
    open_one.feed(open_one.sealed(b"still here"))
    assert open_one.plain.text == b"still here"
    assert told(store) == []


def test_one_half_after_the_other(files, authority, shown, tmp_path):
    """Between them, nothing is wrong yet."""
    listening = Listening(store := store_of(files))
    before = serial_in(files[0])
    new = authority.issue(tmp_path / "new", "a.example")
    shutil.copy(new[0], files[0])
    assert told(store) == []
    assert shown(listening) == before
    shutil.copy(new[1], files[1])
    (line,) = told(store)
    assert line.startswith("new: certificate for a.example")
    assert shown(listening) == serial_in(new[0])


@pytest.mark.parametrize("broken", ["cert", "key", "cut", "gone", "other"])
def test_what_is_broken_is_not_taken_told_once_and_taken_when_mended(
    files, authority, shown, tmp_path, broken
):
    listening = Listening(store := store_of(files))
    before = serial_in(files[0])
    cert, key = files
    new_cert, new_key = authority.issue(tmp_path / "new", "a.example")
    said = {
        "cert": f"{cert}: a certificate in PEM form is expected",
        "key": f"{key}: a private key in PEM form is expected",
        "cut": f"{cert}: a certificate in PEM form is expected",
        "gone": f"{key}: No such file or directory",
        "other": f"{key}: this key does not belong to the certificate in {cert}",
    }[broken]
    if broken == "cert":
        cert.write_text("")
    elif broken == "key":
        key.write_text("")
    elif broken == "cut":
        cert.write_bytes(new_cert.read_bytes()[:200])
    elif broken == "gone":
        key.unlink()
    else:
        shutil.copy(new_key, key)
    assert told(store) == []
    (line,) = told(store)
    assert line.startswith(f"certificate not taken, the old one stays: {said}")
    assert store.problems and store.problems[0].startswith(said)
    assert told(store) == told(store) == []
    assert shown(listening) == before
    shutil.copy(new_cert, cert)
    shutil.copy(new_key, key)
    (line,) = told(store)
    assert line.startswith("new: certificate for a.example")
    assert store.problems == []
    assert shown(listening) == serial_in(new_cert)


def test_the_old_files_come_back(files, shown):
    listening = Listening(store := store_of(files))
    good = files[1].read_bytes()
    files[1].unlink()
    assert (len(told(store)), len(told(store))) == (0, 1)
    files[1].write_bytes(good)
    (line,) = told(store)
    assert line.startswith("the same again: certificate for a.example")
    assert store.problems == []
    assert shown(listening) == serial_in(files[0])


def test_what_there_is_to_say_of_a_new_one_is_said(files, authority, tmp_path):
    store = store_of(files)
    authority.issue(tmp_path / "a", "a.example", since=-90 * DAY, until=20 * DAY, with_chain=False)
    line, soon, chain = told(store)
    assert line.startswith("new: ")
    assert soon.startswith(f"{files[0]}: the certificate expires in 19 days, on ")
    assert chain.startswith(f"{files[0]}: the chain is missing: the certificate of its issuer, "
                            "Test Authority 1, is not with it")  # fmt: skip


# certbot


def test_certbots_folder(authority, shown, tmp_path):
    certbot = Certbot(tmp_path, authority)
    certbot.renew("a.example", "www.a.example")
    certbot.renew("b.example")
    listening = Listening(store := store_of(certbot.live))
    for name in ("a.example", "www.a.example", "b.example"):
        folder = certbot.live / name.removeprefix("www.")
        assert shown(listening, name) == serial_in(folder / CERTBOT[0])
    before = shown(listening)
    certbot.renew("a.example", "www.a.example")
    assert len(told(store)) == 1
    assert shown(listening) == serial_in(certbot.live / "a.example" / CERTBOT[0]) != before
    certbot.renew("c.example")
    (line,) = told(store)
    assert line.startswith("new: certificate for c.example")
    assert shown(listening, "c.example") == serial_in(certbot.live / "c.example" / CERTBOT[0])
    assert [found.names[0] for found in store.certificates] == [
        "a.example", "b.example", "c.example"
    ]  # fmt: skip


def test_while_certbot_makes_its_links_anew_nothing_is_told(authority, tmp_path):
    certbot = Certbot(tmp_path, authority)
    certbot.renew("a.example")
    store = store_of(certbot.live)
    for name in CERTBOT:
        link = certbot.live / "a.example" / name
        target = link.readlink()
        link.unlink()
        assert told(store) == []
        link.symlink_to(target)
        assert told(store) == []


def test_a_name_that_is_gone_is_served_until_the_settings_are_read_anew(authority, shown, tmp_path):
    certbot = Certbot(tmp_path, authority)
    certbot.renew("a.example")
    certbot.renew("b.example")
    listening = Listening(store := store_of(certbot.live))
    shutil.rmtree(certbot.live / "b.example")
    told(store)
    (line,) = told(store)
    assert line.startswith("certificate not taken, the old one stays: ")
    assert shown(listening, "b.example") == serial_in(
        tmp_path / "archive" / "b.example" / "fullchain2.pem"
    )
    store.take(store.plan(sources_of(settings_of(certbot.live))))
    assert [found.names[0] for found in store.certificates] == ["a.example"]
    assert told(store) == []


def test_a_folder_that_is_away_is_told_once_and_its_certificates_stay(authority, tmp_path):
    certbot = Certbot(tmp_path, authority)
    certbot.renew("a.example")
    store = store_of(certbot.live)
    certbot.live.rename(tmp_path / "elsewhere")
    said = told(store) + told(store) + told(store)
    assert said[0] == f"cannot look for certificates: {certbot.live}: No such file or directory"
    assert len(said) == 2
    assert [found.names[0] for found in store.certificates] == ["a.example"]
    (tmp_path / "elsewhere").rename(certbot.live)
    told(store)
    assert store.problems == []


def test_a_new_one_that_is_broken_is_told_once(authority, tmp_path):
    certbot = Certbot(tmp_path, authority)
    certbot.renew("a.example")
    store = store_of(certbot.live)
    (certbot.live / "b.example").mkdir()
    assert told(store) == []
    (certbot.live / "b.example" / "fullchain.pem").write_text("half")
    assert told(store) == []
    (line,) = told(store)
    assert line.startswith("certificate not taken, it is not served: ")
    assert told(store) == []
    certbot.renew("b.example")
    assert told(store)[0].startswith("new: certificate for b.example")


# time


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def test_what_comes_with_time_is_told_each_day(authority, tmp_path):
    cert, key = authority.issue(tmp_path / "a", "a.example", until=90 * DAY)
    plain = Store.of_files(str(cert), str(key)).certificates[0]
    day = DAY.total_seconds()
    clock = Clock(plain.not_after - 40 * day)
    store = store_of((cert, key), clock=clock)
    assert told(store) == []
    clock.now = plain.not_after - 20.5 * day
    assert "expires in 20 days, on" in told(store)[0]
    clock.now += 0.2 * day
    assert told(store) == []
    clock.now += 0.4 * day
    assert "expires in 19 days, on" in told(store)[0]
    clock.now = plain.not_after - day / 2
    assert "expires in 12 hours, on" in told(store)[0]
    clock.now = plain.not_after + 1
    assert "the certificate has expired on" in told(store)[0]
    assert told(store) == []


def test_one_that_expires_gives_way_to_one_that_has_not(authority, tmp_path):
    old = authority.issue(tmp_path / "old", "a.example", until=2 * DAY)
    new = authority.issue(tmp_path / "new", "a.example", until=90 * DAY)
    clock = Clock(Store.of_files(str(old[0]), str(old[1])).certificates[0].not_after - 1)
    store = store_of(old, new, clock=clock)
    told(store)
    assert store.names()["a.example"].cert_file == str(old[0])
    clock.now += 2
    told(store)
    assert store.names()["a.example"].cert_file == str(new[0])

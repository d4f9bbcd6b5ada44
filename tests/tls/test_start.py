"""What is wrong with a certificate is said by the gateway's start and by check."""

import ssl
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from daarion_gw.__main__ import main
from tests.support.admin_pages import AdminPages
from tests.support.gateway import ANYWHERE, GatewayProcess, environment, twistd
from tests.support.hierarchy import DAY, PLAIN, Authority, key_pem
from tests.support.message import get
from tests.support.waiting import until

OURS = "daarion-tls:0:interface=127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Shown(AdminPages, GatewayProcess):
    """A gateway that takes all from its file, with an admin listener."""

    def __init__(self, folder, configuration, *flags, **words):
        command = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, *flags)
        super().__init__(folder, configuration, command=command, **words)


def configured(*entries, listen=OURS, strict=False):
    certificates = "".join(f"\n    - {entry}" for entry in entries)
    switch = "on" if strict else "off"
    tls = f"tls:\n  strict: {switch}\n  certificates: {certificates or '[]'}\n"
    return f'gateway: {{access_log: off, listen: "{listen}"}}\nroutes: {{}}\n' + tls


def pair_of(files):
    return f"{{cert: {files[0]}, key: {files[1]}}}"


def own(files, kind="daarion-tls"):
    return f"{kind}:0:interface=127.0.0.1:privateKey={files[1]}:certKey={files[0]}"


def run(command, folder, text):
    (folder / "gateway.yaml").write_text(text)
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True,
                          timeout=60)  # fmt: skip


def check(folder, text):
    return run([sys.executable, "-m", "daarion_gw", "check"], folder, text)


def start(folder, text, *flags):
    return run(twistd("--admin", "off", *flags), folder, text)


# what cannot be served at all

BROKEN = {
    "another's key": "this key does not belong to the certificate in ",
    "an encrypted key": "the key is encrypted, and nobody is there to ask for its password",
    "no key": "No such file or directory",
    "half a certificate": "a certificate in PEM form is expected",
}


def broken_pair(authority, folder, how):
    """Files with something wrong, and which of them is named for it."""
    cert, key = authority.issue(folder, "a.example")
    if how == "another's key":
        authority.issue(folder, "b.example", layout=("other.pem", key.name))
    elif how == "an encrypted key":
        plain = serialization.load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(key_pem(plain, serialization.BestAvailableEncryption(b"secret")))
    elif how == "no key":
        key.unlink()
    else:
        cert.write_bytes(cert.read_bytes()[:300])
        return (cert, key), cert
    return (cert, key), key


PLACES = ("tls:", "daarion-tls:", "ssl:")


def with_pair(files, where):
    """A configuration whose only certificate is named there."""
    if where == "tls:":
        return configured(pair_of(files))
    return configured(listen=own(files, where[:-1]))


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("where", PLACES)
def test_what_cannot_be_served_is_told_by_check(authority, tmp_path, how, where, monkeypatch):
    files, wrong = broken_pair(authority, tmp_path / "files", how)
    (tmp_path / "gateway.yaml").write_text(with_pair(files, where))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["check"])
    assert done.exit_code == 1
    assert f"{wrong}: {BROKEN[how]}" in done.stderr
    assert "secret" not in done.stderr and "fine" not in done.stdout


@pytest.mark.parametrize(
    ("where", "how"), [*zip(PLACES, BROKEN, strict=False), ("tls:", "half a certificate")]
)
def test_the_process_ends_before_it_listens(authority, tmp_path, where, how):
    files, wrong = broken_pair(authority, tmp_path / "files", how)
    done = start(tmp_path, with_pair(files, where))
    assert done.returncode == 2, done.stderr
    assert f"{wrong}: {BROKEN[how]}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "listening on" not in done.stdout


def test_twistds_check_and_a_master_say_the_same(authority, tmp_path):
    files, key = broken_pair(authority, tmp_path / "files", "another's key")
    text = configured(pair_of(files))
    for flags, code in ((["--check"], 1), (["--workers", "2"], 2)):
        done = start(tmp_path, text, *flags)
        assert done.returncode == code
        assert f"gateway.yaml: tls.certificates[0]: {key}: this key does not" in done.stderr
        assert done.stderr.endswith("1 mistake\n")


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_a_listener_without_a_certificate(tmp_path, flags):
    text = configured()
    for done, code in ((check(tmp_path, text), 1), (start(tmp_path, text, *flags), 2)):
        assert done.returncode == code
        assert done.stderr == (
            f"cannot listen on '{OURS}': it has no certificate: name one in its string "
            "(privateKey=FILE:certKey=FILE), or any number in gateway.yaml (tls: {certificates: "
            "[{cert: FILE, key: FILE}]})\n1 mistake\n"
        )


# what can be served, though not to the liking of clients


def doubtful(authority, folder):
    """Pairs with something to be said of each: what, and whether it is a mistake."""
    said = {
        "expired": ({"since": -9 * DAY, "until": -DAY}, "the certificate has expired on ", True),
        "early": ({"since": DAY, "until": 9 * DAY}, "the certificate is valid from ", True),
        "bare": ({"with_chain": False, "until": 80 * DAY}, "the chain is missing: ", False),
        "soon": (
            {"since": -70 * DAY, "until": 20 * DAY},
            "the certificate expires in 19 days",
            False,
        ),
    }
    for name, (words, sentence, is_wrong) in said.items():
        files = authority.issue(folder / name, f"{name}.example", **words)
        yield files, f"{files[0]}: {sentence}", is_wrong


def test_what_clients_will_not_like_is_told_by_check(authority, tmp_path, monkeypatch):
    good = authority.issue(tmp_path / "good", "a.example", until=80 * DAY)
    monkeypatch.chdir(tmp_path)

    def check(text):
        (tmp_path / "gateway.yaml").write_text(text)
        return CliRunner().invoke(main, ["check"])

    for files, sentence, is_wrong in doubtful(authority, tmp_path):
        done = check(configured(pair_of(good), pair_of(files)))
        assert done.exit_code == is_wrong, done.stderr
        assert (sentence if is_wrong else f"warning: {sentence}") in done.stderr
        if not is_wrong:
            summary, first, second = done.stdout.splitlines()
            assert summary.startswith("gateway.yaml: fine, 0 routes")
            assert first.startswith("certificate for a.example, by Test Authority 1, until ")
            assert second.startswith(f"certificate for {files[0].parent.name}.example")
    assert check(configured(pair_of(good))).stderr == ""


def test_all_of_them_are_told_at_the_start_and_the_good_one_is_served(authority, tmp_path):
    good = authority.issue(tmp_path / "good", "a.example")
    ssl_only = authority.issue(tmp_path / "ssl", "s.example", layout=PLAIN, since=-9 * DAY,
                               until=-DAY)  # fmt: skip
    found = list(doubtful(authority, tmp_path))
    text = configured(pair_of(good), *(pair_of(files) for files, _, _ in found))
    gateway = Shown(tmp_path, text, "--listen", OURS, "--listen", own(ssl_only, "ssl"))
    try:
        for _, sentence, _ in found:
            assert sentence in gateway.output
        assert f"{ssl_only[0]}: the certificate has expired on " in gateway.output
        assert gateway.output.count("certificate for ") == 6
        client = gateway.connect_tls(0, authority.client(), "a.example")
        assert client.ask(get("/healthz")).body == b"OK"
        names = [name for row in gateway.status()["certificates"]["served"]
                 for name in row["names"]]  # fmt: skip
        assert names == [f"{n}.example" for n in ("a", "expired", "early", "bare", "soon", "s")]
        numbers = gateway.numbers()
        for name in names:
            assert numbers["daarion_certificate_expiry_timestamp_seconds", name] > 1e9
        gateway.stop()
    finally:
        gateway.kill()


# a reload


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_a_reload_takes_all_of_tls_or_nothing(authority, tmp_path, flags):
    one = authority.issue(tmp_path / "one", "a.example", until=50 * DAY)
    two = authority.issue(tmp_path / "two", "b.example")
    gateway = Shown(tmp_path, configured(pair_of(one)), *flags)

    def served(name):
        context = authority.client()
        context.check_hostname = False
        client = gateway.connect_tls(0, context, name)
        return client.socket.getpeercert()["subjectAltName"][0][1]

    try:
        assert served("b.example") == "a.example"
        gateway.file.write_text(configured(pair_of(two), pair_of((one[0], two[1])), strict=True))
        gateway.reload()
        assert (f"tls.certificates[1]: {two[1]}: this key does not belong to the certificate in "
                f"{one[0]}" in gateway.output)  # fmt: skip
        assert "the old configuration stays" in gateway.output
        assert served("b.example") == "a.example"
        gateway.file.write_text(configured(pair_of(two), pair_of(one)))
        gateway.reload()
        assert served("b.example") == "b.example"
        assert served("nowhere.example") == "b.example"
        assert gateway.output.count("certificate for b.example") == 1
        # As one process has it, however many there are.
        expiry = gateway.numbers()["daarion_certificate_expiry_timestamp_seconds", "a.example"]
        assert 49 < (expiry - time.time()) / DAY.total_seconds() < 50
        gateway.stop()
    finally:
        gateway.kill()


def test_a_name_that_is_no_text_leaves_nothing_in_the_log(authority, tmp_path):
    files = [authority.issue(tmp_path / name, f"{name}.example") for name in ("a", "b")]
    gateway = Shown(tmp_path, configured(*map(pair_of, files)))
    try:
        before = gateway.output
        hello = hello_for(authority, "x.example").replace(b"x.example", b"\xff\xfe.exampl")
        for _ in range(20):
            client = gateway.connect()
            client.send(hello)
            client.rest()
        until(lambda: gateway.is_quiet(0.2), what="rest")
        assert gateway.output[len(before) :].count("\n") <= 2
        assert gateway.connect_tls(0, authority.client(), "b.example")
        gateway.stop()
    finally:
        gateway.kill()


def hello_for(authority, name):
    outgoing = ssl.MemoryBIO()
    tls = authority.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()

"""``daarion-gw certs dev``: what it makes, what it keeps, and who believes it."""

import datetime
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from ruamel.yaml import YAML

from daarion_gw.__main__ import main
from daarion_gw.tls.development import DevelopmentError, make
from tests.support.certificates import make_certificate, server_context

FILES = ("ca-key.pem", "ca.pem", "cert.pem", "key.pem")
DAY = datetime.timedelta(days=1)


def dev(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["certs", "dev", "--folder", str(folder), *words])


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout + done.stderr


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# what it makes


def test_without_names_it_is_for_this_machine(tmp_path):
    done = dev(tmp_path / "certs")
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(content(tmp_path / "certs")) == [".gitignore", *FILES]
    verified = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                tmp_path / "certs/ca.pem", tmp_path / "certs/cert.pem")  # fmt: skip
    for name in (
        ("-verify_hostname", "localhost"),
        ("-verify_ip", "127.0.0.1"),
        ("-verify_ip", "::1"),
    ):
        assert openssl(*verified[:1], *name, *verified[1:]).endswith("cert.pem: OK\n")
    said = openssl(*verified[:1], "-verify_hostname", "localhost.evil", *verified[1:])
    assert "hostname mismatch" in said


def test_its_authority_is_with_it(tmp_path):
    """Whatever checks a chain, and knows no root of this kind, finds nothing missing."""
    dev(tmp_path)
    chain = x509.load_pem_x509_certificates((tmp_path / "cert.pem").read_bytes())
    assert chain[1:] == [read(tmp_path / "ca.pem")]
    chain[0].verify_directly_issued_by(chain[1])


def test_names_and_addresses(tmp_path):
    dev(
        tmp_path,
        "App.Test.",
        "*.app.test",
        "10.0.0.5",
        "[::1]",
        "grafana",
        "приклад.test",
        "app.test",
    )
    names = read(tmp_path / "cert.pem").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(name.value) for name in names.value] == [
        "app.test", "*.app.test", "10.0.0.5", "::1", "grafana", "xn--80aikifvh.test",
    ]  # fmt: skip


def test_keys_are_for_nobody_else_and_git_sees_none_of_it(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    folder = tmp_path / "certs"
    before = os.umask(0)
    try:
        dev(folder)
    finally:
        os.umask(before)
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in FILES}
    assert modes == {"ca-key.pem": 0o600, "ca.pem": 0o644, "cert.pem": 0o644, "key.pem": 0o600}
    seen = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert seen.stdout == ""


def test_a_gitignore_that_lets_keys_through_is_told(tmp_path):
    (tmp_path / ".gitignore").write_text("*.key\n")
    assert "does not keep *.pem out of git" in dev(tmp_path).stdout
    assert (tmp_path / ".gitignore").read_text() == "*.key\n"


def test_browsers_take_no_longer_ones(tmp_path):
    dev(tmp_path)
    leaf = read(tmp_path / "cert.pem")
    assert 390 * DAY < leaf.not_valid_after_utc - leaf.not_valid_before_utc <= 398 * DAY
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_ends_with_its_authority(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    make(tmp_path, [], now=now - 3600 * DAY)
    made = make(tmp_path, [], now=now)
    assert made.until == read(tmp_path / "ca.pem").not_valid_after_utc < now + 51 * DAY


# what the authority may


def test_the_authority_speaks_for_development_alone(tmp_path):
    """Whoever gets its key cannot speak for the rest of the world."""
    dev(tmp_path, "app.example.com")
    key = tmp_path / "stolen.pem"
    for name, verdict in (
        ("www.bank.com", "permitted subtree violation"),
        ("x.app.example.com", "OK"),
    ):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                "-keyout", key, "-out", tmp_path / "r", "-subj", "/CN=x")  # fmt: skip
        (tmp_path / "e").write_text(f"subjectAltName=DNS:{name}\n")
        openssl("x509", "-req", "-in", tmp_path / "r", "-extfile", tmp_path / "e", "-CA",
                tmp_path / "ca.pem", "-CAkey", tmp_path / "ca-key.pem", "-out",
                tmp_path / "s")  # fmt: skip
        assert verdict in openssl("verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "s")


# who believes it


def test_curl_and_python_believe_it(tmp_path):
    made = make(tmp_path, [])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        context = server_context(tmp_path / "cert.pem", tmp_path / "key.pem")

        def serve() -> None:
            for _ in range(2):
                with context.wrap_socket(server.accept()[0], server_side=True) as near:
                    near.recv(65536)
                    near.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
                    )

        serving = threading.Thread(target=serve)
        serving.start()
        for host in ("localhost", "127.0.0.1"):
            done = subprocess.run(
                ["curl", "-sS", "--noproxy", "*", "-4", "--cacert", tmp_path / "ca.pem",
                 f"https://{host}:{port}/"],
                capture_output=True, text=True, timeout=30,
            )  # fmt: skip
            assert (done.stdout, done.stderr) == ("OK", "")
        serving.join(30)
    assert made.names == ("localhost", "127.0.0.1", "::1")
    assert ssl.create_default_context(cafile=str(tmp_path / "ca.pem")).get_ca_certs()


def test_it_says_what_to_write_and_it_loads(tmp_path):
    said = dev(tmp_path / "x", "*.app.test").stdout
    written = YAML(typ="safe").load(said.partition("gateway.yaml:\n")[2].partition("Try it:")[0])
    assert written == {
        "gateway": {"listen": ["daarion-tls:8443"]},
        "tls": {"certificates": [
            {"cert": f"{tmp_path}/x/cert.pem", "key": f"{tmp_path}/x/key.pem"}]},
    }  # fmt: skip
    there = "--resolve www.app.test:8443:127.0.0.1 https://www.app.test:8443/healthz"
    assert f"curl --cacert {tmp_path}/x/ca.pem {there}" in said
    for word in ("libnss3-tools", "Firefox", "update-ca-certificates", "macOS", "Windows"):
        assert word in said


# what it keeps


def test_the_authority_is_used_again(tmp_path):
    first = dev(tmp_path, "app.test").stdout
    before = content(tmp_path)
    second = dev(tmp_path, "app.test", "db.test")
    after = content(tmp_path)
    assert second.exit_code == 0
    assert "is a new authority" in first and "is the authority" in second.stdout
    assert [name for name in FILES if before[name] == after[name]] == ["ca-key.pem", "ca.pem"]
    assert openssl("verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "cert.pem").endswith("OK\n")


def test_a_key_that_others_could_read_is_shut(tmp_path):
    dev(tmp_path)
    (tmp_path / "ca-key.pem").chmod(0o644)
    dev(tmp_path)
    assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600


def expired(folder: Path) -> None:
    make(folder, [], now=datetime.datetime.now(datetime.UTC) - 4000 * DAY)


def without_its_key(folder: Path) -> None:
    make(folder, [])
    (folder / "ca-key.pem").unlink()


def without_its_certificate(folder: Path) -> None:
    make(folder, [])
    (folder / "ca.pem").unlink()


def another_key(folder: Path) -> None:
    make(folder, [])
    (folder / "ca-key.pem").write_bytes((folder / "key.pem").read_bytes())


def broken(folder: Path) -> None:
    make(folder, [])
    (folder / "ca-key.pem").write_text("x")


def nonsense(folder: Path) -> None:
    make(folder, [])
    (folder / "ca.pem").write_text("x")


def rsa(folder: Path) -> None:
    make(folder, [])
    openssl("genrsa", "-out", folder / "ca-key.pem", "2048")


def with_more_names(folder: Path) -> None:
    make(folder, ["app.test", "10.0.0.5", "localhost"])


def of_another_authority(folder: Path) -> None:
    make(folder, [])
    make_certificate(folder)


def a_key_alone(folder: Path) -> None:
    make(folder, [])
    (folder / "cert.pem").unlink()


def no_certificate(folder: Path) -> None:
    make(folder, [])
    (folder / "cert.pem").write_text("x")


def of_no_authority(folder: Path) -> None:
    """As the recipe with openssl makes it."""
    make_certificate(folder)


@pytest.mark.parametrize(
    ("prepare", "names", "why"),
    [
        (expired, (), "ca.pem has expired; --force makes a new authority in its place"),
        (without_its_key, (), "ca.pem is there without {}/ca-key.pem; --force"),
        (without_its_certificate, (), "ca-key.pem is there without {}/ca.pem; --force"),
        (another_key, (), "ca-key.pem is not the key of {}/ca.pem"),
        (broken, (), "ca-key.pem is no key that can be used"),
        (nonsense, (), "ca.pem is no certificate"),
        (rsa, (), "ca-key.pem is a key of another kind"),
        (make_certificate, ("www.bank.com",), "cert.pem is not of the authority in {}/ca.pem"),
        (with_more_names, ("localhost",),
         "cert.pem is also for app.test, 10.0.0.5: name that too; --force replaces both files"),
        (with_more_names, ("app.test", "10.0.0.5", "localhost", "www.bank.com", "8.8.8.8"),
         "ca.pem may not speak for www.bank.com, 8.8.8.8; --force"),
        (of_another_authority, (), "cert.pem is not of the authority in {}/ca.pem; --force"),
        (of_no_authority, (), "cert.pem is not of the authority in {}/ca.pem; --force"),
        (a_key_alone, (), "key.pem is there without {}/cert.pem; --force"),
        (no_certificate, (), "cert.pem is no certificate; --force"),
    ],
)  # fmt: skip
def test_nothing_is_lost_unless_it_is_asked_for(tmp_path, prepare, names, why):
    prepare(tmp_path)
    before = content(tmp_path)
    refused = dev(tmp_path, *names)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("no certificate was made: ")
    assert f"{tmp_path}/{why.format(tmp_path)}" in refused.stderr
    assert content(tmp_path) == before
    forced = dev(tmp_path, "--force", *names)
    assert (forced.exit_code, forced.stderr) == (0, "")
    assert openssl("verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "cert.pem").endswith("OK\n")


@pytest.mark.parametrize(
    "name",
    ["", "https://app.test", "app.test:8443", "app_.test/x", "-a.test", "a-.test", "a..test", "*",
     "x.*.test", "a b", "x" * 64, ".".join(["x" * 60] * 5), "1.2.3.4/24", "fe80::1%lo", "ї" * 70],
)  # fmt: skip
def test_what_is_no_name_is_told(tmp_path, name):
    with pytest.raises(DevelopmentError):
        make(tmp_path, [name])
    done = dev(tmp_path, "--", name)
    assert done.exit_code == 1 and "Traceback" not in done.output
    assert content(tmp_path) == {}


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    done = dev(tmp_path / "file" / "certs")
    assert done.exit_code == 1 and "no certificate was made" in done.stderr


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch):
    make(tmp_path, [])
    before = content(tmp_path)

    def full(self: Path, mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = dev(tmp_path)
    assert "No space left on device" in done.stderr
    assert content(tmp_path) == before

"""``twistd daarion-gw`` as its user meets it: flags, mistakes, exit codes, listeners."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess, environment, twistd
from tests.support.message import get

ROUTES = 'gateway: {access_log: off}\nroutes: {/api/: {to: "http://127.0.0.1:1"}}\n'


def run(folder: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run twistd with ``flags`` where it is expected to end by itself."""
    return subprocess.run(
        twistd(*flags),
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway.yaml").write_text(ROUTES)
    return tmp_path


# --check


def test_check_of_a_good_file_exits_with_0(folder):
    done = run(folder, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gateway.yaml: fine, 1 route")


def test_check_without_a_file_is_about_the_default_table(tmp_path):
    done = run(tmp_path, "--check")
    assert done.returncode == 0
    assert "8 routes" in done.stdout


def test_check_of_a_bad_file_names_every_mistake_and_exits_with_1(folder):
    (folder / "gateway.yaml").write_text("routes:\n  /a/: {too: x}\n  b: {to: y}\n")
    done = run(folder, "--check")
    assert done.returncode == 1
    assert "gateway.yaml:2:9" in done.stderr and "gateway.yaml:3:" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_listens_nowhere(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(folder, "--check", "--listen", f"tcp:{port}").returncode == 0


# mistakes

WRONG = {
    "an unknown flag": (["--prot", "80"], "prot"),
    "a port that is none": (["--port", "http"], "--port takes a number from 0 to 65535"),
    "a port out of range": (["--port", "65536"], "'65536'"),
    "workers": (["--workers", "x"], "--workers x"),
    "a word too many": (["extra"], "extra"),
    "a file that is not there": (["--config", "missing.yaml"], "missing.yaml: cannot be read"),
    "a folder as file": (["--config", "."], "cannot be read"),
    "an unknown kind of listener": (["--listen", "quic:443"], "quic:443"),
    "a listener without a port": (["--listen", "tcp"], "'tcp'"),
    "a certificate that is not there": (
        ["--listen", "ssl:0:privateKey=no.pem:certKey=no.pem"], "no.pem: No such file"),
    "an admin listener that is none": (["--admin", "tcp:x"], "tcp:x"),
}  # fmt: skip


@pytest.mark.parametrize(("flags", "named"), WRONG.values(), ids=WRONG)
def test_wrong_usage_names_itself_and_exits_with_2(folder, flags, named):
    done = run(folder, *flags)
    assert done.returncode == 2
    assert named in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert "listening on" not in done.stdout


def test_a_bad_file_is_told_before_anything_listens(folder):
    (folder / "gateway.yaml").write_text("routes: {/a/: {to: 'ftp://x'}}\n")
    done = run(folder, "--listen", ANYWHERE)
    assert done.returncode == 2
    assert "gateway.yaml:1:" in done.stderr
    assert "listening on" not in done.stdout


def test_tests_that_fail_are_mistakes(folder):
    text = (folder / "gateway.yaml").read_text()
    (folder / "gateway.yaml").write_text(text + "\ntests: {url: /nowhere/x, route: /a/}\n")
    for code, flag in ((1, "--check"), (2, "--admin=off")):
        done = run(folder, flag, "--listen", ANYWHERE)
        assert done.returncode == code
        assert "tests[0]: /nowhere/x is answered 404 (no route leads there)" in done.stderr
        assert "listening on" not in done.stdout


def test_a_log_that_cannot_be_written_is_named(folder):
    (folder / "gateway.yaml").write_text(
        ROUTES.replace("access_log: off", "access_log: {format: json, file: no/where.log}")
    )
    done = run(folder, "--listen", ANYWHERE, "--admin", "off")
    assert done.returncode == 2
    assert "no/where.log" in done.stderr and "Traceback" not in done.stderr


def test_a_port_in_use_names_itself_and_its_owner(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listener = f"tcp:{port}:interface=127.0.0.1"
        done = run(folder, "--listen", listener, "--admin", "off")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert listener in said and f"127.0.0.1:{port}" in said
    assert re.search(rf"the port is in use by \S+ \(pid {os.getpid()}\)", said)
    assert "Traceback" not in done.stderr + done.stdout


def test_the_admin_listener_of_a_second_gateway_says_that_it_is_that(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        admin = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        done = run(folder, "--listen", ANYWHERE, "--admin", admin)
    assert done.returncode == 1
    said = "it is the admin listener; --admin moves it, --admin off does without"
    assert said in done.stdout + done.stderr


def test_an_address_of_another_machine_is_named(folder):
    done = run(folder, "--listen", "tcp:0:interface=192.0.2.1", "--admin", "off")
    assert done.returncode == 1
    assert "this machine has no such address" in done.stdout + done.stderr


def test_the_version(folder):
    done = run(folder, "--version")
    assert done.returncode == 0 and done.stdout.startswith("daarion-gw ")


def test_help_names_every_flag(folder):
    done = run(folder, "--help")
    assert done.returncode == 0
    for flag in ("--config", "--port", "--listen", "--admin", "--demo", "--check", "--workers"):
        assert flag in done.stdout


# listeners


def test_several_listeners_of_several_kinds(tmp_path):
    cert, key = make_certificate(tmp_path)
    gateway = GatewayProcess(
        tmp_path,
        ROUTES,
        listen=[
            ANYWHERE,
            f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
            "unix:gateway.sock",
        ],
    )
    try:
        clients = [
            gateway.connect(0),
            gateway.connect_tls(1, client_context(cert), NAME),
            gateway.connect_unix(tmp_path / "gateway.sock"),
        ]
        for client in clients:
            assert client.ask(get("/healthz")).body == b"OK"
            assert b"refused the connection" in client.ask(get("/api/x")).body
        gateway.stop()
    finally:
        gateway.kill()


def test_the_file_says_where_to_listen(tmp_path):
    gateway = GatewayProcess(
        tmp_path, 'gateway: {listen: ["tcp:0:interface=127.0.0.1"], access_log: off}\n', listen=()
    )
    try:
        assert gateway.connect().ask(get("/healthz")).body == b"OK"
        gateway.stop()
    finally:
        gateway.kill()


def test_the_environment_leads_a_default_upstream_elsewhere(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        gateway = GatewayProcess(
            tmp_path,
            "gateway: {access_log: off}\n",
            DAARION_MICRODAO_API_URL=f"http://127.0.0.1:{port}",
        )
        try:
            got = gateway.connect().ask(get("/api/x"))
            assert f"upstream microdao-api at 127.0.0.1:{port} refused".encode() in got.body
            gateway.stop()
        finally:
            gateway.kill()


def test_demo_answers_every_row_of_the_table(tmp_path):
    listen = ["--listen", ANYWHERE, "--admin", "off"]
    gateway = GatewayProcess(
        tmp_path, "gateway: {access_log: off}\n", command=twistd("--demo", *listen)
    )
    try:
        client = gateway.connect()
        for path in ("/api/", "/matrix/", "/_matrix/client/versions", "/grafana/", "/prometheus/",
                     "/rag/", "/notify/"):  # fmt: skip
            got = client.ask(get(path))
            assert got.status in (200, 302), (path, got.raw)
        gateway.stop()
    finally:
        gateway.kill()

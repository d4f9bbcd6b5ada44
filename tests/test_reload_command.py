"""``daarion-gw reload``: it checks, tells the running gateway, and says what came of it."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from daarion_gw.admin import asking
from daarion_gw.admin.asking import Admin, AskingError, admin_at
from tests.support.certificates import make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess, environment, twistd

CONFIG = "gateway: {access_log: off}\nroutes:\n  /api/: http://127.0.0.1:1\n"
ADMIN = re.compile(r"admin on .*\(127\.0\.0\.1:(\d+)\)")


def reload(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, what it printed, and what it complained about."""
    done = subprocess.run(
        [sys.executable, "-m", "daarion_gw", "reload", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    command = twistd("--admin", ANYWHERE, "--listen", ANYWHERE)
    gateway = GatewayProcess(folder, CONFIG, command=command)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def admin(gateway: GatewayProcess) -> str:
    found = ADMIN.search(gateway.output)
    assert found is not None
    gateway.file.write_text(CONFIG)
    return f"tcp:{found[1]}:interface=127.0.0.1"


def test_it_says_what_is_served_now(gateway, admin):
    gateway.file.write_text(CONFIG + "  /new/: http://127.0.0.1:1\n")
    told = reload(gateway.folder, "--admin", admin)
    assert told == (0, "reloaded: 2 routes of gateway.yaml\n", "")
    assert "reloaded: 2 routes of gateway.yaml" in gateway.output


def test_the_file_says_where_the_admin_listener_is(gateway, admin):
    gateway.file.write_text(CONFIG.replace("access_log", f'admin: "{admin}", access_log'))
    assert reload(gateway.folder)[:2] == (0, "reloaded: 1 routes of gateway.yaml\n")


def test_of_a_file_with_mistakes_nothing_is_told_to_anybody(gateway, admin):
    before = gateway.output.count("reloaded")
    gateway.file.write_text(CONFIG + "tests: {url: /api/x, route: /v2/}\nnonsense: 1\n")
    code, said, complaint = reload(gateway.folder, "--admin", admin)
    assert (code, said) == (1, "")
    assert complaint.splitlines()[0].startswith("gateway.yaml:5:1: nonsense: unknown key")
    gateway.file.write_text(CONFIG + "tests: {url: /api/x, route: /v2/}\n")
    assert "tests[0]: /api/x goes to route /api/" in reload(gateway.folder, "--admin", admin)[2]
    assert gateway.output.count("reloaded") == before


def test_why_the_gateway_did_not_take_it_is_told(gateway, admin):
    other = gateway.folder / "other.yaml"
    other.write_text(CONFIG)
    gateway.file.write_text("nonsense: 1\n")
    code, said, complaint = reload(gateway.folder, "--admin", admin, "--config", "other.yaml")
    assert (code, said) == (1, "")
    assert complaint.startswith("not reloaded, the old configuration stays:\ngateway.yaml:1:1: ")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_where_no_gateway_is_it_says_so(tmp_path):
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    code, said, complaint = reload(tmp_path, "--admin", f"http://127.0.0.1:{free_port()}")
    assert (code, said) == (1, "")
    assert complaint.startswith("not reloaded: no gateway answers at http://127.0.0.1:")
    assert complaint.endswith("Where its admin listener is elsewhere, say so by --admin\n")
    code, said, complaint = reload(tmp_path, "--admin", "unix:nowhere.sock")
    assert (code, said) == (1, "")
    assert "at unix:nowhere.sock (No such file or directory)" in complaint


def test_without_an_admin_listener_it_names_the_signal(tmp_path):
    (tmp_path / "gateway.yaml").write_text(CONFIG.replace("access_log", "admin: off, access_log"))
    code, said, complaint = reload(tmp_path)
    assert (code, said) == (1, "")
    assert "has no admin listener (admin: off): send SIGHUP" in complaint


class Claiming(BaseHTTPRequestHandler):
    """A status page that claims to be of the process ``pid``."""

    pid = 0

    def do_GET(self) -> None:
        body = json.dumps({"pid": self.pid, "reload": {"count": 0}} if self.pid else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def claim() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Claiming)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pid_that_is_somebody_elses_here_is_left_alone(tmp_path, claim):
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        Claiming.pid = bystander.pid
        code, said, complaint = reload(tmp_path, "--admin", claim)
        assert (code, said) == (1, "")
        assert f"says that it is pid {bystander.pid}, which is not so here" in complaint
        assert complaint.endswith("that is sleep\n")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    code, _, complaint = reload(tmp_path, "--admin", claim)
    assert code == 1
    assert complaint.endswith("no such process\n")


def test_what_is_no_admin_listener_is_told_apart(tmp_path, claim):
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    Claiming.pid = 0
    code, _, complaint = reload(tmp_path, "--admin", claim)
    assert code == 1
    assert f"what answers at {claim} is no admin listener of daarion-gw" in complaint


def test_another_users_process_is_named_as_such(gateway, admin, monkeypatch):
    # What the kernel says to whoever is not root nor the same user.
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(AskingError, match="is another user's process: ask as that user or as root"):
        asking.reload(admin_at(admin))


def test_an_admin_listener_on_a_unix_socket(tmp_path):
    text = CONFIG.replace("access_log", 'admin: "unix:admin.sock:mode=600", access_log')
    gateway = GatewayProcess(tmp_path, text, command=twistd("--listen", ANYWHERE))
    try:
        assert reload(tmp_path)[:2] == (0, "reloaded: 1 routes of gateway.yaml\n")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.exit_code()
    finally:
        gateway.kill()


def test_a_certificate_that_is_not_taken_is_told_beside_it(tmp_path):
    cert, key = make_certificate(tmp_path)
    text = CONFIG + f"tls: {{certificates: {{cert: '{cert}', key: '{key}'}}}}\n"
    command = twistd("--admin", ANYWHERE, "--listen", "daarion-tls:0:interface=127.0.0.1")
    gateway = GatewayProcess(tmp_path, text, command=command)
    try:
        found = ADMIN.search(gateway.output)
        assert found is not None
        key.write_text("no key\n")
        gateway.says("certificate not taken, the old one stays")
        code, said, complaint = reload(tmp_path, "--admin", f"http://127.0.0.1:{found[1]}")
        assert (code, said) == (0, "reloaded: 1 routes of gateway.yaml\n")
        assert complaint.startswith(f"warning: certificate not taken: {key}: ")
    finally:
        gateway.kill()


@pytest.mark.parametrize(
    ("text", "admin"),
    [
        ("tcp:9901:interface=127.0.0.1", Admin("127.0.0.1", 9901)),
        ("tcp:9901", Admin("127.0.0.1", 9901)),
        ("tcp:port=9901:interface=10.0.0.1", Admin("10.0.0.1", 9901)),
        ("tcp:9901:interface=0.0.0.0", Admin("127.0.0.1", 9901)),
        (r"tcp6:9901:interface=\:\:1", Admin("::1", 9901)),
        ("tcp6:9901", Admin("::1", 9901)),
        ("unix:/run/x.sock:mode=660", Admin("", 0, "/run/x.sock")),
        ("unix:address=/run/x.sock", Admin("", 0, "/run/x.sock")),
        ("http://127.0.0.1:9901", Admin("127.0.0.1", 9901)),
        ("http://[::1]:9901/status", Admin("::1", 9901)),
        ("http://h", Admin("h", 80)),
    ],
)
def test_where_an_admin_listener_is(text, admin):
    assert admin_at(text) == admin


@pytest.mark.parametrize(
    "text", ["9901", "tcp:", "tcp:x", "ssl:1", "http://", "http://h:x", "", "unix:"]
)
def test_other_words_are_wrong_usage(text, tmp_path):
    code, said, complaint = reload(tmp_path, "--admin", text)
    assert (code, said) == (2, "")
    assert "names no admin listener; expected tcp:9901, " in complaint

"""A new process takes the place of the old: what goes over to it, and what stays if it cannot."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daarion_gw.upgrade import Started
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.fixtures import far_side
from tests.support.gateway import ANYWHERE, environment, twistd
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.successors import Line, is_gone
from tests.support.systemd import become
from tests.support.waiting import until
from tests.support.websocket import CLOSE, frame, open_websocket, read_frame

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: off, drain_timeout: 5s}
routes:
  /api/: {to: "${ORIGIN}"}
  /ws/: {to: "${ORIGIN}"}
"""
BOTH = pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one process", "workers"])
BROKEN = "routes: {/api/: {too: x}}\n"


@pytest.fixture
def origin(far_side: dict[str, Origin]) -> Origin:
    far_side["ORIGIN"].forget()
    return far_side["ORIGIN"]


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "workers"])
def line(request, tmp_path: Path, origin: Origin) -> Iterator[Line]:
    line = Line(tmp_path, CONFIG, flags=request.param, ORIGIN=origin.url)
    yield line
    line.kill()
    assert "Traceback" not in line.output
    assert "Unhandled" not in line.output


@pytest.fixture
def alone(tmp_path: Path, origin: Origin) -> Iterator[Line]:
    """Of one process each."""
    line = Line(tmp_path, CONFIG, ORIGIN=origin.url)
    yield line
    line.kill()
    assert "Traceback" not in line.output


# what goes over


def test_the_new_process_has_the_port_and_the_old_one_ends_well(line):
    port = line.ports[0]
    new = line.upgrade()
    assert new != line.process.pid
    assert line.exit_code() == 0
    assert line.ports == [port, port], "nobody bound another"
    assert line.connect().ask(get("/healthz")).body == b"OK"
    assert line.pid == new
    line.end()


def test_what_is_under_way_ends_at_the_old_one(line, origin):
    client = line.connect()
    client.send(get("/api/slow"))
    far = origin.accept()
    far.request()
    line.upgrade()
    far.send(answer(200, b"hello"))
    assert client.answer().body == b"hello"
    assert client.rest() == b"" and client.ending == "closed"
    assert line.exit_code() == 0
    line.end()


def test_a_websocket_stays_at_the_old_one_until_it_is_sent_away(line, origin):
    client = line.connect()
    far, _, _ = open_websocket(client, origin)
    line.upgrade()
    assert read_frame(client).code == 1001
    client.send(frame(CLOSE, (1001).to_bytes(2, "big")))
    far.send(frame(CLOSE, (1001).to_bytes(2, "big"), masked=False))
    assert line.exit_code() == 0
    line.end()


def test_it_reads_the_file_anew(alone):
    alone.file.write_text(CONFIG + '  /new/: {to: "http://127.0.0.1:1"}\n')
    alone.upgrade()
    assert alone.connect().ask(get("/new/x")).status == 502
    alone.end()


def test_listeners_come_and_go_with_the_file(tmp_path, origin):
    """One that stays has its socket; what the file does not name is closed."""
    text = CONFIG.replace("access_log", 'listen: ["tcp:0:interface=127.0.0.1", {}], access_log')
    line = Line(tmp_path, text.replace("{}]", '"unix:old.sock"]'), listen=(), ORIGIN=origin.url)
    try:
        line.file.write_text(text.replace("{}]", '"unix:new.sock"]'))
        line.upgrade()
        assert line.exit_code() == 0
        assert line.connect().ask(get("/healthz")).status == 200
        assert line.connect_unix(tmp_path / "new.sock").ask(get("/healthz")).status == 200
        with socket.socket(socket.AF_UNIX) as sock:
            assert sock.connect_ex(str(tmp_path / "old.sock")) != 0
        line.end()
    finally:
        line.kill()


@BOTH
def test_the_file_of_a_unix_listener_lives_on_and_ends_with_the_last(tmp_path, origin, flags):
    line = Line(tmp_path, CONFIG, (ANYWHERE, "unix:x.sock:mode=600"), flags, ORIGIN=origin.url)
    file = tmp_path / "x.sock"
    try:
        inode = file.stat().st_ino
        for _ in range(2):
            before = line.pid
            new = line.upgrade()
            until(lambda: is_gone(before), what="the end of the old one")  # noqa: B023
            assert file.stat().st_ino == inode
            assert file.stat().st_mode & 0o777 == 0o600
            assert Path(f"{file}.lock").readlink() == Path(str(new))
            assert line.connect_unix(file).ask(get("/healthz")).body == b"OK"
        line.end()
        assert not file.exists()
        assert not Path(f"{file}.lock").is_symlink()
    finally:
        line.kill()


@BOTH
def test_tls_listeners_go_over_and_a_session_that_began_before_goes_on(tmp_path, origin, flags):
    cert, key = make_certificate(tmp_path)
    files = f"interface=127.0.0.1:privateKey={key}:certKey={cert}"
    listen = (f"daarion-tls:0:{files}", f"ssl:0:{files}")
    line = Line(tmp_path, CONFIG, listen, flags, ORIGIN=origin.url)
    context = client_context(cert)

    def visit(index: int, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        sock = socket.create_connection(("127.0.0.1", line.ports[index]), 10)
        found = context.wrap_socket(sock, server_hostname=NAME, session=session)
        found.sendall(get("/healthz", "Connection: close"))
        said = b""
        while piece := found.recv(65536):
            said += piece
        assert said.endswith(b"OK")
        return found

    try:
        with visit(0, None) as first:
            session = first.session
        assert not first.session_reused
        line.upgrade()
        assert line.exit_code() == 0
        with visit(0, session) as again:
            assert again.session_reused
        visit(1, None).close()
        line.end()
    finally:
        line.kill()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
@BOTH
def test_a_socket_of_systemds_goes_over(tmp_path, origin, flags, family):
    with socket.socket(family) as handed:
        handed.bind(str(tmp_path / "s") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        handed.listen()
        place = f"systemd:domain={family.name.removeprefix('AF_')}:name=http"
        command = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, "--listen", place, *flags)
        line = Line(tmp_path, CONFIG, command=become({"http": handed}, command),
                    files=[handed.fileno()], ORIGIN=origin.url)  # fmt: skip
        address = handed.getsockname()
    try:
        for _ in range(2):
            before = line.pid
            line.upgrade()
            until(lambda: is_gone(before), what="the end of the old one")  # noqa: B023
            with socket.socket(family) as sock:
                sock.connect(address)
                sock.sendall(get("/healthz"))
                assert sock.recv(65536).endswith(b"OK")
        line.end()
        assert family != socket.AF_UNIX or (tmp_path / "s").exists(), "it is systemd's"
    finally:
        line.kill()


# the pid file


def with_pid_file(*flags: str) -> list[str]:
    """A command line that leaves the pid file to twistd: twistd.pid where it works."""
    words = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, "--listen", ANYWHERE, *flags)
    words.remove("--pidfile=")
    return words


def test_the_pid_file_follows_and_ends_with_the_last(tmp_path, origin):
    line = Line(tmp_path, CONFIG, command=with_pid_file(), ORIGIN=origin.url)
    file = tmp_path / "twistd.pid"
    try:
        assert int(file.read_text()) == line.process.pid
        for _ in range(2):
            before = line.pid
            new = line.upgrade()
            until(lambda: is_gone(before), what="the end of the old one")  # noqa: B023
            assert int(file.read_text()) == new
        os.kill(int(file.read_text()), signal.SIGTERM)
        until(lambda: not file.exists(), what="the end of the pid file")
        until(lambda: is_gone(new), what="the end of the last one")
    finally:
        line.kill()


# what cannot be


def test_a_file_that_does_not_load_leaves_the_old_one_as_it_was(line):
    line.file.write_text(BROKEN)
    old = line.ask_for_upgrade()
    line.says("starts its successor")
    line.says(f"not upgraded, process {old} goes on: process {line.successors[-1]}: ended with 2")
    assert "gateway.yaml:1:" in line.output, "the reason, as it would be told at a terminal"
    status = line.status()
    assert status["pid"] == line.process.pid
    assert status["upgrades"]["asked"] == 1
    assert "ended with 2" in status["upgrades"]["failure"]
    assert not status["draining"]
    assert line.connect().ask(get("/healthz")).body == b"OK"
    # And when the file is right again, it works.
    line.file.write_text(CONFIG)
    assert line.upgrade() != old
    line.end()


def test_a_listener_that_cannot_be_had_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        line = Line(tmp_path, CONFIG.replace("access_log", f'listen: ["{ANYWHERE}"], access_log'),
                    listen=(), ORIGIN="http://127.0.0.1:1")  # fmt: skip
        try:
            line.file.write_text(line.file.read_text().replace(ANYWHERE, place))
            old = line.ask_for_upgrade()
            line.says(f"not upgraded, process {old} goes on")
            assert "the port is in use" in line.output
            assert line.connect().ask(get("/healthz")).body == b"OK"
            line.end()
        finally:
            line.kill()


def test_who_is_told_to_stop_has_no_successor(alone):
    old = alone.ask_for_upgrade()
    until(lambda: alone.successors, what="a successor")
    (new,) = alone.successors
    os.kill(old, signal.SIGTERM)
    assert alone.exit_code() == 0
    until(lambda: is_gone(new), what="the end of the successor")


def test_two_at_a_time_are_one(alone):
    old = alone.ask_for_upgrade()
    until(lambda: alone.successors, what="a successor")
    os.kill(old, signal.SIGUSR2)
    alone.says(f"upgrade: one is under way (pid {alone.successors[0]})")
    alone.says(f"took over from process {old}")
    assert len(alone.successors) == 1
    alone.end()


def test_a_predecessor_that_is_killed_leaves_a_gateway(alone):
    old = alone.ask_for_upgrade()
    until(lambda: alone.successors, what="a successor")
    os.kill(old, signal.SIGKILL)
    alone.process.wait()
    alone.says(f"took over from process {old}")
    assert alone.connect().ask(get("/healthz")).body == b"OK"
    assert alone.pid == alone.successors[0]
    alone.end()


def test_the_operator_is_answered_by_the_old_one_as_long_as_it_may_go_on(tmp_path, origin):
    line = Line(tmp_path, CONFIG, flags=("--workers", "2"), ORIGIN=origin.url)
    try:
        old = line.ask_for_upgrade()
        until(lambda: line.output.count("admin on ") == 2, what="the successor's listeners")
        os.kill(old, signal.SIGSTOP)
        until(lambda: line.output.count("2 workers (pids") == 2, what="the successor's workers")
        with socket.create_connection(("127.0.0.1", int(line.admin.split(":")[1]))) as asking:
            asking.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            asking.settimeout(0.5)
            with pytest.raises(TimeoutError):
                asking.recv(1)
            os.kill(old, signal.SIGCONT)
            asking.settimeout(10)
            assert asking.recv(1)
        line.says(f"took over from process {old}")
        line.end()
    finally:
        line.kill()


# how it is started


def started(*words: str, own: int, nodaemon: int = 1) -> Started:
    return Started(words, own, Path("/somewhere"), {"nodaemon": nodaemon, "pidfile": ""})


def test_it_is_started_as_the_old_one_was_but_without_a_pid_file():
    words = ("python3", "/opt/bin/twistd", "-n", "daarion-gw", "--port", "80")
    same = [sys.executable, "/opt/bin/twistd", "-n", "--pidfile=", "daarion-gw", "--port", "80"]
    assert started(*words, own=2).command == same
    assert started(*same, own=2).command == same, "and its own successor is too"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (started("python3", "twistd", "daarion-gw", own=0, nodaemon=0), "start it with twistd -n"),
        (started("python3", "site.py", own=0), "not started by twistd"),
        (Started(("python3", "twistd", "-n", "daarion-gw"), 0, Path("/"), None), "by twistd"),
        (started("python3", "twistd", "-n", "daarion-gw", own=0), None),
    ],
)
def test_who_cannot_be_followed_says_why(how, why):
    told = how.why_not()
    assert told is None if why is None else why in told


def test_the_first_process_of_a_container_is_not_followed(monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)
    told = started("python3", "twistd", "-n", "daarion-gw", own=0).why_not()
    assert told is not None and "start a new container" in told


def test_a_strange_variable_is_told(tmp_path):
    (tmp_path / "gateway.yaml").write_text(BROKEN.replace("too: x", 'to: "http://127.0.0.1:1"'))
    done = subprocess.run(
        twistd("--listen", ANYWHERE, "--admin", "off"),
        cwd=tmp_path, env=environment() | {"DAARION_GW_SOCKETS": "x"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "remove it from the environment" in done.stderr


# the operator's command


def ask(line: Line) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daarion_gw", "upgrade", "--admin", line.admin],
        cwd=line.folder, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_command_waits_for_the_new_process(line):
    done = ask(line)
    assert (done.returncode, done.stderr) == (0, "")
    (new,) = line.successors
    assert done.stdout == f"process {new} has taken over from process {line.process.pid}\n"
    assert f"process {new} took over from process {line.process.pid}" in line.output
    line.end()


def test_the_command_says_why_not(alone):
    alone.file.write_text(BROKEN)
    done = ask(alone)
    assert done.returncode == 1
    assert f"not upgraded: process {alone.process.pid} goes on" in done.stderr
    assert "gateway.yaml:1:" in done.stderr
    alone.end()


def test_nobody_there_is_told(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "daarion_gw", "upgrade", "--admin", "tcp:1:interface=127.0.0.1"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "not upgraded: no gateway answers at http://127.0.0.1:1" in done.stderr

"""How a gateway with workers starts, where it listens, and why it may not."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess, environment, twistd
from tests.support.message import get
from tests.support.systemd import become
from tests.support.waiting import until
from tests.workers.crew import Crew, is_gone

ROUTES = 'gateway: {access_log: off}\nroutes: {/api/: {to: "http://127.0.0.1:1"}}\n'


def run(
    folder: Path, *flags: str, command: list[str] | None = None, files: Sequence[int] = ()
) -> tuple[int, str]:
    """Run twistd where it is expected to end by itself; its exit code and all that it said."""
    (folder / "gateway.yaml").write_text(ROUTES)
    done = subprocess.run(
        command or twistd("--workers", "2", "--admin", "off", *flags),
        cwd=folder,
        env=environment(),
        pass_fds=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


# listeners


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


def test_several_listeners_of_several_kinds(tmp_path, certificate):
    cert, key = certificate
    files = f"interface=127.0.0.1:privateKey={key}:certKey={cert}"
    path = tmp_path / "gateway.sock"
    crew = Crew(
        tmp_path,
        ROUTES,
        listen=(ANYWHERE, f"ssl:0:{files}", f"daarion-tls:0:{files}", "unix:gateway.sock:mode=600"),
    )
    try:
        assert path.stat().st_mode & 0o777 == 0o600
        for _ in range(4):
            for client in (
                crew.connect(0),
                crew.connect_tls(1, client_context(cert), NAME),
                crew.connect_tls(2, client_context(cert), NAME),
                crew.connect_unix(path),
            ):
                assert client.ask(get("/healthz")).body == b"OK"
                assert b"refused the connection" in client.ask(get("/api/x")).body
        assert crew.output.count("listening on") == 4
        assert min(crew.open) > 4, "both take part"
        crew.stop()
        assert not path.exists()
    finally:
        crew.kill()


def test_a_listener_of_a_plugin_that_wraps_another(tmp_path):
    """Whatever wraps the socket is built in the worker."""
    crew = Crew(tmp_path, ROUTES, listen=("haproxy:tcp:0:interface=127.0.0.1",))
    try:
        client = crew.connect()
        client.send(b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n" + get("/healthz"))
        assert client.answer().body == b"OK"
        crew.stop()
    finally:
        crew.kill()


def domain(sock: socket.socket) -> str:
    return sock.family.name.removeprefix("AF_")


@pytest.fixture(params=[socket.AF_INET, socket.AF_UNIX])
def handed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A listening socket that another program has bound."""
    with socket.socket(request.param) as sock:
        sock.bind(str(tmp_path / "s") if request.param == socket.AF_UNIX else ("127.0.0.1", 0))
        sock.listen()
        yield sock


def test_a_socket_of_systemds(tmp_path, handed):
    place = f"systemd:domain={domain(handed)}:name=http"
    flags = ["--workers", "2", "--admin", "off", "--listen", place]
    command = become({"http": handed}, twistd(*flags))
    gateway = GatewayProcess(tmp_path, ROUTES, command=command, files=[handed.fileno()])
    try:
        for _ in range(8):
            with socket.socket(handed.family) as sock:
                sock.connect(handed.getsockname())
                sock.sendall(get("/healthz"))
                assert sock.recv(1 << 16).endswith(b"OK")
        gateway.stop()
    finally:
        gateway.kill()


def test_a_listener_that_cannot_be_handed_down(tmp_path):
    code, said = run(tmp_path, "--listen", "stdio:")
    assert code == 2
    assert "cannot listen on 'stdio:' with several workers" in said
    assert "--workers 1" in said and "Traceback" not in said


def test_a_socket_of_systemds_inside_of_another_listener(tmp_path, handed):
    """A worker could not find it: what surrounds it would have to be taken apart."""
    place = f"haproxy:systemd:domain={domain(handed)}:name=http"
    flags = ["--workers", "2", "--admin", "off", "--listen", place]
    command = become({"http": handed}, twistd(*flags))
    code, said = run(tmp_path, command=command, files=[handed.fileno()])
    assert code == 2
    assert f"cannot listen on {place!r} with several workers" in said


def test_a_port_in_use_names_itself_and_its_owner(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        code, said = run(tmp_path, "--listen", listener)
    assert code == 1
    assert f"cannot listen on {listener!r}" in said
    assert re.search(rf"the port is in use by \S+ \(pid {os.getpid()}\)", said)
    assert "Traceback" not in said


def test_a_second_gateway_does_not_share_the_port_of_the_first(tmp_path):
    crew = Crew(tmp_path, ROUTES)
    try:
        code, said = run(tmp_path, "--listen", f"tcp:{crew.ports[0]}:interface=127.0.0.1")
        assert code == 1 and "the port is in use by" in said
    finally:
        crew.kill()


def test_a_certificate_that_is_not_there(tmp_path):
    code, said = run(tmp_path, "--listen", "daarion-tls:0:privateKey=no.pem:certKey=no.pem")
    assert code == 2 and "no.pem" in said and "Traceback" not in said


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "other.yaml").write_text(ROUTES.replace("off", "{format: json, file: no/where}"))
    code, said = run(tmp_path, "--config", "other.yaml", "--listen", ANYWHERE)
    assert code == 2 and "no/where" in said and "Traceback" not in said


# workers


def test_none_that_can_start_ends_the_gateway(tmp_path, certificate):
    """The key is there for the master, and gone when the workers look for it."""
    cert, key = certificate
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'fork server' in sys.argv:\n"
        f"    import shutil; shutil.rmtree({str(tmp_path / 'keys')!r}, ignore_errors=True)\n"
    )
    (tmp_path / "keys").mkdir()
    key = key.rename(tmp_path / "keys" / "key.pem")
    place = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    (tmp_path / "gateway.yaml").write_text(ROUTES)
    done = subprocess.run(
        twistd("--workers", "2", "--admin", "off", "--listen", place),
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    assert "could not start: cannot listen on" in done.stdout
    assert "key.pem" in done.stdout
    assert "none is left, and none has served" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_as_many_as_there_are_processors(tmp_path):
    count = len(os.sched_getaffinity(0))
    if count == 1:
        pytest.skip("one processor: --workers auto is one process")
    crew = Crew(tmp_path, ROUTES, workers="auto")
    try:
        pids = crew.pids
        assert len(pids) == count
        assert f"{count} workers (pids {' '.join(map(str, pids))})" in crew.output
        crew.stop()
    finally:
        crew.kill()


def test_one_worker_is_one_process(tmp_path):
    crew = Crew(tmp_path, ROUTES, workers="1")
    try:
        assert "workers" not in crew.status()
        assert crew.numbers()["daarion_workers",] == 1
        assert not list(Path(f"/proc/{crew.process.pid}/task").glob("*/children/*"))
        children = Path(f"/proc/{crew.process.pid}/task/{crew.process.pid}/children").read_text()
        assert children == ""
        crew.stop()
    finally:
        crew.kill()


def test_the_stand_ins_are_there_once(tmp_path):
    crew = Crew(tmp_path, "gateway: {access_log: off}\n", flags=("--demo",))
    try:
        for client in crew.connections_of_each():
            for path in ("/api/", "/matrix/", "/grafana/", "/prometheus/", "/rag/", "/notify/"):
                got = client.ask(get(path))
                assert got.status in (200, 302), (path, got.raw)
        pids = crew.pids
        crew.stop()
        until(lambda: all(map(is_gone, pids)))
    finally:
        crew.kill()


def test_it_logs_to_a_file_of_twistds(tmp_path):
    """There is one log, and it has what the workers say."""
    command = twistd("--config", "gateway.yaml", "--admin", "off", "--workers", "2")
    command[4:4] = ["--logfile=gateway.log"]
    (tmp_path / "gateway.yaml").write_text(
        ROUTES.replace("access_log", 'listen: ["tcp:0:interface=127.0.0.1"], access_log')
    )
    log = tmp_path / "gateway.log"
    process = subprocess.Popen(command, cwd=tmp_path, env=environment())
    try:
        until(lambda: log.exists() and "2 workers" in log.read_text(), 30, "the start")
        port = int(re.findall(r"\(127\.0\.0\.1:(\d+)\)", log.read_text())[0])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(get("/api/x"))
            sock.recv(1 << 16)
        said = r"worker [12]: \S+: upstream \S+ at 127.0.0.1:1 refused the connection"
        until(lambda: re.search(said, log.read_text()), what="what a worker says")
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()

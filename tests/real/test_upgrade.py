"""New processes follow each other under load: not one request fails, not one is refused.

UPGRADE_FULL=1 makes it twenty of them (`make upgrade-full`).
"""

import http.client
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.installed import need_program
from tests.real.running import accepts, free_port, running
from tests.support.successors import Line

IS_FULL = os.environ.get("UPGRADE_FULL") == "1"
CONNECTIONS = 64
ROUTES = """
gateway: {{access_log: off, drain_timeout: 10s, listen: ["tcp:0:interface=127.0.0.1"]}}
routes: {{/api/: {{to: "http://127.0.0.1:{port}"}}}}
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 10000000;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
}}
"""
# What wrk counts as failed, in the order in which it says so.
SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path, port=port))
    argv = [need_program("nginx"), "-c", configuration, "-p", tmp_path, "-e", "stderr"]
    with running(argv, tmp_path / "nginx.log", ready=lambda: accepts(port)):
        yield port


class Visitors:
    """Each request on a connection of its own, one after the other, until told to stop."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._visit)

    def _visit(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("GET", "/api/x")
                answer = connection.getresponse()
                if answer.status != 200 or answer.read() != b"hello":
                    self.failures.append(f"status {answer.status}")
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()

    def __enter__(self) -> "Visitors":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Load:
    """wrk with kept-alive connections, from the block's begin to its end."""

    # More than anything here takes: it is told to end before.
    _AT_MOST = 300

    def __init__(self, port: int) -> None:
        self.report = ""
        self._argv = [need_program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{self._AT_MOST}s",
                      "--timeout", "20s", f"http://127.0.0.1:{port}/api/x"]  # fmt: skip

    def __enter__(self) -> "Load":
        self._wrk = subprocess.Popen(
            self._argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._wrk:
            self._wrk.send_signal(signal.SIGINT)
            self.report, _ = self._wrk.communicate(timeout=30)


def failed(report: str) -> dict[str, int]:
    """What wrk says went wrong."""
    requests = re.search(r"(\d+) requests in", report)
    assert requests is not None, report
    assert int(requests[1]) > 100
    found = SOCKET_ERRORS.search(report)
    counts = [int(number) for number in found.groups()] if found else [0, 0, 0, 0]
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    names = ("connect", "read", "write", "timeout", "status")
    numbers = [*counts, int(statuses[1]) if statuses else 0]
    return {name: number for name, number in zip(names, numbers, strict=True) if number}


@pytest.mark.parametrize(
    ("flags", "count"),
    [((), 20 if IS_FULL else 6), (("--workers", "2"), 20 if IS_FULL else 5)],
    ids=["one process", "workers"],
)
def test_nothing_is_lost_under_load(tmp_path: Path, origin: int, flags, count: int):
    gateway = Line(tmp_path, ROUTES.format(port=origin), listen=(), flags=flags)
    try:
        port = gateway.ports[0]
        with Load(port) as load, Visitors(port) as visitors:
            pids = [gateway.upgrade() for _ in range(count)]
        assert len(set(pids)) == count
        assert failed(load.report) == {}, load.report
        assert visitors.failures == []
        assert visitors.answered > count
        gateway.end()
        assert "Traceback" not in gateway.output
    finally:
        gateway.kill()


def test_one_that_cannot_start_is_no_loss_either(tmp_path: Path, origin: int):
    gateway = Line(tmp_path, ROUTES.format(port=origin), listen=())
    try:
        (port,) = gateway.ports
        old = gateway.pid
        gateway.file.write_text("routes: {/api/: {too: x}}\n")
        with Load(port) as load, Visitors(port) as visitors:
            gateway.ask_for_upgrade()
            gateway.says(f"not upgraded, process {old} goes on")
        assert gateway.pid == old
        assert failed(load.report) == {}, load.report
        assert visitors.failures == []
        gateway.end()
    finally:
        gateway.kill()

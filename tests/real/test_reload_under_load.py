"""Reloads under load: no request fails, no WebSocket closes, no message is lost or doubled."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.native import Builder
from tests.real.installed import PEERS, need_program
from tests.real.running import accepts, free_port, running, until
from tests.workers.crew import Crew

WEBSOCKETS = 50
NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{one}; listen 127.0.0.1:{other}; location / {{ return 200 "ok"; }} }}
}}
"""
# Each reload leads /app/ to the other server, changes the WebSockets' route and names a new one.
CONFIG = """
gateway: {{access_log: off, drain_timeout: 1s}}
routes:
  /app/: {{to: "http://127.0.0.1:{server}"}}
  /ws/: {{to: "http://127.0.0.1:{echo}", timeouts: {{send: {number}s}}}}
  /extra-{number}/: {{to: "http://127.0.0.1:{server}"}}
tests:
  - {{url: /app/x, route: /app/, target: /x}}
"""


@pytest.fixture(scope="module")
def far_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, int]]:
    """Ports: two servers of HTTP, and one that sends WebSocket messages back."""
    folder = tmp_path_factory.mktemp("servers")
    need_program("cc")
    one, other, echo = free_port(), free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, one=one, other=other))
    nginx = [need_program("nginx"), "-p", folder, "-c", folder / "nginx.conf"]
    echoing = [Builder(folder).build("echo_origin"), str(echo)]
    with (
        running(nginx, folder / "nginx.log", ready=lambda: accepts(one) and accepts(other)),
        running(echoing, folder / "echo.log", ready=lambda: accepts(echo)),
    ):
        yield one, other, echo


@contextlib.contextmanager
def started(*argv: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def reload(gateway: Crew, text: str, number: int) -> None:
    """The reload ``number``, with ``text`` in the place of the file."""
    fresh = gateway.folder / "fresh"
    fresh.write_text(text)
    fresh.replace(gateway.file)
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(lambda: gateway.output.count("] reloaded: ") == number, 20, "the reload")


@pytest.mark.parametrize(
    ("workers", "reloads"), [("1", 100), ("2", 25)], ids=["one process", "workers"]
)
def test_reloads_are_not_noticed_by_anybody(
    far_side: tuple[int, int, int], tmp_path: Path, workers: str, reloads: int
) -> None:
    one, other, echo = far_side

    def written(number: int) -> str:
        server = other if number % 2 else one
        return CONFIG.format(server=server, echo=echo, number=number + 1)

    gateway = Crew(tmp_path, written(0), workers=workers)
    try:
        port = gateway.ports[0]
        url = f"http://127.0.0.1:{port}/app/x"
        wrk = [need_program("wrk"), "-t1", "-c64", "-d120s", "--timeout", "15s", url]
        talk = [sys.executable, PEERS / "ws_numbered.py", port, "/ws/x", WEBSOCKETS]
        with started(*talk) as talking, started(*wrk) as asking:
            assert talking.stdout is not None
            assert talking.stdout.readline() == "open\n"
            for number in range(1, reloads + 1):
                reload(gateway, written(number), number)
            shown = gateway.status()
            asking.send_signal(signal.SIGINT)
            summary = asking.communicate(timeout=30)[0]
            told = json.loads(talking.communicate(timeout=30)[0])
        assert (shown["reload"]["count"], shown["reload"]["ok"]) == (reloads, True)
        assert [route["route"] for route in shown["routes"]][2] == f"/extra-{reloads + 1}/"
        requests = re.search(r"(\d+) requests in", summary)
        assert requests is not None and int(requests[1]) > 10 * reloads, summary
        assert "Non-2xx" not in summary and "Socket errors" not in summary, summary
        assert told["wrong"] == []
        assert told["messages"] > 2 * WEBSOCKETS
        gateway.stop()
    finally:
        gateway.kill()

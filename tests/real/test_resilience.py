"""Upstreams that die and come back, starts that cannot work, and a stop that loses nothing."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.installed import PEERS, PROJECT, need_module
from tests.real.plain_http import ask
from tests.real.proxies import Proxy, listen, twistd
from tests.real.running import Running, accepts, free_port, running, until

# "At once": far below any timeout, far above what a busy machine needs.
AT_ONCE = 0.5


@contextlib.contextmanager
def http_upstream(folder: Path, port: int) -> Iterator[Running]:
    argv = [sys.executable, PEERS / "http_answers.py", str(port)]
    with running(argv, folder / "http.log", ready=lambda: accepts(port)) as process:
        yield process


def timed(url: str) -> tuple[int, float]:
    """Status and seconds of one GET."""
    begun = time.monotonic()
    status = ask("GET", url).status
    return status, time.monotonic() - begun


def test_a_dead_upstream_is_502_at_once_and_served_again_as_soon_as_it_is_back(
    proxy, tmp_path: Path
) -> None:
    port = free_port()
    front = proxy({"/app/": {"to": f"http://127.0.0.1:{port}"}})
    url = f"{front.url}/app/x"

    for _ in range(3):
        status, seconds = timed(url)
        assert status == 502
        assert seconds < AT_ONCE

    for _ in range(2):
        with http_upstream(tmp_path, port) as upstream:
            assert timed(url)[0] == 200
            # Dies with kept-alive connections in the proxy's hands.
            upstream.popen.kill()
            upstream.popen.wait()
            status, seconds = timed(url)
            assert status == 502
            assert seconds < AT_ONCE


def test_a_dead_upstream_leaves_the_others_alone(proxy, tmp_path: Path) -> None:
    alive = free_port()
    with http_upstream(tmp_path, alive):
        front = proxy(
            {
                "/dead/": {"to": f"http://127.0.0.1:{free_port()}"},
                "/alive/": {"to": f"http://127.0.0.1:{alive}"},
            }
        )
        for _ in range(3):
            assert ask("GET", f"{front.url}/dead/x").status == 502
            assert ask("GET", f"{front.url}/alive/x").body == b"/x"


def test_a_dead_websocket_upstream_is_502_and_not_101(proxy) -> None:
    front = proxy({"/ws/": {"to": f"http://127.0.0.1:{free_port()}"}})
    answer = ask(
        "GET",
        f"{front.url}/ws/",
        fields={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status == 502


def run_to_the_end(*options: str | Path, folder: Path, watch: int) -> subprocess.CompletedProcess:
    """Run the gateway with options that cannot work; port `watch` must never be listened on."""
    argv = [str(word) for word in [*twistd(), *options]]
    gateway = subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    try:
        deadline = time.monotonic() + 15
        while gateway.poll() is None and time.monotonic() < deadline:
            assert not accepts(watch), "it listens although it cannot work"
            time.sleep(0.01)
    finally:
        gateway.kill()
    output = gateway.communicate()[0].decode()
    assert gateway.returncode != -signal.SIGKILL, f"still running after 15 s:\n{output}"
    return subprocess.CompletedProcess(argv, gateway.returncode, output)


@pytest.mark.usefixtures("gateway_only")
class TestStartsThatCannotWork:
    def test_a_wrong_flag_names_itself(self, tmp_path: Path) -> None:
        port = free_port()
        ended = run_to_the_end(
            *("--listen", listen(port), "--admin", "off", "--prot", "8080"),
            folder=tmp_path,
            watch=port,
        )
        assert ended.returncode == 2, ended.stdout
        assert "--prot" in ended.stdout
        assert "Traceback" not in ended.stdout

    def test_a_missing_file_names_itself(self, tmp_path: Path) -> None:
        port = free_port()
        ended = run_to_the_end(
            *("--config", "nowhere.yaml", "--listen", listen(port), "--admin", "off"),
            folder=tmp_path,
            watch=port,
        )
        assert ended.returncode == 2, ended.stdout
        assert "nowhere.yaml" in ended.stdout
        assert "Traceback" not in ended.stdout

    def test_a_file_with_a_mistake_says_where(self, tmp_path: Path) -> None:
        port = free_port()
        (tmp_path / "gateway.yaml").write_text(
            "routes:\n  /api/:\n    to: http://127.0.0.1:1\n    strip_prefx: false\n"
        )
        ended = run_to_the_end(
            *("--config", "gateway.yaml", "--listen", listen(port), "--admin", "off"),
            folder=tmp_path,
            watch=port,
        )
        assert ended.returncode == 2, ended.stdout
        assert "gateway.yaml:4" in ended.stdout
        assert "strip_prefx" in ended.stdout
        assert "Traceback" not in ended.stdout

    def test_a_port_in_use_says_which_and_by_whom(self, tmp_path: Path) -> None:
        free = free_port()
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = holder.getsockname()[1]
            ended = run_to_the_end(
                *("--listen", listen(taken), "--admin", "off"), folder=tmp_path, watch=free
            )
        assert ended.returncode != 0
        assert str(taken) in ended.stdout
        # This test holds it, and the gateway may see that: both run as the same user.
        assert str(os.getpid()) in ended.stdout
        assert "Traceback" not in ended.stdout


@pytest.fixture
def busy_front(proxy, tmp_path: Path) -> Iterator[Proxy]:
    """The proxy with a slow HTTP upstream and a WebSocket echo."""
    need_module("websockets")
    http_port, ws_port = free_port(), free_port()
    argv = [sys.executable, PEERS / "ws_echo.py", str(ws_port)]
    with (
        http_upstream(tmp_path, http_port),
        running(argv, tmp_path / "echo.log", ready=lambda: accepts(ws_port)),
    ):
        yield proxy(
            {
                "/app/": {"to": f"http://127.0.0.1:{http_port}"},
                "/ws/": {"to": f"http://127.0.0.1:{ws_port}"},
            }
        )


def client_of(front: Proxy) -> contextlib.closing[http.client.HTTPConnection]:
    """A kept-alive client, closed at the end of a `with`."""
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=30))


@pytest.mark.usefixtures("gateway_only")
class TestStopping:
    def test_sigterm_finishes_what_is_begun_and_begins_nothing(self, busy_front: Proxy) -> None:
        with client_of(busy_front) as slow:
            slow.request("GET", "/app/slow?s=3")
            answer = slow.getresponse()
            assert answer.read(4) == b"half"

            begun = time.monotonic()
            os.kill(busy_front.process.pid, signal.SIGTERM)
            until(lambda: not accepts(busy_front.port), 2, "no new connection is accepted")
            assert busy_front.process.popen.poll() is None, "it did not wait for the exchange"

            assert answer.read() == b"rest"
            assert busy_front.process.popen.wait(5) == 0
        # It goes when the exchange is done, not when its patience is.
        assert time.monotonic() - begun < 8

    def test_sigterm_closes_websockets_with_1001(self, busy_front: Proxy) -> None:
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        with connect(f"{busy_front.ws_url}/ws/") as socket_:
            socket_.send("still here?")
            assert socket_.recv(timeout=5) == "still here?"
            os.kill(busy_front.process.pid, signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                socket_.recv(timeout=10)
        assert closed.value.rcvd is not None, "cut without a close frame"
        assert closed.value.rcvd.code == 1001
        assert busy_front.process.popen.wait(10) == 0

    def test_sigterm_with_idle_kept_alive_clients_is_quick(self, busy_front: Proxy) -> None:
        with client_of(busy_front) as idle:
            idle.request("GET", "/app/x")
            assert idle.getresponse().read() == b"/x"
            begun = time.monotonic()
            os.kill(busy_front.process.pid, signal.SIGTERM)
            assert busy_front.process.popen.wait(10) == 0
        assert time.monotonic() - begun < 5

    def test_sigterm_under_load_loses_no_answer(self, busy_front: Proxy) -> None:
        """Every request whose answer began is answered whole."""
        broken: list[str] = []
        served = [0]

        def ask_on_and_on() -> None:
            while True:
                try:
                    answer = ask("GET", f"{busy_front.url}/app/{served[0]}")
                except http.client.IncompleteRead as cut:
                    broken.append(repr(cut))
                    return
                except (OSError, http.client.HTTPException):
                    return
                if answer.status != 503:
                    assert answer.status == 200
                served[0] += 1

        clients = [threading.Thread(target=ask_on_and_on) for _ in range(4)]
        for client in clients:
            client.start()
        until(lambda: served[0] > 100, 20, "a hundred answers")
        os.kill(busy_front.process.pid, signal.SIGTERM)
        assert busy_front.process.popen.wait(10) == 0
        for client in clients:
            client.join(10)
        assert broken == []

"""How the stand-ins start and stop: one alone, and all inside one process."""

import http.client
import json
import signal
import subprocess
import sys

import pytest

NAMES = [
    "microdao-api",
    "microdao-ws",
    "matrix-homeserver",
    "grafana",
    "prometheus",
    "rag-service",
    "notification-service",
]

ALL_OF_THEM = """
import json, sys
from twisted.internet import reactor, stdio
from twisted.internet.protocol import Protocol
from daarion_gw.demo.service import DemoService

class Order(Protocol):
    def dataReceived(self, data):
        demo.stopService().addCallback(lambda _: print("stopped", flush=True))

demo = DemoService(reactor)
print(json.dumps(demo.listen()), flush=True)
demo.startService()
stdio.StandardIO(Order())
reactor.run()
"""


def run(*arguments):
    script = f"from daarion_gw.demo.stand_in import main; main{arguments!r}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_is_ready_and_healthy(stand_in, name):
    one = stand_in(name)
    assert one.ready_line.endswith(f"stand-in {name} is ready at http://127.0.0.1:{one.port}\n")
    assert one.get("/health").status == 200


def test_an_unknown_name_lists_the_known_ones():
    done = run("grafna")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("daarion-gw: unknown stand-in 'grafna'; there are microdao-api, ")
    assert all(name in done.stderr for name in NAMES)


def test_a_port_in_use_is_named(stand_in):
    port = stand_in("grafana").port
    done = run("grafana", port, "127.0.0.1")
    assert done.returncode == 2
    assert f"stand-in grafana cannot listen on port {port}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_in_the_midst_of_work(order):
    script = "from daarion_gw.demo.stand_in import main; main('microdao-api', 0, '127.0.0.1')"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline().rpartition(":")[2])
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/stream?n=1000")
    assert client.getresponse().readline() == b"line 1 of 1000\n"
    process.send_signal(order)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert "Traceback" not in output + errors
    client.close()


def test_all_in_one_process_until_told_to_stop(websocket):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ALL_OF_THEM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        urls = json.loads(process.stdout.readline())
        assert list(urls) == NAMES
        ports = {name: int(url.removeprefix("http://127.0.0.1:")) for name, url in urls.items()}
        for port in ports.values():
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", "/health")
            assert client.getresponse().status == 200
            client.close()
        socket = websocket(ports["microdao-ws"], "/")
        socket.send(1, b"still there?")
        assert socket.receive() == (1, b"still there?")
        process.stdin.write("stop\n")
        process.stdin.flush()
        assert process.stdout.readline() == "stopped\n"
        # What was open is closed, and nothing listens any more.
        with pytest.raises((ConnectionError, ValueError)):
            socket.receive()
        for port in ports.values():
            with pytest.raises(ConnectionRefusedError):
                http.client.HTTPConnection("127.0.0.1", port, timeout=10).connect()
    finally:
        process.kill()
        process.communicate()

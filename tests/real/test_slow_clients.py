"""A thousand clients that are slow on purpose (slowhttptest), with normal traffic beside them.

Normal traffic is an open loop at a low rate (bench/native/pace.c): a request that had to wait
counts from when it was due. It is measured alone and beside the slow ones in turns, always in the
same gateway, and the medians are compared: what else this machine does meets both. A verdict that
is against the gateway is looked at over more turns.
"""

import contextlib
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.compiled import run
from tests.real.installed import need_program
from tests.real.running import Running, accepts, free_port, running
from tests.real.without import LOOKING_AT_EVERY_CONNECTION, twistd
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("gateway_only")

SLOW_CLIENTS = 1000
CONNECTIONS = 8
PER_SECOND = 300
SECONDS = 1.5
WARM_UP = 0.3
TURNS = 3
TURNS_AT_MOST = 9
# Normal p99 beside them is below so many times that of normal traffic alone.
BELOW = 2.0

# nginx waits for the whole of a body that it is to pass on.
# How each kind is slow: a byte or two now and then, of the head, of the body, of the answer.
KINDS = {
    "headers": ["-H", "-i", "3", "-x", "10"],
    "body": ["-B", "-i", "3", "-x", "10", "-s", "100000"],
    "read": ["-X", "-w", "10", "-y", "20", "-n", "3", "-z", "10"],
}

NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; client_body_timeout 600s;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /small {{ return 200 "small\\n"; }}
    location / {{ root {folder}/files; }}
    location /taken {{ proxy_pass http://127.0.0.1:{port}/small; }}
  }}
}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """nginx, which has time to spare at this rate: its port."""
    nginx, port = need_program("nginx"), free_port()
    folder = tmp_path / "nginx"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "large").write_bytes(b"x" * 1_000_000)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    argv = [nginx, "-c", folder / "nginx.conf", "-e", "stderr", "-p", folder]
    with running(argv, folder / "nginx.log", ready=lambda: accepts(port)):
        yield port


@contextlib.contextmanager
def front(
    folder: Path, port: int, without: str = "", **gateway: object
) -> Iterator[GatewayProcess]:
    """A gateway with /app/; `without`: see without.py; and with these keys of `gateway:`."""
    written = {
        "gateway": {"access_log": "off", **gateway},
        "routes": {"/app/": f"http://127.0.0.1:{port}"},
    }
    command = twistd("--admin", "off", "--listen", ANYWHERE, without=without)
    running_one = GatewayProcess(folder, json.dumps(written), command=command)
    try:
        yield running_one
        running_one.stop()
    finally:
        running_one.kill()


def clients_of(gateway: GatewayProcess) -> int:
    """How many connections to its port are established, seen from its side."""
    port = f":{gateway.ports[0]:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if (w := line.split())[1].endswith(port) and w[3] == "01")


@contextlib.contextmanager
def slow_clients(gateway: GatewayProcess, kind: str, folder: Path) -> Iterator[Running]:
    """A thousand of them, all connected when the block begins, and gone when it has ended."""
    path = {"headers": "small", "body": "taken", "read": "large"}[kind]
    url = f"http://127.0.0.1:{gateway.ports[0]}/app/{path}"
    size = ["-c", str(SLOW_CLIENTS), "-r", str(SLOW_CLIENTS), "-l", "60", "-p", "10", "-v", "0"]
    # What slows down should not take the processor's time from what is measured.
    nice = [need_program("nice"), "-n", "10"]
    argv = [*nice, need_program("slowhttptest"), *KINDS[kind], *size, "-u", url]
    process = Running(argv, folder / f"slow-{kind}.log")
    try:
        until(lambda: clients_of(gateway) >= SLOW_CLIENTS, 20, "a thousand slow clients")
        yield process
    finally:
        process.popen.kill()
        process.popen.wait()
        until(lambda: clients_of(gateway) == 0, 20, "the end of the slow clients")


def p99(gateway: GatewayProcess, seconds: float = SECONDS) -> float:
    """Of normal traffic, in microseconds."""
    port = gateway.ports[0]
    seen = run("pace", port, "/app/small", CONNECTIONS, PER_SECOND, seconds)
    assert seen["wrong"] == 0, seen
    return seen["p99"]


def compared(gateway: GatewayProcess, kind: str, folder: Path) -> tuple[float, float]:
    """p99 alone and beside the slow clients, in microseconds: the medians of the turns."""
    alone, beside = [], []
    p99(gateway, WARM_UP)
    while len(alone) < TURNS_AT_MOST:
        alone.append(p99(gateway))
        with slow_clients(gateway, kind, folder):
            beside.append(p99(gateway))
            assert clients_of(gateway) >= SLOW_CLIENTS, "they are there to the end"
        medians = statistics.median(alone), statistics.median(beside)
        if len(alone) >= TURNS and medians[1] < BELOW * medians[0]:
            break
    print(f"{kind}: alone {medians[0]:.0f} µs, beside {medians[1]:.0f} µs, {len(alone)} turns")
    return medians


# Longer than a turn, so that the slow ones are there for all of it.
PATIENT = {"head_timeout": "60s"}


@pytest.mark.parametrize("kind", KINDS)
def test_normal_traffic_hardly_notices_a_thousand_slow_clients(
    tmp_path: Path, server: int, kind: str
) -> None:
    with front(tmp_path, server, **PATIENT) as gateway:
        alone, beside = compared(gateway, kind, tmp_path)
    assert beside < BELOW * alone


def test_it_does_where_each_connection_costs_time(tmp_path: Path, server: int) -> None:
    """So the test above can fail: a quarter of a millisecond, four times a second, is seen."""
    with front(tmp_path, server, LOOKING_AT_EVERY_CONNECTION, **PATIENT) as gateway:
        p99(gateway, WARM_UP)
        alone = p99(gateway)
        with slow_clients(gateway, "headers", tmp_path):
            beside = p99(gateway)
    assert beside > BELOW * alone

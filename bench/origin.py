"""What stands behind every proxy: an nginx with static answers, the sink, and the echo.

The nginx writes down, for every request, the fields that a proxy had to add, so that a run can
prove that each proxy did all of the work for each request.
"""

import os
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.native import Builder
from bench.processes import HOST, NGINX, NGINX_USER, NotStartedError, Running, start
from bench.raw_client import BrokenError

SMALL = b'{"service":"origin","ok":true,"n":12345}'
BIG = 100_000_000
MEGABYTE = 1_000_000
# How many servers the origin can stand for.
SERVERS = 100
assert len(SMALL) == 40

_LOG_FIELDS = (
    "status",
    "uri",
    "http_host",
    "http_x_real_ip",
    "http_x_forwarded_for",
    "http_x_forwarded_proto",
    "http_x_forwarded_host",
    "http_x_request_id",
)

_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid origin.pid;
error_log stderr;
events {{ worker_connections 20000; }}
http {{
    log_format work '{fields}';
    access_log requests.log work buffer=64k flush=200ms;
    keepalive_timeout 1h;
    client_body_temp_path body;
    proxy_temp_path unused;
    fastcgi_temp_path unused;
    uwsgi_temp_path unused;
    scgi_temp_path unused;
    keepalive_requests 100000000;
    sendfile on;
    server {{
        {listen}
        root files;
        location = /small {{ default_type application/json; return 200 '{small}'; }}
    }}
}}
"""


@dataclass
class Origin:
    """Where the upstreams are. `port` serves /small, /big and /megabyte, `sink_port` takes
    uploads, `echo_port` answers WebSockets (0 when it could not be built), `ports` are many names
    of `port`.
    """

    port: int
    sink_port: int
    folder: Path
    running: list[Running]
    echo_port: int = 0
    ports: tuple[int, ...] = ()
    without_echo: str = ""
    # Seconds that the log may take to hold what was asked for.
    patience: float = 5.0
    _read: int = 0

    def stop(self) -> None:
        """End both."""
        for each in self.running:
            each.stop()

    def check_requests(
        self,
        uri: str,
        at_least: int,
        at_most: int,
        host: str,
        proto: str = "http",
        own_ids: bool = True,
    ) -> None:
        """Raise BrokenError unless the log has that many new requests, each with all its fields."""
        lines = self._new_lines(at_least)
        if not at_least <= len(lines) <= at_most:
            raise BrokenError(f"the origin saw {len(lines)} requests, not {at_least} to {at_most}")
        ids = set()
        for line in lines:
            parts = line.split("\t")
            _, path, seen_host, real_ip, chain, seen_proto, forwarded_host, request_id = parts
            done = (
                path == uri
                and seen_host == host
                and real_ip == HOST
                and chain.split(", ")[-1] == HOST
                and seen_proto == proto
                and forwarded_host == host
                and len(request_id) >= 8
            )
            if not done:
                raise BrokenError(f"the origin got a request without all its fields: {line!r}")
            ids.add(request_id)
        if own_ids and len(ids) != len(lines):
            raise BrokenError(f"{len(lines)} requests had {len(ids)} request ids")

    def forget_requests(self) -> None:
        """Leave out what came so far."""
        self._new_lines(0, settle=0.5)

    def _new_lines(self, expected: int, settle: float = 0.3) -> list[str]:
        """Read on in the log until enough lines are there and no more come."""
        lines: list[str] = []
        deadline = time.monotonic() + self.patience
        quiet_since = time.monotonic()
        with (self.folder / "requests.log").open() as log:
            log.seek(self._read)
            while time.monotonic() < deadline:
                fresh = [line.rstrip("\n") for line in log.readlines()]
                lines += fresh
                if fresh:
                    quiet_since = time.monotonic()
                if len(lines) >= expected and time.monotonic() - quiet_since > settle:
                    break
                time.sleep(0.02)
            self._read = log.tell()
        return lines


def start_origin(folder: Path, builder: Builder) -> Origin:
    """Start all; the folder gets the files to serve. Raises NotStartedError."""
    folder.mkdir()
    _write_files(folder / "files")
    ports = tuple(_free_ports(SERVERS))
    config = folder / "origin.conf"
    config.write_text(
        _CONFIG.format(
            fields="\\t".join(f"${name}" for name in _LOG_FIELDS).replace("\\t", "\t"),
            user=NGINX_USER,
            listen=" ".join(f"listen {HOST}:{port} backlog=4096;" for port in ports),
            small=SMALL.decode(),
        )
    )
    command = [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(config)]
    running = [start("origin", command, ports[0], folder)]
    sink_port, echo_port = _free_ports(2)
    sink = str(Path(__file__).with_name("sink.py"))
    running.append(start("sink", [sys.executable, sink, str(sink_port)], sink_port, folder))
    origin = Origin(ports[0], sink_port, folder, running, ports=ports)
    try:
        echo = [str(builder.build("echo_origin")), str(echo_port)]
        running.append(start("echo", echo, echo_port, folder))
        origin.echo_port = echo_port
    except NotStartedError as error:
        origin.without_echo = str(error)
    return origin


def _free_ports(count: int) -> list[int]:
    """All different: none is free again before the last is found."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _write_files(folder: Path) -> None:
    folder.mkdir()
    block = os.urandom(MEGABYTE)
    (folder / "megabyte").write_bytes(block)
    with (folder / "big").open("wb") as big:
        for _ in range(BIG // len(block)):
            big.write(block)

"""Both proxies with the same routes: nginx as the stack ran it, and the gateway."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.compare.recorder import HOST, Recorder
from tests.real.installed import need_program

ROOT = Path(__file__).resolve().parents[2]

# Prefix -> (upstream, whether the prefix is cut): the default table of the stack.
ROUTES = {
    "/api/": ("microdao-api", True),
    "/ws/": ("microdao-ws", True),
    "/matrix/": ("matrix-homeserver", True),
    "/_matrix/": ("matrix-homeserver", False),
    "/grafana/": ("grafana", False),
    "/prometheus/": ("prometheus", False),
    "/rag/": ("rag-service", True),
    "/notify/": ("notification-service", True),
    # Behind this one nobody listens.
    "/down/": ("down", True),
}
UPSTREAMS = tuple(dict.fromkeys(name for name, _ in ROUTES.values() if name != "down"))

# Started by root, nginx's worker would be nobody, who may not enter the test's folder.
_USER = "user root;" if os.geteuid() == 0 else ""

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 100m;
    keepalive_timeout 65s;
    client_body_temp_path body;
    fastcgi_temp_path unused;
    uwsgi_temp_path unused;
    scgi_temp_path unused;
    proxy_temp_path proxied;
    proxy_connect_timeout 60s;
    proxy_send_timeout 60s;
    proxy_read_timeout 60s;
    {upstreams}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen {host}:{port};
        server_name _;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-Id $request_id;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        add_header X-Content-Type-Options nosniff always;
        add_header X-Frame-Options DENY always;
        add_header Referrer-Policy strict-origin-when-cross-origin always;
        {extra}
        location = /healthz {{ default_type text/plain; return 200 OK; }}
        location = /api {{ return 301 /api/; }}
        {locations}
        location / {{ return 404; }}
    }}
}}
"""


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _port(recorder: Recorder, upstream: str) -> int:
    return recorder.down if upstream == "down" else recorder.ports[upstream]


@contextlib.contextmanager
def nginx(folder: Path, recorder: Recorder, extra: str = "") -> Iterator[int]:
    """Run nginx and give its port. `extra` goes into the server block."""
    program = need_program("nginx")
    folder.mkdir()
    port = free_port()
    names = dict.fromkeys(name for name, _ in ROUTES.values())
    upstreams = "\n    ".join(
        f"upstream {name} {{ server {HOST}:{_port(recorder, name)}; }}" for name in names
    )
    locations = "\n        ".join(
        f"location {prefix} {{ proxy_pass http://{name}{'/' if cut else ''}; }}"
        for prefix, (name, cut) in ROUTES.items()
    )
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            user=_USER,
            host=HOST,
            port=port,
            upstreams=upstreams,
            locations=locations,
            extra=extra,
        )
    )
    with _running([program, "-e", "stderr", "-p", str(folder), "-c", str(config)], port, folder):
        yield port


@contextlib.contextmanager
def gateway(
    folder: Path, recorder: Recorder, admin: str = "off", access_log: str = "'off'"
) -> Iterator[int]:
    """Run the gateway of this checkout and give its port."""
    folder.mkdir()
    port = free_port()
    lines = [
        "gateway:",
        f'  listen: ["tcp:{port}:interface={HOST}"]',
        f"  access_log: {access_log}",
        "routes:",
    ]
    for prefix, (name, cut) in ROUTES.items():
        lines += [
            f"  {prefix}:",
            f"    to: http://{HOST}:{_port(recorder, name)}",
            f"    strip_prefix: {'true' if cut else 'false'}",
        ]
    config = folder / "gateway.yaml"
    config.write_text("\n".join(lines) + "\n")
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [twistd, "-n", "--pidfile=", "daarion-gw", "--config", str(config), "--admin", admin]
    with _running(command, port, folder):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        deadline = time.monotonic() + 15
        while not _listens(port):
            ended = process.poll() is not None
            assert not ended and time.monotonic() < deadline, (
                f"{command[0]} did not listen: {log.read_text(errors='replace')}"
            )
            time.sleep(0.02)
        yield
        assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0

"""The proxies of a run. A new peer is one function and one line in PEERS.

Each function writes a configuration into its folder and returns the command to start. Every
proxy has the same routes: `/bench/…` to the origin and `/sink/…` to the sink, both stripped.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.origin import Origin
from bench.processes import HOST, NGINX, NGINX_USER, Running, free_port, start

# In the folder of its proxy, which is where each proxy is started.
ACCESS_LOG = "access.log"
ROOT = Path(__file__).resolve().parent.parent

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log {log};
    client_body_temp_path body;
    fastcgi_temp_path unused;
    uwsgi_temp_path unused;
    scgi_temp_path unused;
    proxy_temp_path proxied;
    client_max_body_size 100m;
    keepalive_timeout 65s;
    keepalive_requests 100000000;
    upstream origin {{ server {host}:{origin}; {keepalive} }}
    upstream sink {{ server {host}:{sink}; {keepalive} }}
    server {{
        listen {host}:{port} backlog=4096;
        {proxy}
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-Id $request_id;
        add_header X-Content-Type-Options nosniff always;
        add_header X-Frame-Options DENY always;
        add_header Referrer-Policy strict-origin-when-cross-origin always;
        location /bench/ {{ proxy_pass http://origin/; }}
        location /sink/ {{ proxy_pass http://sink/; }}
    }}
}}
"""

# Nothing is asked of a connection longer than a run lasts: requests must not end it either.
_KEEPALIVE = "keepalive 64; keepalive_requests 100000000;"
_ONE_ONE = 'proxy_http_version 1.1; proxy_set_header Connection "";'
_STREAMING = "proxy_request_buffering off; proxy_buffering off;"


def _nginx(
    folder: Path, port: int, origin: Origin, keepalive: str, proxy: str, log: str = "off"
) -> list[str]:
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            user=NGINX_USER,
            host=HOST,
            port=port,
            origin=origin.port,
            sink=origin.sink_port,
            keepalive=keepalive,
            proxy=proxy,
            log=log,
        )
    )
    return [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(config)]


def nginx_tuned(folder: Path, port: int, origin: Origin) -> list[str]:
    """The measure of all others."""
    return _nginx(folder, port, origin, _KEEPALIVE, _ONE_ONE)


def nginx_logging(folder: Path, port: int, origin: Origin) -> list[str]:
    """As tuned, with a log that is written once per second, as the gateway's is."""
    log = f"{ACCESS_LOG} combined buffer=64k flush=1s"
    return _nginx(folder, port, origin, _KEEPALIVE, _ONE_ONE, log)


def nginx_streaming(folder: Path, port: int, origin: Origin) -> list[str]:
    """As tuned, and no body is stored: what the gateway promises."""
    return _nginx(folder, port, origin, _KEEPALIVE, _ONE_ONE + _STREAMING)


def nginx_old(folder: Path, port: int, origin: Origin) -> list[str]:
    """As the stack ran it: a connection to the upstream for each request."""
    return _nginx(folder, port, origin, "", "proxy_http_version 1.1;")


def gateway(folder: Path, port: int, origin: Origin) -> list[str]:
    """daarion-gw from this checkout, as a user starts it."""
    return _gateway(folder, port, origin, '"off"')


def gateway_logging(folder: Path, port: int, origin: Origin) -> list[str]:
    """The same with its access log."""
    return _gateway(folder, port, origin, f"{{format: combined, file: {ACCESS_LOG}}}")


def _gateway(folder: Path, port: int, origin: Origin, log: str) -> list[str]:
    (folder / "gateway.yaml").write_text(
        f"""\
gateway:
  listen: ["tcp:{port}:interface={HOST}"]
  access_log: {log}
routes:
  /bench/:
    to: http://{HOST}:{origin.port}
  /sink/:
    to: http://{HOST}:{origin.sink_port}
"""
    )
    twistd = str(Path(sys.executable).with_name("twistd"))
    config = str(folder / "gateway.yaml")
    return [twistd, "-n", "--pidfile=", "daarion-gw", "--config", config, "--admin", "off"]


@dataclass(frozen=True)
class Peer:
    """One proxy: its name in the table and how it is set up."""

    name: str
    command: Callable[[Path, int, Origin], list[str]]
    # Names of the works it takes part in; None is all of them.
    works: tuple[str, ...] | None = None

    def start(self, folder: Path, origin: Origin) -> Running:
        """Start it in a sub-folder of its own. Raises NotStartedError."""
        own = folder / self.name.replace(",", "").replace(" ", "-")
        own.mkdir()
        port = free_port()
        # The checkout may be newer than what is installed.
        environment = {"PYTHONPATH": str(ROOT)}
        return start(self.name, self.command(own, port, origin), port, own, environment)


_LARGE = ("100 MB answer", "100 MB upload")
_SMALL = ("small GET",)

GATEWAY = Peer("daarion-gw", gateway)
TUNED = Peer("nginx tuned", nginx_tuned)

PEERS = (
    GATEWAY,
    TUNED,
    Peer("nginx old", nginx_old),
    Peer("nginx streaming", nginx_streaming, _LARGE),
    Peer("daarion-gw, log on", gateway_logging, _SMALL),
    Peer("nginx tuned, log on", nginx_logging, _SMALL),
)

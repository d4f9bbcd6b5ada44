"""The proxy under test: the gateway, or nginx with the same routes.

nginx is here to prove the tests: what fails in front of nginx too is a mistake in the test or in
the server behind. DAARION_TEST_PROXY=nginx chooses it.
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.real.installed import PROJECT, need_program
from tests.real.running import Running, accepts, free_port, running

UNDER_TEST = os.environ.get("DAARION_TEST_PROXY", "gateway")

Routes = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy; `folder` is its working folder, `temp` the only place for its own files."""

    process: Running
    port: int
    folder: Path
    temp: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextlib.contextmanager
def proxy_in_front(
    routes: Routes,
    folder: Path,
    *,
    gateway: dict[str, object] | None = None,
    port: int | None = None,
) -> Iterator[Proxy]:
    """The proxy under test with these routes, in the shape of gateway.yaml's `routes:`.

    `gateway` is the file's `gateway:` part; nginx understands its `trusted_proxies` only.
    """
    port = port or free_port()
    temp = folder / "temp"
    temp.mkdir(parents=True)
    start = nginx_argv if UNDER_TEST == "nginx" else gateway_argv
    argv = start(routes, gateway or {}, folder, port)
    with running(
        argv,
        folder / "proxy.log",
        ready=lambda: accepts(port),
        seconds=20,
        env={"TMPDIR": str(temp), "PYTHONPATH": str(PROJECT)},
        cwd=folder,
    ) as process:
        yield Proxy(process, port, folder, temp)


def gateway_argv(
    routes: Routes, gateway: dict[str, object], folder: Path, port: int
) -> list[str | Path]:
    config = folder / "gateway.yaml"
    # JSON is YAML 1.2.
    config.write_text(json.dumps({"gateway": gateway, "routes": routes}, indent=2))
    return [*twistd(), "--config", config, "--listen", listen(port), "--admin", "off"]


def twistd() -> list[str | Path]:
    """The words that come before the gateway's own options."""
    return [
        Path(sys.executable).with_name("twistd"),
        "-n",
        "--pidfile=",
        "daarion-gw",
    ]


def listen(port: int) -> str:
    return f"tcp:{port}:interface=127.0.0.1"


NGINX_CONF = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_timeout 65s; client_body_timeout 60s;
  client_body_temp_path {temp}/body; proxy_temp_path {temp}/proxy;
  fastcgi_temp_path {temp}/f; uwsgi_temp_path {temp}/u; scgi_temp_path {temp}/s;
  map $http_upgrade $connection_field {{ default upgrade; '' ''; }}
  {maps}
  server {{
    listen 127.0.0.1:{port};
    {locations}
  }}
}}
"""

NGINX_LOCATION = """\
    location {path} {{
      proxy_pass http://{server}{target};
      proxy_http_version 1.1; proxy_buffering {buffering}; proxy_request_buffering {buffering};
      client_max_body_size {max_body};
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For {forwarded_for};
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_field;
      proxy_read_timeout {read_timeout}; proxy_send_timeout 86400s;
    }}
"""

# DAARION_TEST_NGINX_BUFFERING=on makes nginx spool bodies: the streaming tests must then fail.
NGINX_BUFFERING = os.environ.get("DAARION_TEST_NGINX_BUFFERING", "off")


def nginx_argv(
    routes: Routes, gateway: dict[str, object], folder: Path, port: int
) -> list[str | Path]:
    nginx = need_program("nginx")
    # With no trusted proxy the client's own X-Forwarded-For is not believed.
    trusting = "127" in str(gateway.get("trusted_proxies", "127.0.0.0/8"))
    forwarded_for = "$proxy_add_x_forwarded_for" if trusting else "$remote_addr"
    maps, locations = [], []
    for number, (path, route) in enumerate(routes.items()):
        target = "$request_uri"
        if route.get("strip_prefix", True):
            target = f"$rest{number}"
            prefix = re.escape(path.rstrip("/"))
            maps.append(
                f'map $request_uri $rest{number} {{ "~^{prefix}(?<r{number}>/.*)$" $r{number}; }}'
            )
        location = NGINX_LOCATION.format(
            path=path,
            server=urlsplit(str(route["to"])).netloc,
            target=target,
            buffering=NGINX_BUFFERING,
            max_body=route.get("max_body", "100M"),
            forwarded_for=forwarded_for,
            read_timeout="86400s",
        )
        locations.append(location)
    config = folder / "nginx.conf"
    config.write_text(
        NGINX_CONF.format(
            # A worker of another user could not reach its temporary files below `folder`.
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            temp=folder / "temp",
            port=port,
            maps="\n  ".join(maps),
            locations="".join(locations),
        )
    )
    return [nginx, "-c", config, "-e", "stderr", "-p", folder]

"""nginx before the gateway, from the very file that deploy/nginx has for it."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.real.installed import PROJECT, need_program
from tests.real.running import accepts, free_port, running
from tests.support.certificates import NAME

OUTER = PROJECT / "deploy" / "nginx" / "outer.conf"
_LOCATION = re.compile(r"^    location / \{\n(?:        .*\n|\n)+    \}\n", re.MULTILINE)
_MAIN = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/outer.conf;
}}
"""


def outer_conf(certificate: tuple[Path, Path], plain: int, tls: int, gateway: int) -> str:
    """The file with this machine's ports and names in place of a VPS's."""
    text = OUTER.read_text()
    live = "/etc/letsencrypt/live/app.example.com/"
    places = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        f"{live}fullchain.pem": str(certificate[0]),
        f"{live}privkey.pem": str(certificate[1]),
        "server_name app.example.com;": f"server_name {NAME};",
        "127.0.0.1:8080;": f"127.0.0.1:{gateway};",
    }
    for there, here in places.items():
        assert there in text, there
        text = text.replace(there, here)
    return text


def as_1_0(text: str) -> str:
    """The same where nginx speaks HTTP/1.0, but for WebSockets: 1.0 cannot upgrade."""
    found = _LOCATION.search(text)
    assert found is not None
    newer = found[0]
    dropped = re.compile(r"^.*proxy_set_header (?:Upgrade|Connection) .*\n", re.MULTILINE)
    older = dropped.sub("", newer).replace("proxy_http_version 1.1;", "proxy_http_version 1.0;")
    assert older.count("1.0;") == 1
    sockets = newer.replace("location / {", "location /ws/ {")
    return text.replace(newer, older + sockets)


@contextlib.contextmanager
def nginx_before(
    gateway: int, version: str, folder: Path, certificate: tuple[Path, Path]
) -> Iterator[tuple[int, int]]:
    """nginx that speaks HTTP of ``version`` to a gateway; its ports for http and https."""
    program = need_program("nginx")
    plain, tls = free_port(), free_port()
    text = outer_conf(certificate, plain, tls, gateway)
    (folder / "outer.conf").write_text(as_1_0(text) if version == "1.0" else text)
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_MAIN.format(folder=folder, user=user))
    with running(
        [program, "-c", config, "-e", "stderr", "-p", folder],
        folder / "nginx.log",
        ready=lambda: accepts(plain) and accepts(tls),
    ):
        yield plain, tls

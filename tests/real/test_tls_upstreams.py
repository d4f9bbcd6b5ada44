"""nginx as a server behind TLS that wants to know who asks (``ssl_verify_client on``)."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.installed import need_program
from tests.real.running import accepts, free_port, running
from tests.support.authority import Authority, Issued
from tests.support.gateway import GatewayProcess
from tests.support.message import Message, get

pytestmark = pytest.mark.usefixtures("gateway_only")

NGINX = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {own.cert}; ssl_certificate_key {own.key};
    ssl_client_certificate {ca}; ssl_verify_client on;
    location / {{ return 200 "$ssl_server_name $ssl_client_s_dn $ssl_client_verify"; }}
  }}
}}
"""
Ask = Callable[[dict[str, object]], Message]


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def ask(tmp_path: Path, ca: Authority) -> Iterator[Ask]:
    """What a gateway whose upstream's ``tls`` is this answers."""
    nginx, port = need_program("nginx"), free_port()
    config = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    own = ca.issue("app.internal")
    config.write_text(NGINX.format(user=user, folder=tmp_path, port=port, own=own, ca=ca.cert))

    def answer_with(tls: dict[str, object]) -> Message:
        told = {"ca": str(ca.cert), "server_name": "app.internal", **tls}
        upstream = {"servers": f"https://127.0.0.1:{port}", "tls": told}
        written = {"routes": {"/app/": "app"}, "upstreams": {"app": upstream}}
        gateway = GatewayProcess(tmp_path, json.dumps(written))
        try:
            answer = gateway.connect().ask(get("/app/"))
            gateway.stop()
        finally:
            gateway.kill()
        return answer

    argv = [nginx, "-c", config, "-e", "stderr", "-p", tmp_path]
    with running(argv, tmp_path / "nginx.log", ready=lambda: accepts(port)):
        yield answer_with


def shown(issued: Issued) -> dict[str, object]:
    return {"cert": str(issued.cert), "key": str(issued.key)}


def test_it_is_shown_a_certificate(ask: Ask, ca: Authority) -> None:
    assert ask(shown(ca.issue("gateway.internal"))).body == b"app.internal CN=server SUCCESS"


def test_without_one_it_says_so_itself(ask: Ask) -> None:
    got = ask({})
    assert (got.status, b"No required SSL certificate was sent" in got.body) == (400, True)


def test_one_of_an_authority_that_it_does_not_know(ask: Ask, tmp_path: Path) -> None:
    got = ask(shown(Authority(tmp_path, "Another CA").issue("gateway.internal")))
    assert (got.status, b"The SSL certificate error" in got.body) == (400, True)

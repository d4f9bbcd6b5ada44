"""Real speakers of the PROXY protocol: haproxy before the gateway, nginx and haproxy behind it."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.installed import need_program
from tests.real.running import accepts, free_port, running, until
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.stream import Client

# The client; haproxy connects from the address below, which is all that the gateway believes.
CLIENT, BALANCER = "127.0.0.7", "127.0.0.9"

CONFIG = """
gateway:
  proxy_protocol: 127.0.0.9
  trusted_proxies: 127.0.0.1
  access_log: off
routes:
  /api/: "${ORIGIN}"
  /nginx/v1/: {to: {url: "${NGINX}", send_proxy: v1}}
  /nginx/v2/: {to: {url: "${NGINX}", send_proxy: v2}}
  /nginx-tls/v1/: {to: {url: "${NGINX_TLS}", send_proxy: v1, verify: false}}
  /nginx-tls/v2/: {to: {url: "${NGINX_TLS}", send_proxy: v2, verify: false}}
  /haproxy/v1/: {to: {url: "${HAPROXY}", send_proxy: v1}}
  /haproxy/v2/: {to: {url: "${HAPROXY}", send_proxy: v2}}
  /probed/: probed
upstreams:
  probed:
    servers: [{url: "${HAPROXY}", send_proxy: v2}]
    health_check: {path: /, interval: 100ms, rise: 1}
"""

HAPROXY = """\
global
  maxconn 200
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
{senders}
frontend behind
  mode http
  bind 127.0.0.1:{behind} accept-proxy
  http-request return status 200 content-type text/plain \
lf-string "%[src] %[src_port] %[dst] %[dst_port]"
"""
SENDER = """\
listen {name}
  bind 127.0.0.1:{port}
  source 127.0.0.9
  server gateway 127.0.0.1:{gateway} check inter 200ms {said}
"""
SAID = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "v2-with-all": "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority,ssl",
}

NGINX = """\
daemon off; {user} worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{plain} proxy_protocol;
    listen 127.0.0.1:{tls} ssl proxy_protocol;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{
      default_type text/plain;
      return 200 "$proxy_protocol_addr $proxy_protocol_port \
$proxy_protocol_server_addr $proxy_protocol_server_port";
    }}
  }}
}}
"""


@dataclass
class World:
    gateway: GatewayProcess
    senders: dict[str, int]
    origin: Origin
    context: ssl.SSLContext

    def connect(self, port: int, tls: bool = False) -> Client:
        sock = socket.create_connection(("127.0.0.1", port), 10, source_address=(CLIENT, 0))
        if tls:
            return Client(self.context.wrap_socket(sock, server_hostname=NAME))
        return Client(sock)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    haproxy, nginx = need_program("haproxy"), need_program("nginx")
    folder = tmp_path_factory.mktemp("balancers")
    cert, key = certificate = make_certificate(folder)
    origin = Origin()
    plain, tls, behind = free_port(), free_port(), free_port()
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        (ANYWHERE, f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"),
        ORIGIN=origin.url,
        NGINX=f"http://127.0.0.1:{plain}",
        NGINX_TLS=f"https://127.0.0.1:{tls}",
        HAPROXY=f"http://127.0.0.1:{behind}",
    )
    senders = {name + more: free_port() for name in SAID for more in ("", "-tls")}
    try:
        with (
            _haproxy(haproxy, folder, gateway, senders, behind),
            _nginx(nginx, folder, certificate, plain, tls),
        ):
            yield World(gateway, senders, origin, client_context(cert))
        gateway.stop()
    finally:
        gateway.kill()
        origin.close()


def _haproxy(program: str, folder: Path, gateway: GatewayProcess, senders: dict, behind: int):
    blocks = [
        SENDER.format(name=name, port=port, said=SAID[name.removesuffix("-tls")],
                      gateway=gateway.ports[name.endswith("-tls")])
        for name, port in senders.items()
    ]  # fmt: skip
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(senders="".join(blocks), behind=behind))
    return running(
        [program, "-db", "-f", config],
        folder / "haproxy.log",
        ready=lambda: all(accepts(port) for port in (*senders.values(), behind)),
    )


def _nginx(program: str, folder: Path, certificate: tuple[Path, Path], plain: int, tls: int):
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(user=user, folder=folder, plain=plain, tls=tls,
                     certificate=certificate[0], key=certificate[1])
    )  # fmt: skip
    return running(
        [program, "-c", config, "-e", "stderr", "-p", folder],
        folder / "nginx.log",
        ready=lambda: accepts(plain) and accepts(tls),
    )


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("said", SAID)
def test_haproxy_says_who_the_client_is(gateway_only, world, said, tls):
    port = world.senders[said + "-tls" * tls]
    for _ in range(2):
        client = world.connect(port, tls)
        client.send(get("/api/x", "X-Forwarded-For: 198.51.100.1"))
        far = world.origin.accept()
        seen = far.request()
        assert seen.value(b"x-real-ip") == seen.value(b"x-forwarded-for") == CLIENT.encode()
        assert seen.value(b"x-forwarded-proto") == (b"https" if tls else b"http")
        far.send(answer(200, b"to you"))
        assert client.answer().body == b"to you"
        client.close()
        world.origin.forget()


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("server", ["nginx", "nginx-tls", "haproxy"])
def test_they_are_told_who_the_client_is(gateway_only, world, server, version):
    port = world.gateway.ports[0]
    clients = [world.connect(port) for _ in range(2)]
    for client in [*clients, *clients]:
        own = client.socket.getsockname()[1]
        got = client.ask(get(f"/{server}/{version}/x"))
        assert got.status == 200
        assert got.body.decode() == f"{CLIENT} {own} 127.0.0.1 {port}"
    for client in clients:
        client.close()


def test_through_both_the_first_client_is_told(gateway_only, world):
    client = world.connect(world.senders["v2-with-all"])
    own, seen_at = client.socket.getsockname()[1], world.senders["v2-with-all"]
    assert client.ask(get("/nginx/v2/x")).body.decode() == f"{CLIENT} {own} 127.0.0.1 {seen_at}"
    client.close()


def test_a_probed_server_is_up(gateway_only, world):
    client = world.connect(world.gateway.ports[0])
    assert until(lambda: client.ask(get("/probed/")).status == 200, 5, "the server is up")
    assert "is down" not in world.gateway.output
    client.close()

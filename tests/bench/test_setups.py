"""Every proxy gets the same routes; the gateway's file is one that the gateway takes."""

import json
import shutil
from pathlib import Path

import pytest

from bench.plan import Certificate, Plan
from bench.setups import caddy, envoy, gateway, haproxy, nginx, traefik
from daarion_gw.config.load import load

FILES = Certificate(Path("/c/cert.pem"), Path("/c/key.pem"), Path("/c/both.pem"))
PLAN = Plan(8080, 1, 2, 3, servers=(11, 12), routes=2, tls_port=8443, certificate=FILES)
PREFIXES = ["/bench/", "/sink/", "/ws/", "/many/", "/r0/", "/r1/"]


def test_the_plan_names_each_prefix_once():
    assert [prefix for prefix, _ in PLAN.prefixes()] == PREFIXES
    assert PLAN.behind() == {"origin": (1,), "sink": (2,), "echo": (3,), "many": (11, 12)}


def test_the_gateway_takes_its_file(tmp_path):
    gateway.quiet(tmp_path, PLAN)
    settings = load(str(tmp_path / "gateway.yaml"), {}, tmp_path)
    assert [route.key for route in settings.routes] == PREFIXES
    assert [server.port for server in settings.upstreams["many"].servers] == [11, 12]
    assert settings.gateway.listen == (
        "tcp:8080:interface=127.0.0.1",
        "daarion-tls:8443:interface=127.0.0.1:privateKey=/c/key.pem:certKey=/c/cert.pem",
    )


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (nginx.tuned, "nginx.conf"),
        (nginx.old, "nginx.conf"),
        (haproxy.haproxy, "routes.map"),
        (caddy.caddy, "Caddyfile"),
        (traefik.traefik, "dynamic.yaml"),
        (envoy.envoy, "envoy.json"),
    ],
)
def test_every_peer_has_every_route(tmp_path, monkeypatch, command, file):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: name)
    command(tmp_path, PLAN)
    text = (tmp_path / file).read_text()
    if file.endswith((".json", ".yaml")):
        json.loads(text)
    assert [prefix for prefix in PREFIXES if prefix not in text] == []

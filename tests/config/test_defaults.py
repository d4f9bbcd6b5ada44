"""The default table is the contract's, row by row, and what may change it."""

from pathlib import Path

import pytest

from daarion_gw.config import defaults
from daarion_gw.config.defaults import default_settings, overlay
from daarion_gw.config.load import load
from daarion_gw.config.settings import RouteOptions, Server, Timeouts, WebSocketOptions

# path, upstream, port, prefix stripped
CONTRACT = [
    ("/api/", "microdao-api", 8000, True),
    ("/ws/", "microdao-ws", 8001, True),
    ("/matrix/", "matrix-homeserver", 8008, True),
    ("/_matrix/", "matrix-homeserver", 8008, False),
    ("/grafana/", "grafana", 3000, False),
    ("/prometheus/", "prometheus", 9090, False),
    ("/rag/", "rag-service", 8081, True),
    ("/notify/", "notification-service", 8082, True),
]


def test_the_table_is_the_contract(tmp_path: Path) -> None:
    settings = load(None, {}, tmp_path)
    rows = []
    for route in settings.routes:
        [server] = settings.upstream_of(route).servers
        assert (server.scheme, server.host, server.path) == ("http", "127.0.0.1", "")
        assert (route.key, route.host, route.is_prefix) == (route.path, None, True)
        rows.append((route.path, route.upstream, server.port, route.strip_prefix))
    assert rows == CONTRACT
    assert settings == default_settings()
    assert settings.source is None


def test_the_limits_are_those_that_the_old_gateway_had(tmp_path: Path) -> None:
    settings = load(None, {}, tmp_path)
    for route in settings.routes:
        assert route.max_body == 100 * 1024 * 1024
        assert (route.timeouts.connect, route.timeouts.idle, route.timeouts.send) == (60, 60, 60)
        assert route.websocket.idle_timeout == 24 * 3600
        assert route.security_headers
    first_byte = {route.path: route.timeouts.first_byte for route in settings.routes}
    assert first_byte.pop("/_matrix/") == first_byte.pop("/matrix/") == 120
    assert first_byte.pop("/grafana/") == 300
    assert set(first_byte.values()) == {60}
    gateway = settings.gateway
    assert gateway.listen == ("tcp:8080",)
    assert (gateway.keep_alive, gateway.head_timeout, gateway.drain_timeout) == (65, 10, 30)
    assert [str(network) for network in gateway.trusted_proxies] == ["127.0.0.0/8", "::1/128"]
    assert gateway.access_log.format == "combined"
    assert gateway.admin == "tcp:9901:interface=127.0.0.1"


def test_what_administers_a_service_is_closed(tmp_path: Path) -> None:
    denied = {route.path: route.deny for route in load(None, {}, tmp_path).routes if route.deny}
    assert denied == {
        "/matrix/": ("_synapse/admin/",),
        "/prometheus/": ("-/quit", "-/reload", "api/v1/admin/"),
    }


@pytest.mark.parametrize("name", sorted(defaults.PORTS))
def test_each_upstream_has_a_variable(tmp_path: Path, name: str) -> None:
    variable = "DAARION_" + name.replace("-", "_").upper() + "_URL"
    settings = load(None, {variable: f"https://{name}:1/base/"}, tmp_path)
    changed = Server(scheme="https", host=name, port=1, path="/base")
    for upstream in settings.upstreams.values():
        assert (upstream.servers == (changed,)) == (upstream.name == name)


def test_the_environment_stands_above_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "RAG_PORT=7\n"
        "DAARION_GRAFANA_URL=http://from-file:3000\n"
        "DAARION_RAG_SERVICE_URL=http://rag:${RAG_PORT}\n"
    )
    hosts = {
        name: upstream.servers[0].label
        for name, upstream in load(
            None,
            {"DAARION_GRAFANA_URL": "http://from-process:3000", "DAARION_PROMETHEUS_URL": ""},
            tmp_path,
        ).upstreams.items()
    }
    assert hosts["grafana"] == "from-process:3000"
    assert hosts["rag-service"] == "rag:7"
    # Compose passes on a variable that nobody set as an empty one.
    assert hosts["prometheus"] == "127.0.0.1:9090"


def test_options_that_are_not_set_come_from_below() -> None:
    below = RouteOptions(
        max_body=1,
        timeouts=Timeouts(connect=1, idle=2),
        websocket=WebSocketOptions(max_message_size=5),
    )
    above = RouteOptions(strip_prefix=False, timeouts=Timeouts(idle=3))
    assert overlay(below, above) == RouteOptions(
        max_body=1,
        strip_prefix=False,
        timeouts=Timeouts(connect=1, idle=3),
        websocket=WebSocketOptions(max_message_size=5),
    )

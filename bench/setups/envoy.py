"""Envoy with one worker. It makes request ids by itself."""

import json
from pathlib import Path
from typing import Any

from bench.plan import ANSWER_FIELDS, Plan
from bench.processes import HOST, program

_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
# Its circuit breakers stand at 1024 connections unless told.
_ENOUGH = 100_000


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HOST, "port_value": port}}


def _added(fields: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in fields.items()
    ]


def _routes(plan: Plan) -> dict[str, Any]:
    routes = [
        {
            "match": {"prefix": prefix},
            "route": {"cluster": name, "prefix_rewrite": "/", "timeout": "0s"},
        }
        for prefix, name in plan.prefixes()
    ]
    request_fields = {
        "X-Real-IP": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "X-Forwarded-Host": "%REQ(:AUTHORITY)%",
    }
    # By itself it would write the machine's own address for a client on loopback.
    chain = {"key": "X-Forwarded-For", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
    appended = [{"header": chain, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]
    return {
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": routes,
                "request_headers_to_add": _added(request_fields) + appended,
                "response_headers_to_add": _added(ANSWER_FIELDS),
            }
        ]
    }


def _cluster(name: str, ports: tuple[int, ...]) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in ports]
    limits = {"max_connections": _ENOUGH, "max_pending_requests": _ENOUGH, "max_requests": _ENOUGH}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def envoy(folder: Path, plan: Plan) -> list[str]:
    """The command to start it."""
    http = {
        "@type": f"{_MANAGER}.HttpConnectionManager",
        "stat_prefix": "bench",
        "use_remote_address": True,
        "skip_xff_append": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": _routes(plan),
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": http}]}
    listener = {"name": "web", "address": _address(plan.port), "filter_chains": [chain]}
    clusters = [_cluster(name, ports) for name, ports in plan.behind().items()]
    config = folder / "envoy.json"
    static = {"listeners": [listener], "clusters": clusters}
    config.write_text(json.dumps({"static_resources": static}))
    quiet = ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
    return [program("envoy"), "-c", str(config), *quiet]

"""Traefik with one processor. It makes no request ids: it sends the same one with each request."""

import json
from pathlib import Path
from typing import Any

from bench.plan import ANSWER_FIELDS, Plan
from bench.processes import HOST, program


def traefik(folder: Path, plan: Plan) -> list[str]:
    """The command to start it."""
    middlewares: dict[str, Any] = {
        "fields": {
            "headers": {
                "customRequestHeaders": {"X-Request-Id": "none-is-made"},
                "customResponseHeaders": ANSWER_FIELDS,
            }
        }
    }
    routers = {}
    for prefix, name in plan.prefixes():
        key = prefix.strip("/")
        middlewares[f"strip-{key}"] = {"stripPrefix": {"prefixes": [f"/{key}"]}}
        routers[key] = {
            "rule": f"PathPrefix(`{prefix}`)",
            "service": name,
            "middlewares": [f"strip-{key}", "fields"],
            "entryPoints": ["web"],
        }
    services = {
        name: {
            "loadBalancer": {
                "servers": [{"url": f"http://{HOST}:{port}"} for port in ports],
                "serversTransport": "kept",
            }
        }
        for name, ports in plan.behind().items()
    }
    kept = {"kept": {"maxIdleConnsPerHost": 64}}
    dynamic = {"routers": routers, "middlewares": middlewares, "services": services}
    config = folder / "dynamic.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"http": dynamic | {"serversTransports": kept}}))
    return [
        program("traefik"),
        f"--entrypoints.web.address={HOST}:{plan.port}",
        f"--providers.file.filename={config}",
        "--log.level=ERROR",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]

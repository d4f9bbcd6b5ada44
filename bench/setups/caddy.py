"""Caddy with one processor."""

from pathlib import Path

from bench.plan import ANSWER_FIELDS, Plan
from bench.processes import HOST, program

_CONFIG = """
{{
    admin off
    auto_https off
    persist_config off
    log {{
        level ERROR
    }}
}}
http://:{port} {{
    bind {host}
    header {{
{answer_fields}
    }}
{routes}
}}
"""

# Caddy asks servers for compressed answers of its own accord: work that nobody else does.
_ROUTE = """\
    handle_path {prefix}* {{
        reverse_proxy {servers} {{
            lb_policy round_robin
            header_up X-Real-IP {{remote_host}}
            header_up X-Request-Id {{http.request.uuid}}
            transport http {{
                compression off
                keepalive_idle_conns_per_host 64
            }}
        }}
    }}"""


def caddy(folder: Path, plan: Plan) -> list[str]:
    """The command to start it."""
    behind = plan.behind()
    routes = [
        _ROUTE.format(prefix=prefix, servers=" ".join(f"{HOST}:{port}" for port in behind[name]))
        for prefix, name in plan.prefixes()
    ]
    fields = (f"        {name} {value}" for name, value in ANSWER_FIELDS.items())
    config = folder / "Caddyfile"
    config.write_text(
        _CONFIG.format(
            host=HOST, port=plan.port, answer_fields="\n".join(fields), routes="\n".join(routes)
        )
    )
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]

"""HAProxy with one thread; many routes through a map, as its manual advises."""

from pathlib import Path

from bench.plan import ANSWER_FIELDS, Plan
from bench.processes import HOST, program

_CONFIG = """
global
    nbthread 1
    maxconn 19000
    # Idle clients need one descriptor, not the two that it counts for each.
    no strict-limits
defaults
    mode http
    timeout connect 5s
    timeout client 65s
    timeout server 60s
    timeout tunnel 1h
    timeout http-keep-alive 65s
    # A connection to a server serves whoever comes next, as everywhere else.
    http-reuse always
frontend all
    bind {host}:{port} backlog 4096
    {tls}
    http-request set-header X-Real-IP %[src]
    option forwardfor
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Request-Id %[uuid()]
    {answer_fields}
    use_backend %[path,map_beg({routes})]
{backends}
"""


def haproxy(folder: Path, plan: Plan) -> list[str]:
    """The command to start it."""
    routes = folder / "routes.map"
    routes.write_text("".join(f"{prefix} {name}\n" for prefix, name in plan.prefixes()))
    backends = []
    for name, ports in plan.behind().items():
        servers = (f"    server s{port} {HOST}:{port}" for port in ports)
        strip = "    http-request set-path %[path,regsub(^/[^/]+/,/)]"
        backends.append("\n".join([f"backend {name}", strip, *servers]))
    fields = (f"http-response set-header {name} {value}" for name, value in ANSWER_FIELDS.items())
    tls = ""
    if plan.certificate is not None:
        files = plan.certificate
        tls = f"bind {HOST}:{plan.tls_port} backlog 4096 ssl crt {files.both} ssl-min-ver TLSv1.3"
    config = folder / "haproxy.cfg"
    config.write_text(
        _CONFIG.format(
            host=HOST,
            port=plan.port,
            tls=tls,
            answer_fields="\n    ".join(fields),
            routes=routes,
            backends="\n".join(backends),
        )
    )
    return [program("haproxy"), "-f", str(config)]

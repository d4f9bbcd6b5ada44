"""nginx: tuned, with a log, streaming, and as the stack ran it."""

from pathlib import Path

from bench.plan import ACCESS_LOG, ANSWER_FIELDS, Plan
from bench.processes import HOST, NGINX, NGINX_USER

_CONFIG = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 20000; }}
http {{
    access_log {log};
    client_body_temp_path body;
    fastcgi_temp_path unused;
    uwsgi_temp_path unused;
    scgi_temp_path unused;
    proxy_temp_path proxied;
    client_max_body_size 100m;
    keepalive_timeout 65s;
    keepalive_requests 100000000;
    map $http_upgrade $connection_word {{ default upgrade; "" ""; }}
    {upstreams}
    server {{
        listen {host}:{port} backlog=4096;
        {tls}
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-Id $request_id;
        {proxy}
        {answer_fields}
        {locations}
    }}
}}
"""

# Nothing is asked of a connection longer than a run lasts: requests must not end it either.
_KEEPALIVE = "keepalive {idle}; keepalive_requests 100000000;"
_ONE_ONE = 'proxy_http_version 1.1; proxy_set_header Connection "";'
_STREAMING = "proxy_request_buffering off; proxy_buffering off;"
# Settings of one kind written in a location hide all of the same kind above it.
_UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection $connection_word; proxy_set_header Host $http_host; "
    "proxy_set_header X-Real-IP $remote_addr; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
    "proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; "
    "proxy_set_header X-Request-Id $request_id; proxy_read_timeout 1h; "
)


def _upstreams(plan: Plan, kept: bool) -> str:
    lines = []
    for name, ports in plan.behind().items():
        servers = " ".join(f"server {HOST}:{port};" for port in ports)
        # 64 clients, and none of them may find its server's connection thrown out by another's.
        keepalive = _KEEPALIVE.format(idle=64 * max(1, len(ports) // 10)) if kept else ""
        lines.append(f"upstream {name} {{ {servers} {keepalive} }}")
    return "\n    ".join(lines)


def _locations(plan: Plan) -> str:
    return "\n        ".join(
        f"location {prefix} {{ {_UPGRADE if name == 'echo' else ''}proxy_pass http://{name}/; }}"
        for prefix, name in plan.prefixes()
    )


def _tls(plan: Plan) -> str:
    if plan.certificate is None:
        return ""
    files = plan.certificate
    return (
        f"listen {HOST}:{plan.tls_port} ssl http2 backlog=4096; ssl_certificate {files.cert}; "
        f"ssl_certificate_key {files.key}; ssl_protocols TLSv1.3;"
    )


def _nginx(folder: Path, plan: Plan, kept: bool, proxy: str, log: str = "off") -> list[str]:
    fields = (f"add_header {name} {value} always;" for name, value in ANSWER_FIELDS.items())
    text = _CONFIG.format(
        user=NGINX_USER,
        host=HOST,
        port=plan.port,
        upstreams=_upstreams(plan, kept),
        locations=_locations(plan),
        tls=_tls(plan),
        answer_fields=" ".join(fields),
        proxy=proxy,
        log=log,
    )
    config = folder / "nginx.conf"
    config.write_text(text)
    return [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(config)]


def tuned(folder: Path, plan: Plan) -> list[str]:
    """The measure of all others."""
    return _nginx(folder, plan, True, _ONE_ONE)


def two_workers(folder: Path, plan: Plan) -> list[str]:
    """As tuned, with two processes that serve."""
    command = _nginx(folder, plan, True, _ONE_ONE)
    config = folder / "nginx.conf"
    config.write_text(config.read_text().replace("worker_processes 1;", "worker_processes 2;"))
    return command


def logging(folder: Path, plan: Plan) -> list[str]:
    """As tuned, with a log that is written once per second, as the gateway's is."""
    log = f"{ACCESS_LOG} combined buffer=64k flush=1s"
    return _nginx(folder, plan, True, _ONE_ONE, log)


def streaming(folder: Path, plan: Plan) -> list[str]:
    """As tuned, and no body is stored: what the gateway promises."""
    return _nginx(folder, plan, True, _ONE_ONE + _STREAMING)


def old(folder: Path, plan: Plan) -> list[str]:
    """As the stack ran it: a connection to the upstream for each request."""
    return _nginx(folder, plan, False, "proxy_http_version 1.1;")

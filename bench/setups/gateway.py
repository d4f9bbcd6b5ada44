"""daarion-gw from this checkout, as a user starts it."""

import sys
from dataclasses import replace
from pathlib import Path

from bench.plan import ACCESS_LOG, TWISTED_TLS, Plan
from bench.processes import HOST


def quiet(folder: Path, plan: Plan) -> list[str]:
    """Without an access log; metrics cannot be turned off and are on."""
    return _gateway(folder, plan, '"off"')


def logging(folder: Path, plan: Plan) -> list[str]:
    """With its access log."""
    return _gateway(folder, plan, f"{{format: combined, file: {ACCESS_LOG}}}")


def two_workers(folder: Path, plan: Plan) -> list[str]:
    """With two processes that serve."""
    return [*_gateway(folder, plan, '"off"'), "--workers", "2"]


def twisted_tls(folder: Path, plan: Plan) -> list[str]:
    """With Twisted's own TLS endpoint instead of the gateway's."""
    return _gateway(folder, replace(plan, gateway_tls=TWISTED_TLS), '"off"')


def _gateway(folder: Path, plan: Plan, log: str) -> list[str]:
    listen = [f"tcp:{plan.port}:interface={HOST}"]
    if plan.certificate is not None:
        files = plan.certificate
        listen.append(
            plan.gateway_tls.format(port=plan.tls_port, host=HOST, key=files.key, cert=files.cert)
        )
    lines = ["gateway:", f"  listen: {listen}".replace("'", '"'), f"  access_log: {log}"]
    # As many as nginx and HAProxy may have here; by itself it keeps a file for each one's server.
    lines += ["  limits: {connections: 19000}", "routes:"]
    lines += [f"  {prefix}: {{to: {name}}}" for prefix, name in plan.prefixes()]
    lines.append("upstreams:")
    for name, ports in plan.behind().items():
        servers = ", ".join(f"http://{HOST}:{port}" for port in ports)
        lines.append(f"  {name}: {{servers: [{servers}]}}")
    config = folder / "gateway.yaml"
    config.write_text("\n".join(lines) + "\n")
    twistd = str(Path(sys.executable).with_name("twistd"))
    return [twistd, "-n", "--pidfile=", "daarion-gw", "--config", str(config), "--admin", "off"]

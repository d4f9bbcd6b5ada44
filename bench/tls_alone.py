"""Measure the TLS layers by themselves: `python -m bench.tls_alone`.

A few lines of a server, which proxy nothing, behind `daarion-tls:` and behind Twisted's `ssl:`;
nginx answering by itself; in one run, interleaved.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.origin import MEGABYTE, SMALL
from bench.peers import ROOT, make_certificate
from bench.plan import Certificate
from bench.processes import HOST, NGINX, NGINX_USER, Running, free_port, start
from bench.secure import _context, handshake
from bench.works import wrk

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    default_type application/json;
    server {{
        listen {host}:{port} ssl backlog=4096;
        ssl_certificate {files.cert};
        ssl_certificate_key {files.key};
        location /bench/small {{ return 200 '{small}'; }}
        location /bench/megabyte {{ alias {folder}/megabyte; }}
    }}
}}
"""


def serve(description: str) -> None:
    """Answer what the measurement asks, behind an endpoint of Twisted's."""
    from daarion_gw.net.reactor import install

    install()
    from twisted.internet import reactor
    from twisted.internet.endpoints import serverFromString
    from twisted.internet.protocol import Factory, Protocol

    from daarion_gw.net.transport import send_at_once

    def answer(body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    answers = {b"/bench/small": answer(SMALL), b"/bench/megabyte": answer(bytes(MEGABYTE))}

    class Answering(Protocol):
        transport: Any

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(answers[data.split(b" ", 2)[1]])
            if b"Connection: close" in data:
                self.transport.loseConnection()

    opening: Any = serverFromString(reactor, description).listen(Factory.forProtocol(Answering))
    opening.addCallback(send_at_once)
    running: Any = reactor
    running.run()


def twisted(prefix: str, folder: Path, files: Certificate) -> Running:
    """Start this file as a server behind ``prefix``."""
    port = free_port()
    text = f"{prefix}:{port}:interface={HOST}:privateKey={files.key}:certKey={files.cert}"
    command = [sys.executable, "-m", "bench.tls_alone", "--serve", text]
    return start(prefix, command, port, folder, {"PYTHONPATH": str(ROOT)})


def nginx(folder: Path, files: Certificate) -> Running:
    port = free_port()
    (folder / "megabyte").write_bytes(bytes(MEGABYTE))
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            user=NGINX_USER, host=HOST, port=port, files=files, small=SMALL.decode(), folder=folder
        )
    )
    command = [NGINX, "-e", "stderr", "-p", str(folder), "-c", str(config)]
    return start("nginx", command, port, folder)


def small(server: Running, seconds: float) -> float:
    return _by_wrk(server, seconds, "/bench/small", 64)


def megabyte(server: Running, seconds: float) -> float:
    return _by_wrk(server, seconds, "/bench/megabyte", 8)


def _by_wrk(server: Running, seconds: float, path: str, connections: int) -> float:
    before = server.processor_seconds()
    done = wrk(server, seconds, path, connections, secure=True)
    return (server.processor_seconds() - before) / done["requests"]


def full_handshake(server: Running, seconds: float) -> float:
    """One small answer included."""
    context = _context()
    before, end, count = server.processor_seconds(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        handshake(server, context)
        count += 1
    return (server.processor_seconds() - before) / count


ROWS: dict[str, Callable[[Running, float], float]] = {
    "small answer, kept alive": small,
    "new connection with a handshake and a small answer": full_handshake,
    "1 MB answer": megabyte,
}


def main() -> None:
    """Print a table: median (least–most), and the ratio to nginx."""
    parser = argparse.ArgumentParser(description="Processor time of TLS alone.")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    with tempfile.TemporaryDirectory(prefix="daarion-bench-") as name:
        folder = Path(name)
        files = make_certificate(folder)
        servers = [nginx(folder, files)]
        try:
            servers += [twisted(prefix, folder, files) for prefix in ("daarion-tls", "ssl")]
            for server in servers:
                server.tls_port = server.port
            _measure(servers, chosen.rounds, chosen.seconds)
        finally:
            for server in servers:
                server.stop()


def _measure(servers: list[Running], rounds: int, seconds: float) -> None:
    print(f"| µs | {' | '.join(server.name for server in servers)} |")
    print(f"|---|{'---|' * len(servers)}")
    for row, measure in ROWS.items():
        figures: dict[str, list[float]] = {server.name: [] for server in servers}
        for turn in range(rounds):
            for server in servers[turn % 3 :] + servers[: turn % 3]:
                figures[server.name].append(measure(server, seconds) * 1e6)
        base = statistics.median(figures["nginx"])
        cells = [
            f"{statistics.median(each):.1f} ({min(each):.1f}–{max(each):.1f}), "
            f"{statistics.median(each) / base:.2f}"
            for each in figures.values()
        ]
        print(f"| {row} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""Measure the gateway beside its peers: `python -m bench.run --help`."""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import report, table
from bench.idle import raise_limit
from bench.native import Builder
from bench.origin import start_origin
from bench.peers import GATEWAY, PEERS, TUNED, Ground, make_certificate, peer_of, versions
from bench.plan import GATEWAY_TLS
from bench.processes import NGINX, NotStartedError, Running, program
from bench.raw_client import BrokenError
from bench.rows import WORKS
from bench.works import Effort, Work

# In a quick run all peers do these, the gateway and tuned nginx do the rest.
_FOR_ALL = ("small GET", "WebSocket echo, 125 B", "start to first answer")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Processor time per unit of work, beside nginx.")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds, at least 3")
    parser.add_argument("--seconds", type=int, default=3, help="of small requests per measurement")
    parser.add_argument("--bodies", type=int, default=8, help="large bodies per measurement")
    parser.add_argument("--quick", action="store_true", help="a smoke test: its figures say little")
    parser.add_argument("--column", choices=table.COLUMNS, default="first", help="what is wanted")
    parser.add_argument("--gate", action="store_true", help="exit 1 when something is behind")
    parser.add_argument("--publish", action="store_true", help="write docs/bench.md and its chart")
    parser.add_argument(
        "--gateway-tls", default=GATEWAY_TLS, metavar="ENDPOINT", help=f"default: {GATEWAY_TLS}"
    )
    parser.add_argument("--works", nargs="+", choices=[work.name for work in WORKS])
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS])
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.bodies = 1, 1, 1
    elif chosen.rounds < 3:
        parser.error("fewer than 3 rounds say nothing (--quick is for trying)")
    if chosen.publish and (chosen.quick or chosen.works or chosen.peers):
        parser.error("only a whole run is published")
    return chosen


def start_peers(names: list[str] | None, ground: Ground) -> dict[str, str]:
    """Start all into `ground.running`; return name and reason of those that did not start."""
    missing = {}
    for peer in PEERS:
        if names is not None and peer.name not in names:
            continue
        try:
            try:
                ground.running[peer.name] = peer.start(ground, tls=True)
            except NotStartedError as error:
                if not peer.has_tls:
                    raise
                ground.running[peer.name] = peer.start(ground)
                print(f"{peer.name} does not start with TLS: {error}", file=sys.stderr)
        except NotStartedError as error:
            missing[peer.name] = str(error)
            print(f"missing: {peer.name}: {error}", file=sys.stderr)
    return missing


def measure(chosen: argparse.Namespace, ground: Ground) -> report.Found:
    """Do all works with all proxies."""
    effort = Effort(chosen.seconds, chosen.bodies, chosen.quick)
    found = report.Found()
    for work in WORKS:
        if chosen.works is not None and work.name not in chosen.works:
            continue
        obstacle = work.obstacle(ground)
        if obstacle:
            found.left_out[work.name] = obstacle
            print(f"not measured: {work.name}: {obstacle}", file=sys.stderr)
            continue
        proxies = ground.running.values()
        able = [proxy for proxy in proxies if _is_able(work, proxy, ground, effort, found)]
        for row in work.rows(effort):
            found.figures[row] = {proxy.name: [] for proxy in able}
            found.units[row] = work.unit
        for turn in range(chosen.rounds):
            # Another one goes first in each round: a noisy neighbour hits all alike.
            order = able[turn % len(able) :] + able[: turn % len(able)] if able else []
            for proxy in order:
                _measure_one(work, proxy, ground, effort, found)
    return found


def _is_able(
    work: Work, proxy: Running, ground: Ground, effort: Effort, found: report.Found
) -> bool:
    """Whether it takes part and has done the work right once."""
    if not work.takes(peer_of(proxy), effort):
        return False
    if effort.quick and work.name not in _FOR_ALL and proxy.name not in (GATEWAY.name, TUNED.name):
        return False
    try:
        work.check(proxy, ground)
    except (BrokenError, OSError) as error:
        found.wrong.append(f"{proxy.name}, {work.name}: {error}")
        return False
    return True


def _measure_one(
    work: Work, proxy: Running, ground: Ground, effort: Effort, found: report.Found
) -> None:
    try:
        figures = work.measure(proxy, ground, effort)
    except (BrokenError, NotStartedError, OSError) as error:
        found.wrong.append(f"{proxy.name}, {work.name}: {error}")
        return
    for row, figure in zip(work.rows(effort), figures, strict=True):
        found.figures[row][proxy.name].append(figure)
        shown = f"{figure * table.SCALE[work.unit]:.1f} {work.unit}"
        print(f"{row}, {proxy.name}: {shown}", file=sys.stderr, flush=True)


def _machine() -> dict[str, str]:
    """What is measured, and on what."""
    ran = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=False)
    nginx = ran.stderr.strip().rpartition("/")[2]
    return table.machine() | {"nginx": nginx} | versions(list(PEERS))


def main() -> int:
    """Run everything; 1 when a proxy is missing, work went wrong or `--gate` is not met."""
    chosen = arguments()
    for needed in (NGINX, "wrk"):
        try:
            program(needed)
        except NotStartedError as error:
            sys.exit(str(error))
    # Asked to end, it stops all that it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_limit()
    machine = _machine()
    with tempfile.TemporaryDirectory(prefix="daarion-bench-") as name:
        folder = Path(name)
        builder = Builder(folder)
        origin = start_origin(folder / "origin", builder)
        try:
            certificate = make_certificate(folder)
        except NotStartedError as error:
            certificate = None
            print(f"no TLS: {error}", file=sys.stderr)
        ground = Ground(folder, origin, builder, certificate, chosen.gateway_tls)
        try:
            missing = start_peers(chosen.peers, ground)
            found = measure(chosen, ground)
        finally:
            for proxy in ground.running.values():
                proxy.stop()
            origin.stop()
    found.missing = missing
    met = report.write(chosen, found, machine)
    return 1 if found.wrong or found.missing or (chosen.gate and not met) else 0


if __name__ == "__main__":
    sys.exit(main())

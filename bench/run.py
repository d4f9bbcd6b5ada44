"""Measure the gateway beside its peers: `python -m bench.run --help`."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import table
from bench.origin import Origin, start_origin
from bench.peers import PEERS, ROOT, TUNED
from bench.processes import NGINX, NotStartedError, Running
from bench.raw_client import BrokenError
from bench.works import WORKS, Effort, Work

RESULTS = ROOT / "bench" / "results"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Processor time per unit of work, beside nginx.")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, at least 3")
    parser.add_argument("--seconds", type=int, default=4, help="of small requests per measurement")
    parser.add_argument("--bodies", type=int, default=8, help="large bodies per measurement")
    parser.add_argument("--quick", action="store_true", help="a smoke test: its figures say little")
    parser.add_argument("--column", choices=table.COLUMNS, default="first", help="what is wanted")
    parser.add_argument("--gate", action="store_true", help="exit 1 when something is behind")
    parser.add_argument("--works", nargs="+", choices=[work.name for work in WORKS])
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS])
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.bodies = 1, 1, 2
    elif chosen.rounds < 3:
        parser.error("fewer than 3 rounds say nothing (--quick is for trying)")
    return chosen


def start_peers(
    names: list[str] | None, folder: Path, origin: Origin
) -> tuple[list[Running], dict[str, str]]:
    """Return (those that run, name and reason of those that do not)."""
    running, missing = [], {}
    for peer in PEERS:
        if names is not None and peer.name not in names:
            continue
        try:
            running.append(peer.start(folder, origin))
        except NotStartedError as error:
            missing[peer.name] = str(error)
            print(f"missing: {peer.name}: {error}", file=sys.stderr)
    return running, missing


def measure(
    chosen: argparse.Namespace, proxies: list[Running], origin: Origin
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """Return (work -> peer -> processor seconds per unit and round, what went wrong)."""
    works = [work for work in WORKS if chosen.works is None or work.name in chosen.works]
    effort = Effort(chosen.seconds, chosen.bodies)
    measured: dict[str, dict[str, list[float]]] = {}
    wrong: list[str] = []
    for work in works:
        able = []
        for proxy in proxies:
            if not takes_part(proxy, work):
                continue
            try:
                work.check(proxy, origin)
                able.append(proxy)
            except (BrokenError, OSError) as error:
                wrong.append(f"{proxy.name}, {work.name}: {error}")
        by_peer: dict[str, list[float]] = {proxy.name: [] for proxy in able}
        measured[work.name] = by_peer
        for turn in range(chosen.rounds):
            # Another one goes first in each round: a noisy neighbour hits all alike.
            order = able[turn % len(able) :] + able[: turn % len(able)] if able else []
            for proxy in order:
                _measure_one(work, proxy, origin, effort, by_peer, wrong)
    return measured, wrong


def takes_part(proxy: Running, work: Work) -> bool:
    """Whether this peer is measured at this work."""
    peer = next(each for each in PEERS if each.name == proxy.name)
    return peer.works is None or work.name in peer.works


def _measure_one(
    work: Work,
    proxy: Running,
    origin: Origin,
    effort: Effort,
    by_peer: dict[str, list[float]],
    wrong: list[str],
) -> None:
    try:
        cost = work.measure(proxy, origin, effort)
    except (BrokenError, OSError) as error:
        wrong.append(f"{proxy.name}, {work.name}: {error}")
        return
    by_peer[proxy.name].append(cost)
    shown = cost * table.SCALE[work.unit]
    print(f"{work.name}, {proxy.name}: {shown:.1f} {work.unit}", file=sys.stderr, flush=True)


def version_of(command: list[str]) -> str:
    """First line of what a program says about itself."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).strip().splitlines()[0]


def report(
    chosen: argparse.Namespace,
    measured: dict[str, dict[str, list[float]]],
    missing: dict[str, str],
    wrong: list[str],
    machine: dict[str, str],
) -> tuple[str, bool]:
    """Return (Markdown, whether everything wanted is met)."""
    units = {work.name: work.unit for work in WORKS}
    ratios, met = table.verdicts(measured, chosen.column)
    parts = [
        "Processor time of the proxy per unit of work: median (least–most) of "
        f"{chosen.rounds} interleaved rounds.",
        table.costs(measured, units, missing),
        ratios,
        "; ".join(f"{name}: {value}" for name, value in machine.items()),
    ]
    if wrong:
        parts.append("Not counted, because the work was not done as asked:")
        parts.append("\n".join(f"- {each}" for each in wrong))
    return "\n\n".join(parts), met and not wrong


def main() -> int:
    """Run everything; 1 when a proxy is missing, work went wrong or `--gate` is not met."""
    chosen = arguments()
    for program in (NGINX, "wrk"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt install nginx wrk")
    machine = table.machine() | {"nginx": version_of([NGINX, "-v"])}
    with tempfile.TemporaryDirectory(prefix="daarion-bench-") as name:
        folder = Path(name)
        origin = start_origin(folder / "origin")
        proxies: list[Running] = []
        try:
            proxies, missing = start_peers(chosen.peers, folder, origin)
            measured, wrong = measure(chosen, proxies, origin)
            memory = {proxy.name: proxy.peak_memory() for proxy in proxies}
        finally:
            for proxy in proxies:
                proxy.stop()
            origin.stop()
    text, met = report(chosen, measured, missing, wrong, machine)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    result = RESULTS / time.strftime("%Y%m%dT%H%M%S.json")
    result.write_text(
        json.dumps(
            {
                "machine": machine,
                "rounds": chosen.rounds,
                "reference": TUNED.name,
                "seconds_per_unit": measured,
                "peak_memory_bytes": memory,
                "missing": missing,
                "wrong": wrong,
            },
            indent=2,
        )
    )
    print(f"\nwritten to {result.relative_to(ROOT)}")
    return 1 if wrong or missing or (chosen.gate and not met) else 0


if __name__ == "__main__":
    sys.exit(main())

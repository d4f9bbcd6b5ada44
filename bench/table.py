"""Numbers of a run as a Markdown table: medians, ratios, and what is wanted."""

import os
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path

# work -> peer -> processor seconds per unit, one per round.
Measured = Mapping[str, Mapping[str, list[float]]]

SCALE = {"µs": 1e6, "ms": 1e3}
COLUMNS = ("first", "then", "goal")

# (work, peer that the gateway is compared with) -> wanted ratio by column.
WANTED = {
    ("small GET", "nginx tuned"): (2.2, 1.6, 1.0),
    ("small GET", "nginx old"): (0.6, 0.45, 0.3),
    ("100 MB answer", "nginx tuned"): (0.8, 0.4, 0.3),
    ("100 MB upload", "nginx tuned"): (0.8, 0.5, 0.3),
}


def ratio(gateway: list[float], peer: list[float]) -> float:
    """Median of the ratios of each round: what slows one round slows both sides of it."""
    return statistics.median(ours / theirs for ours, theirs in zip(gateway, peer, strict=True))


def costs(measured: Measured, units: Mapping[str, str], missing: Mapping[str, str]) -> str:
    """Median processor time per unit of each peer, with the range over the rounds."""
    peers = sorted({peer for by_peer in measured.values() for peer in by_peer})
    rows = [
        "| work | " + " | ".join([*peers, *missing]) + " |",
        "|---" * (1 + len(peers) + len(missing)) + "|",
    ]
    for work, by_peer in measured.items():
        scale = SCALE[units[work]]
        cells = []
        for peer in peers:
            values = [value * scale for value in by_peer.get(peer, [])]
            if not values:
                cells.append("failed" if peer in by_peer else "-")
                continue
            middle = statistics.median(values)
            cells.append(f"{middle:.1f} ({min(values):.1f}–{max(values):.1f})")
        cells += [f"missing: {reason}" for reason in missing.values()]
        rows.append(f"| {work}, {units[work]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def verdicts(measured: Measured, gateway: str, column: str) -> tuple[str, bool]:
    """Return (the table of ratios beside what is wanted, whether all of them are met)."""
    place = COLUMNS.index(column)
    rows = [f"| {gateway} at | beside | ratio | wanted ({column}) | |", "|---|---|---|---|---|"]
    met = True
    for (work, peer), wanted in WANTED.items():
        by_peer = measured.get(work)
        if by_peer is None:
            continue
        ours, theirs = by_peer.get(gateway), by_peer.get(peer)
        if not ours or not theirs or len(ours) != len(theirs):
            rows.append(f"| {work} | {peer} | - | {wanted[place]} | missing |")
            met = False
            continue
        found = ratio(ours, theirs)
        reached = found <= wanted[place]
        met = met and reached
        word = "PASS" if reached else "behind"
        rows.append(f"| {work} | {peer} | {found:.2f} | {wanted[place]} | {word} |")
    for work, by_peer in measured.items():
        ours, theirs = by_peer.get(gateway), by_peer.get("nginx streaming")
        if ours and theirs and len(ours) == len(theirs):
            rows.append(f"| {work} | nginx streaming | {ratio(ours, theirs):.2f} | - | - |")
    return "\n".join(rows), met


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }

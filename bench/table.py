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

# (work, ours, theirs, wanted ratio by column or None when the figure only informs).
COMPARED = (
    ("small GET", "daarion-gw", "nginx tuned", (2.2, 1.6, 1.0)),
    ("small GET", "daarion-gw", "nginx old", (0.6, 0.45, 0.3)),
    ("small GET", "daarion-gw, log on", "nginx tuned, log on", None),
    ("100 MB answer", "daarion-gw", "nginx tuned", (0.8, 0.4, 0.3)),
    ("100 MB answer", "daarion-gw", "nginx streaming", None),
    ("100 MB upload", "daarion-gw", "nginx tuned", (0.8, 0.5, 0.3)),
    ("100 MB upload", "daarion-gw", "nginx streaming", None),
)


def ratio(gateway: list[float], peer: list[float]) -> float:
    """Median of the ratios of each round: what slows one round slows both sides of it."""
    return statistics.median(ours / theirs for ours, theirs in zip(gateway, peer, strict=True))


def costs(measured: Measured, units: Mapping[str, str], missing: Mapping[str, str]) -> str:
    """Median processor time per unit of each peer, with the range over the rounds."""
    seen = [peer for by_peer in measured.values() for peer in by_peer]
    peers = list(dict.fromkeys(seen))
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


def verdicts(measured: Measured, column: str) -> tuple[str, bool]:
    """Return (the table of ratios beside what is wanted, whether all of them are met)."""
    place = COLUMNS.index(column)
    rows = [f"| work | ours | beside | ratio | wanted ({column}) | |", "|---" * 6 + "|"]
    met = True
    for work, ours, theirs, wanted in COMPARED:
        by_peer = measured.get(work)
        if by_peer is None:
            continue
        limit = wanted[place] if wanted else None
        found = None
        if by_peer.get(ours) and len(by_peer[ours]) == len(by_peer.get(theirs, ())):
            found = ratio(by_peer[ours], by_peer[theirs])
        word = _verdict(found, limit)
        met = met and word in ("PASS", "")
        shown = "-" if found is None else f"{found:.2f}"
        rows.append(f"| {work} | {ours} | {theirs} | {shown} | {limit or '-'} | {word} |")
    return "\n".join(rows), met


def _verdict(found: float | None, limit: float | None) -> str:
    if found is None:
        return "missing"
    if limit is None:
        return ""
    return "PASS" if found <= limit else "behind"


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

"""What a run found: printed, kept as JSON, and (on demand) published as docs/bench.md."""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import chart, table
from bench.latency import Latency
from bench.peers import ROOT
from bench.rows import WORKS

RESULTS = ROOT / "bench" / "results"
DOCS = ROOT / "docs"

_INTRODUCTION = """\
# daarion-gw beside its peers

![Processor time beside nginx, HAProxy, Envoy, Traefik and Caddy](images/bench.svg)

Written by `make bench`; how it measures and what keeps it honest stands in
[bench/README.md](../bench/README.md), what was tried to make it faster in
[bench/NOTES.md](../bench/NOTES.md). Figures in µs and ms are **processor time of the proxy** per
unit of work (user and system, all its processes); "of time" is time on the clock. In brackets:
the ratio to tuned nginx in the same run, the median of the ratios of each round. Less is better.
Requests per second are not shown: on a shared machine they say nothing."""


@dataclass
class Found:
    """Everything that a run brought to light."""

    # row -> peer -> figures of the rounds: seconds or bytes per unit.
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    # peer -> why it is not there; work -> why it could not be measured.
    missing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def write(chosen: argparse.Namespace, found: Found, machine: Mapping[str, str]) -> bool:
    """Print and keep it all; return whether everything wanted is met."""
    ratios, met = table.verdicts(found.figures, chosen.column)
    text = _text(chosen, found, machine, ratios)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    result = RESULTS / time.strftime("%Y%m%dT%H%M%S.json")
    kept = {"machine": dict(machine), "rounds": chosen.rounds} | asdict(found)
    result.write_text(json.dumps(kept, indent=2))
    print(f"\nwritten to {result.relative_to(ROOT)}")
    # A quick run writes them too, where nobody looks: that they can be written is part of it.
    folder = DOCS if chosen.publish else RESULTS
    _publish(folder, text, found, machine)
    return met and not found.wrong


def _text(chosen: argparse.Namespace, found: Found, machine: Mapping[str, str], ratios: str) -> str:
    parts = [
        f"Medians of {chosen.rounds} interleaved rounds.",
        table.costs(found.figures, found.units, found.missing),
        ratios,
        "; ".join(f"{name}: {value}" for name, value in machine.items()),
    ]
    rate = next((work.rate for work in WORKS if isinstance(work, Latency) and work.rate), 0)
    if rate:
        parts.append(f"Added latency: at {rate:,} requests per second, half of the gateway's most.")
    for title, lines in (
        ("Missing:", [f"{name}: {why}" for name, why in found.missing.items()]),
        ("Not measured:", [f"{name}: {why}" for name, why in found.left_out.items()]),
        ("Not counted, because the work was not done as asked:", found.wrong),
    ):
        if lines:
            parts += [title, "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts)


def _publish(folder: Path, text: str, found: Found, machine: Mapping[str, str]) -> None:
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    (images / "bench.svg").write_text(chart.draw(found.figures, found.units, machine))
    spread = table.spread(found.figures, found.units)
    folded = f"<details><summary>All rounds</summary>\n\n{spread}\n\n</details>"
    (folder / "bench.md").write_text(f"{_INTRODUCTION}\n\n{text}\n\n{folded}\n")

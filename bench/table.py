"""Numbers of a run as Markdown tables: medians, ratios, and what is wanted."""

import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# row -> peer -> figure, one per round: seconds or bytes per unit of work.
Measured = Mapping[str, Mapping[str, list[float]]]

SCALE = {"µs": 1e6, "ms": 1e3, "µs of time": 1e6, "ms of time": 1e3, "KiB": 1 / 1024}
COLUMNS = ("first", "then", "goal")

OURS, NGINX = "daarion-gw", "nginx tuned"
# Peers that have a column; what else is measured stands in a row or in the last column.
MAIN = (OURS, NGINX, "HAProxy", "Envoy", "Traefik", "Caddy")
_LOGGING = {OURS: "daarion-gw, log on", NGINX: "nginx tuned, log on"}
_TWO = {OURS: "daarion-gw, 2 workers", NGINX: "nginx tuned, 2 workers"}
# Rows of their own: (what is added to the name of the work, column -> peer).
_VARIANTS = (
    ("log on", _LOGGING),
    ("2 workers", _TWO),
    ("Twisted's ssl:", {OURS: "daarion-gw, ssl:", NGINX: NGINX}),
)
_OTHERWISE = {"nginx old": "old", "nginx streaming": "streaming"}


@dataclass(frozen=True)
class Compared:
    """One figure beside another, or (`beside` empty) by itself in the unit of its row."""

    row: str
    ours: str
    beside: str
    wanted: tuple[float, float, float] | None = None
    # Another row to compare with, when it is not the same one.
    other_row: str = ""


# Little and much of something must cost the same; the rest is for the noise of a shared machine.
_FLAT = (1.25, 1.25, 1.25)

COMPARED = (
    Compared("small GET", OURS, NGINX, (2.2, 1.6, 1.0)),
    Compared("small GET", OURS, "nginx old", (0.6, 0.45, 0.3)),
    Compared("small GET", _LOGGING[OURS], _LOGGING[NGINX]),
    # Half of it is twice the throughput: wanted are 1.6, 1.8 and 1.9 times that of one.
    Compared("small GET, busiest process", _TWO[OURS], OURS, (0.62, 0.55, 0.52)),
    Compared("small GET, busiest process", _TWO[NGINX], NGINX),
    Compared("100 MB answer", OURS, NGINX, (0.8, 0.4, 0.3)),
    Compared("100 MB answer", OURS, "nginx streaming"),
    Compared("100 MB upload", OURS, NGINX, (0.8, 0.5, 0.3)),
    Compared("100 MB upload", OURS, "nginx streaming"),
    Compared("WebSocket echo, 125 B", OURS, NGINX, (4, 2, 1.3)),
    Compared("WebSocket echo, 64 KiB", OURS, NGINX, (0.8, 0.4, 0.25)),
    Compared("TLS small GET", OURS, NGINX, (3, 1.8, 1.1)),
    Compared("TLS handshake + GET", OURS, NGINX, (2.5, 1.4, 1.1)),
    Compared("TLS 1 MB answer", OURS, NGINX, (1.5, 1.1, 0.9)),
    Compared("HTTP/2 small GET", OURS, NGINX, (12, 6, 3)),
    Compared("HTTP/2 1 MB answer", OURS, NGINX),
    Compared("added latency, p50", OURS, NGINX),
    Compared("added latency, p99", OURS, NGINX, (3, 2, 1.3)),
    Compared("start to first answer", OURS, "", (1.5, 1.0, 0.5)),
    Compared("memory per idle connection, 10,000 open", OURS, NGINX),
    Compared("memory per idle WebSocket, 5,000 open", OURS, "", (40 * 1024, 25 * 1024, 12 * 1024)),
    Compared("small GET, 1,000 routes", OURS, OURS, _FLAT, "small GET, 10 routes"),
    Compared(
        "small GET, 10,000 connections open",
        OURS,
        OURS,
        _FLAT,
        "small GET, 10 connections open",
    ),
    Compared("small GET, 100 servers", OURS, OURS, _FLAT, "small GET, 1 server"),
)


def ratio(gateway: list[float], peer: list[float]) -> float:
    """Median of the ratios of each round: what slows one round slows both sides of it."""
    # Less than nothing can be added by nobody, but measured: a tenth of a microsecond stands in.
    pairs = zip(gateway, peer, strict=True)
    return statistics.median(ours / max(theirs, 1e-7) for ours, theirs in pairs)


def digits(value: float) -> str:
    """Three digits that count."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def costs(measured: Measured, units: Mapping[str, str], missing: Mapping[str, str]) -> str:
    """Medians of each peer, and in brackets the ratio to tuned nginx."""
    heads = [f"{peer} (missing)" if peer in missing else peer for peer in MAIN]
    rows = [f"| work | {' | '.join(heads)} | nginx otherwise |", "|---" * (len(MAIN) + 2) + "|"]
    for row, by_peer in measured.items():
        unit = units[row]
        rows.append(_line(f"{row}, {unit}", by_peer, {peer: peer for peer in MAIN}, unit, missing))
        for word, places in _VARIANTS:
            if places[OURS] in by_peer:
                name = f"{row}, {word}, {unit}"
                rows.append(_line(name, by_peer, places, unit, missing, otherwise=False))
    return "\n".join(rows)


def _line(
    name: str,
    by_peer: Mapping[str, list[float]],
    places: Mapping[str, str],
    unit: str,
    missing: Mapping[str, str],
    otherwise: bool = True,
) -> str:
    base = by_peer.get(places[NGINX], [])
    cells = []
    for column in MAIN:
        peer = places.get(column, "")
        values = by_peer.get(peer)
        if values:
            cells.append(_cell(values, base if column != NGINX else [], unit))
        else:
            cells.append("missing" if peer in missing else "failed" if values == [] else "-")
    others = [
        f"{_cell(by_peer[peer], base, unit)} {word}"
        for peer, word in _OTHERWISE.items()
        if otherwise and by_peer.get(peer)
    ]
    return f"| {name} | {' | '.join(cells)} | {', '.join(others) or '-'} |"


def _cell(values: list[float], base: list[float], unit: str) -> str:
    shown = digits(statistics.median(values) * SCALE[unit])
    if len(base) == len(values):
        return f"{shown} (×{ratio(values, base):.2f})"
    return shown


def spread(measured: Measured, units: Mapping[str, str]) -> str:
    """Least and most of all rounds, for those who want to know how noisy a run was."""
    rows = ["| work | peer | least | median | most |", "|---" * 5 + "|"]
    for row, by_peer in measured.items():
        for peer, values in by_peer.items():
            if values:
                scale = SCALE[units[row]]
                of = (min(values), statistics.median(values), max(values))
                figures = " | ".join(digits(value * scale) for value in of)
                rows.append(f"| {row}, {units[row]} | {peer} | {figures} |")
    return "\n".join(rows)


def verdicts(measured: Measured, column: str) -> tuple[str, bool]:
    """Return (the table of ratios beside what is wanted, whether all of them are met)."""
    place = COLUMNS.index(column)
    rows = [f"| work | ours | beside | ratio | wanted ({column}) | |", "|---" * 6 + "|"]
    met = True
    for each in COMPARED:
        by_peer = measured.get(each.row)
        if by_peer is None:
            continue
        limit = each.wanted[place] if each.wanted else None
        found = _found(each, measured)
        word = _verdict(found, limit)
        met = met and word in ("PASS", "")
        rows.append(
            f"| {each.row} | {each.ours} | {each.other_row or each.beside or 'itself'} | "
            f"{_shown(each, found, '.2f')} | {_shown(each, limit, '')} | {word} |"
        )
    return "\n".join(rows), met


def _found(each: Compared, measured: Measured) -> float | None:
    ours = measured[each.row].get(each.ours)
    if not ours:
        return None
    if not each.beside:
        return statistics.median(ours)
    theirs = measured.get(each.other_row or each.row, {}).get(each.beside, [])
    return ratio(ours, theirs) if len(theirs) == len(ours) else None


def _shown(each: Compared, value: float | None, precision: str) -> str:
    if value is None:
        return "-"
    if each.beside:
        return f"{value:{precision}}"
    return f"{value / 1024:.1f} KiB" if each.row.startswith("memory") else f"{value:.2f} s"


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

"""The figures of a run as an SVG image: small bar charts side by side, for light and dark pages."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.table import MAIN, OURS, SCALE, Measured, digits

# (row, title): those that tell the story; the table has them all.
PANELS = (
    ("small GET", "Small GET, kept alive"),
    ("100 MB answer", "100 MB answer"),
    ("100 MB upload", "100 MB upload"),
    ("WebSocket echo, 125 B", "WebSocket echo, 125 bytes"),
    ("WebSocket echo, 64 KiB", "WebSocket echo, 64 KiB"),
    ("TLS small GET", "TLS, small GET"),
    ("TLS handshake + GET", "TLS, new handshake + GET"),
    ("memory per idle WebSocket, 5,000 open", "Memory per idle WebSocket, 5,000 open"),
)

_WIDTH, _MARGIN, _GAP = 860, 24, 36
_PANEL = (_WIDTH - 2 * _MARGIN - _GAP) // 2
_LABEL, _VALUE = 92, 96
_ROW, _BAR, _TITLE = 22, 14, 30
_TOP, _BOTTOM = 78, 40

# Colours of both kinds of pages have at least 4.5:1 on their ground where they are text.
_STYLE = """\
  <style>
    text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; }
    text { font-size: 12px; fill: #4b5563; }
    .head { font-size: 18px; font-weight: 600; fill: #111827; }
    .title { font-size: 13px; font-weight: 600; fill: #111827; }
    .ours { font-weight: 600; fill: #111827; }
    .value { font-variant-numeric: tabular-nums; }
    .bar { fill: #9ca3af; } .our-bar { fill: #2563eb; } .ground { fill: #ffffff; }
    .line { stroke: #d1d5db; stroke-width: 1; }
    @media (prefers-color-scheme: dark) {
      text { fill: #9ca3af; }
      .head, .title, .ours { fill: #f3f4f6; }
      .bar { fill: #6b7280; } .our-bar { fill: #60a5fa; } .ground { fill: #0d1117; }
      .line { stroke: #374151; }
    }
  </style>"""


@dataclass(frozen=True)
class Panel:
    """One small chart: a title, its unit, and a median for each peer that was measured."""

    title: str
    unit: str
    bars: list[tuple[str, float]]

    @property
    def height(self) -> int:
        """In pixels, with the space below."""
        return _TITLE + _ROW * len(self.bars) + 18


def panels(measured: Measured, units: Mapping[str, str]) -> list[Panel]:
    """Those of PANELS that were measured, the cheapest peer first."""
    found = []
    for row, title in PANELS:
        by_peer = measured.get(row, {})
        scale = SCALE[units[row]] if by_peer else 0
        bars = [
            (peer, statistics.median(by_peer[peer]) * scale) for peer in MAIN if by_peer.get(peer)
        ]
        if bars:
            bars.sort(key=lambda bar: bar[1])
            found.append(Panel(title, units[row], bars))
    return found


def draw(measured: Measured, units: Mapping[str, str], machine: Mapping[str, str]) -> str:
    """The whole image; two columns of panels, filled from left to right."""
    found = panels(measured, units)
    parts: list[str] = []
    top = _TOP
    for first in range(0, len(found), 2):
        pair = found[first : first + 2]
        for column, panel in enumerate(pair):
            parts += _panel(panel, _MARGIN + column * (_PANEL + _GAP), top)
        top += max(panel.height for panel in pair)
    height = top + _BOTTOM
    described = f"{machine.get('processor', '')}, {machine.get('cores', '?')} cores, Python "
    described += f"{machine.get('python', '')}, nginx {machine.get('nginx', '')}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" aria-label="{_spoken(found)}">',
            _STYLE,
            f'  <rect class="ground" width="{_WIDTH}" height="{height}" rx="8"/>',
            _text(
                _MARGIN, 34, "Processor time per unit of work (and memory), less is better", "head"
            ),
            _text(_MARGIN, 55, _subtitle(found), ""),
            *parts,
            _text(_MARGIN, height - 18, described, ""),
            "</svg>\n",
        ]
    )


def _subtitle(found: list[Panel]) -> str:
    seen = {peer for panel in found for peer, _ in panel.bars}
    absent = [peer for peer in MAIN if peer not in seen]
    words = "One worker each, the same work on header fields; × is the ratio to tuned nginx"
    return f"{words}; missing: {', '.join(absent)}" if absent else words


def _spoken(found: list[Panel]) -> str:
    """For those who cannot see it."""
    said = []
    for panel in found:
        figures = ", ".join(f"{peer} {digits(value)}" for peer, value in panel.bars)
        said.append(f"{panel.title} in {panel.unit}: {figures}")
    return escape(". ".join(said), {'"': "&quot;"})


def _panel(panel: Panel, left: int, top: int) -> list[str]:
    most = max(value for _, value in panel.bars) or 1.0
    room = _PANEL - _LABEL - _VALUE
    parts = [_text(left, top + 14, f"{panel.title} ({panel.unit})", "title")]
    start = left + _LABEL
    base = next((value for peer, value in panel.bars if peer == "nginx tuned"), None)
    for place, (peer, value) in enumerate(panel.bars):
        y = top + _TITLE + place * _ROW
        ours = peer == OURS
        width = max(1.0, room * value / most)
        parts.append(_text(left, y + 12, peer, "ours" if ours else ""))
        parts.append(
            f'  <rect class="{"our-bar" if ours else "bar"}" x="{start}" y="{y + 1}" '
            f'width="{width:.1f}" height="{_BAR}" rx="2"/>'
        )
        times = f"  ×{value / base:.2f}" if base and peer != "nginx tuned" else ""
        style = "value ours" if ours else "value"
        parts.append(_text(start + width + 6, y + 12, f"{digits(value)}{times}", style))
    bottom = top + _TITLE + len(panel.bars) * _ROW
    parts.append(
        f'  <line class="line" x1="{start}" y1="{top + _TITLE - 3}" x2="{start}" y2="{bottom}"/>'
    )
    return parts


def _text(x: float, y: float, words: str, style: str) -> str:
    marked = f' class="{style}"' if style else ""
    return f'  <text{marked} x="{x:.0f}" y="{y:.0f}">{escape(words)}</text>'

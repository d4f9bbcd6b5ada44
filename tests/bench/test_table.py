"""What is missing is named in the tables and in the chart; nothing is left out silently."""

import argparse
import json
import xml.etree.ElementTree as ElementTree

from bench import report
from bench.chart import draw, panels
from bench.table import costs, spread, verdicts

UNITS = {"small GET": "µs", "memory per idle WebSocket, 5,000 open": "KiB"}
FIGURES = {
    "small GET": {
        "daarion-gw": [30e-6, 33e-6, 39e-6],
        "nginx tuned": [20e-6, 22e-6, 26e-6],
        "HAProxy": [],
        "Traefik": [80e-6, 88e-6, 104e-6],
        "nginx old": [60e-6, 66e-6, 78e-6],
        "daarion-gw, log on": [45e-6, 44e-6, 50e-6],
        "nginx tuned, log on": [30e-6, 22e-6, 20e-6],
    }
}


def test_each_row_has_a_cell_for_each_peer():
    text = costs(FIGURES, UNITS, {"Caddy": "caddy is not installed"})
    heads, _, row, logged = text.splitlines()
    assert heads.split(" | ")[5:] == ["Traefik", "Caddy (missing)", "nginx otherwise |"]
    assert row == (
        "| small GET, µs | 33.0 (×1.50) | 22.0 | failed | - | 88.0 (×4.00) | missing "
        "| 66.0 (×3.00) old |"
    )
    assert logged.startswith("| small GET, log on, µs | 45.0 (×2.00) | 22.0 | - |")


def test_the_spread_is_shown():
    assert "| small GET, µs | daarion-gw | 30.0 | 33.0 | 39.0 |" in spread(FIGURES, UNITS)


def test_much_is_held_against_little_and_some_figures_against_a_limit():
    figures = {
        "small GET, 10 routes": {"daarion-gw": [1.0] * 3},
        "small GET, 1,000 routes": {"daarion-gw": [1.5] * 3},
        "memory per idle WebSocket, 5,000 open": {"daarion-gw": [20 * 1024.0] * 3},
        "start to first answer": {"daarion-gw": [1.2] * 3},
    }
    text, met = verdicts(figures, "then")
    assert "| daarion-gw | small GET, 10 routes | 1.50 | 1.25 | behind |" in text
    assert "| daarion-gw | itself | 20.0 KiB | 25.0 KiB | PASS |" in text
    assert "| daarion-gw | itself | 1.20 s | 1.00 s | behind |" in text
    assert not met


def test_a_panel_has_the_cheapest_first_and_only_what_was_measured():
    (panel,) = panels(FIGURES, UNITS)
    assert [peer for peer, _ in panel.bars] == ["nginx tuned", "daarion-gw", "Traefik"]


def test_the_chart_is_an_image_that_can_be_read_without_seeing_it():
    text = draw(FIGURES, UNITS, {"processor": 'A & "B"', "cores": "2"})
    root = ElementTree.fromstring(text)
    assert "Small GET, kept alive in µs: nginx tuned 22.0, daarion-gw 33.0" in root.get(
        "aria-label"
    )
    assert "prefers-color-scheme: dark" in text
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "33.0  ×1.50" in words
    assert any("missing: HAProxy, Envoy, Caddy" in each for each in words)


def test_a_report_names_whatever_went_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    found = report.Found(
        figures=FIGURES,
        units=UNITS,
        wrong=["Envoy, small GET: wrk saw nothing"],
        missing={"Caddy": "caddy is not installed"},
        left_out={"added latency": "no C compiler"},
    )
    chosen = argparse.Namespace(rounds=3, column="first", publish=False)
    assert not report.write(chosen, found, {"cores": "2"})
    said = capsys.readouterr().out
    for each in (
        "- Caddy: caddy is not installed",
        "- added latency: no C compiler",
        "- Envoy, small GET: wrk saw nothing",
    ):
        assert each in said
    (kept,) = (tmp_path / "results").glob("*.json")
    assert json.loads(kept.read_text())["figures"] == FIGURES
    assert (tmp_path / "results" / "bench.md").read_text().startswith("# daarion-gw beside")

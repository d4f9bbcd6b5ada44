"""The configuration as text."""

from pathlib import Path

from daarion_gw.config.defaults import default_settings
from daarion_gw.config.load import load
from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.report import (
    render_problems,
    render_routes,
    render_summary,
    routes_data,
)


def test_the_default_table() -> None:
    text = render_routes(default_settings())
    assert text == (Path(__file__).parents[1] / "cases/config/default_routes.table").read_text()


def test_hosts_exact_paths_and_limits_are_seen(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(
        "routes:\n"
        "  App.example.com/shop/: {to: [http://a:1, http://b:2/base], max_body: off}\n"
        "  /status: {to: 'unix:/run/s.sock', timeouts: {idle: off, connect: 250ms}}\n"
        "  /: http://web:3000\n"
    )
    lines = render_routes(load("g.yaml", {}, tmp_path)).splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "App.example.com/shop/ App.example.com/shop/ http://a:1 http://b:2/base stripped "
        "HTTP + WebSocket body off",
        "/status /status unix:/run/s.sock exact HTTP + WebSocket "
        "body 100M, connect 250ms, idle off",
        "/ / http://web:3000 stripped HTTP + WebSocket body 100M",
        # No start page of the gateway's own: the file has "/".
        "/healthz the gateway itself - exact HTTP -",
    ]


def test_columns_are_aligned_and_lines_have_no_blank_end() -> None:
    lines = render_routes(default_settings()).splitlines()
    assert {line.index("http:") for line in lines if "http:" in line} == {lines[0].index("SERVERS")}
    assert all(line == line.rstrip() for line in lines)


def test_programs_get_everything() -> None:
    grafana = next(row for row in routes_data(default_settings()) if row["key"] == "/grafana/")
    assert grafana["servers"] == ["http://127.0.0.1:3000"]
    assert grafana["timeouts"] == {"connect": 60, "first_byte": 300, "idle": 60, "send": 60}
    assert (grafana["match"], grafana["strip_prefix"]) == ("prefix", False)


def test_mistakes_are_counted() -> None:
    one = Problem("g.yaml", 1, 2, "a.b", "unknown key", None, "c")
    two = Problem("g.yaml", None, None, "", "cannot be read: Is a directory")
    assert render_problems(ConfigurationError([one])) == (
        'g.yaml:1:2: a.b: unknown key; did you mean "c"?\n1 mistake\n'
    )
    assert render_problems(ConfigurationError([one, two])).endswith(
        "g.yaml: cannot be read: Is a directory\n2 mistakes\n"
    )


def test_what_is_fine_says_what_was_loaded() -> None:
    assert render_summary(default_settings()) == (
        "no gateway.yaml, the default table: fine, 8 routes to 7 upstreams, on tcp:8080\n"
    )

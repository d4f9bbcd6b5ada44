"""The ``daarion-gw`` command as its user sees it: what it prints where, and its exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from daarion_gw import __version__

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases" / "config"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAARION_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def daarion_gw(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daarion_gw", *arguments],
        cwd=cwd,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_check_without_a_file_is_the_default_table(tmp_path: Path) -> None:
    done = daarion_gw("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("fine, 8 routes to 7 upstreams, on tcp:8080\n")


def test_check_finds_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("routes: {/x/: 'http://${X_HOST}:1'}\n")
    done = daarion_gw("check", cwd=tmp_path, X_HOST="x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gateway.yaml: fine, 1 route to 1 upstream, on tcp:8080\n"


def test_check_names_every_mistake_and_exits_with_1() -> None:
    done = daarion_gw("check", "--config", "unknown_keys.yaml", cwd=CASES)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (CASES / "unknown_keys.txt").read_text("utf-8")


def test_check_tries_the_tests_of_the_file(tmp_path: Path) -> None:
    text = "routes: {/x/: 'http://x:1'}\ntests:\n  - {url: /x/y, target: /y}\n"
    (tmp_path / "gateway.yaml").write_text(text)
    assert daarion_gw("check", cwd=tmp_path).returncode == 0
    (tmp_path / "gateway.yaml").write_text(text + "  - {url: /x/y, target: /x/y}\n")
    done = daarion_gw("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "gateway.yaml:4:5: tests[1]: /x/y goes to route /x/ (upstream /x/) as /y; "
        "expected target /x/y\n1 mistake\n"
    )


def test_check_names_listeners_that_are_none(tmp_path: Path) -> None:
    text = 'gateway: {listen: ["0.0.0.0:80", "tcp:8080"], admin: "tcp:9901:interface=::1"}\n'
    (tmp_path / "gateway.yaml").write_text(text)
    done = daarion_gw("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    first, second, count = done.stderr.splitlines()
    assert first.startswith("cannot listen on '0.0.0.0:80': ") and "tcp:80:interface=" in first
    assert second.startswith("cannot listen on 'tcp:9901:interface=::1': ")
    assert count == "2 mistakes"


def test_check_warns_of_folders_that_are_not_there(tmp_path: Path) -> None:
    text = "gateway: {access_log: {file: log/x.log}}\ntls: {acme_webroot: www}\n"
    (tmp_path / "gateway.yaml").write_text(text)
    done = daarion_gw("check", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout
    assert done.stderr == (
        "warning: gateway.access_log.file: log: there is no such folder yet\n"
        "warning: tls.acme_webroot: www: there is no such folder yet\n"
    )
    (tmp_path / "www").mkdir()
    (tmp_path / "log").mkdir()
    assert daarion_gw("check", cwd=tmp_path).stderr == ""


def test_routes_shows_the_table_with_what_the_environment_changed(tmp_path: Path) -> None:
    done = daarion_gw("routes", cwd=tmp_path, DAARION_GRAFANA_URL="http://grafana:3000")
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("/grafana/")]
    assert "http://grafana:3000" in line


def test_routes_as_json(tmp_path: Path) -> None:
    done = daarion_gw("routes", "--json", cwd=tmp_path)
    assert done.returncode == 0
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert len(rows) == 8
    assert rows["/prometheus/"]["deny"] == ["-/quit", "-/reload", "api/v1/admin/"]


def test_routes_of_a_wrong_file_names_its_mistakes() -> None:
    done = daarion_gw("routes", "--config", "a_list.yaml", cwd=CASES)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (CASES / "a_list.txt").read_text("utf-8")


def test_the_version(tmp_path: Path) -> None:
    done = daarion_gw("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"daarion-gw {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "check"),
        (("chek",), "chek"),
        (("check", "--confg", "x"), "--confg"),
        (("check", "--config", "missing.yaml"), "missing.yaml"),
        (("check", "extra"), "extra"),
        (("stand-in",), "NAME"),
        (("stand-in", "nobody"), "nobody"),
        (("stand-in", "grafana", "--port", "99999"), "99999"),
    ],
)
def test_wrong_usage_names_itself_and_exits_with_2(
    tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    done = daarion_gw(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [(), ("check",), ("routes",), ("reload",), ("stand-in",)])
def test_each_command_explains_itself(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = daarion_gw(*command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: python -m daarion_gw")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_asking_about_the_configuration_needs_no_reactor(tmp_path: Path) -> None:
    code = (
        "import sys, daarion_gw.__main__ as command\n"
        "command.main(['check'], standalone_mode=False)\n"
        "sys.exit('twisted' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 0


def test_a_stand_in_serves_until_it_is_stopped(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "daarion_gw", "stand-in", "rag-service", "--port", str(port)],
        cwd=tmp_path,
        env=environment() | {"PYTHONWARNINGS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert answers(f"http://127.0.0.1:{port}/health", within=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(url: str, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status == 200
        except OSError:
            time.sleep(0.05)
    return False

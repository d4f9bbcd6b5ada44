"""The Autobahn testsuite through the proxy, in both directions, beside the same run without it.

`wstest` ends with 0 even when cases fail: the reports are read.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.autobahn_cases import ALLOWED, AT_LEAST, FULL, LEFT_OUT, RANKING
from tests.real.installed import PEERS, need_tool
from tests.real.running import accepts, free_port, running

# Seconds for one agent's run.
PATIENCE = 1800 if FULL else 240

type_of_report = dict[str, dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def wstest() -> Path:
    return need_tool("autobahn-testsuite", "wstest")


@pytest.fixture(scope="module")
def good_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`http://` address of a correct WebSocket server."""
    port = free_port()
    argv = [sys.executable, PEERS / "ws_echo.py", str(port)]
    log = tmp_path_factory.mktemp("echo") / "log"
    with running(argv, log, ready=lambda: accepts(port)):
        yield f"http://127.0.0.1:{port}"


def spec(folder: Path, **more: object) -> Path:
    path = folder / "spec.json"
    path.write_text(
        json.dumps(
            {
                "outdir": str(folder / "report"),
                "cases": ["*"],
                "exclude-cases": LEFT_OUT,
                "exclude-agent-cases": {},
            }
            | more
        )
    )
    return path


def assert_no_worse_through_the_proxy(folder: Path) -> None:
    """Judge report/index.json, where the agents are `direct` and `proxied`."""
    report = json.loads((folder / "report" / "index.json").read_text())
    direct, proxied = report["direct"], report["proxied"]
    assert len(direct) >= AT_LEAST
    assert direct.keys() == proxied.keys()
    bad = {
        case: verdicts(result)
        for case, result in proxied.items()
        if not set(verdicts(result)) <= set(ALLOWED)
    }
    assert bad == {}
    worse = {
        case: f"{verdicts(direct[case])} became {verdicts(result)}"
        for case, result in proxied.items()
        if rank(result) > rank(direct[case])
    }
    assert worse == {}


def verdicts(result: dict[str, str]) -> tuple[str, str]:
    """How the peer behaved, and how it closed."""
    return result["behavior"], result["behaviorClose"]


def rank(result: dict[str, str]) -> list[int]:
    return [RANKING.index(verdict) for verdict in verdicts(result)]


def test_a_fuzzing_client_finds_no_fault_with_a_good_server(
    wstest: Path, good_server: str, proxy, tmp_path: Path
) -> None:
    front = proxy({"/ws/": {"to": good_server}})
    direct = good_server.replace("http:", "ws:")
    servers = [
        {"agent": "direct", "url": direct},
        {"agent": "proxied", "url": f"{front.ws_url}/ws/"},
    ]
    run = subprocess.run(
        [wstest, "-m", "fuzzingclient", "-s", spec(tmp_path, servers=servers)],
        cwd=tmp_path,
        capture_output=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    assert_no_worse_through_the_proxy(tmp_path)


def test_a_fuzzing_server_finds_no_fault_with_a_good_client(
    wstest: Path, proxy, tmp_path: Path
) -> None:
    port = free_port()
    argv = [
        wstest,
        *("-m", "fuzzingserver", "-u", "0"),
        *("-s", spec(tmp_path, url=f"ws://127.0.0.1:{port}")),
    ]
    front = proxy({"/fuzz/": {"to": f"http://127.0.0.1:{port}"}})
    with running(argv, tmp_path / "server.log", ready=lambda: accepts(port)) as server:
        for agent, url in [
            ("direct", f"ws://127.0.0.1:{port}"),
            ("proxied", f"{front.ws_url}/fuzz"),
        ]:
            client = subprocess.run(
                [sys.executable, PEERS / "ws_fuzzed_client.py", url, agent],
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            assert client.returncode == 0, client.stderr.decode()[-2000:] + server.tail()
    assert_no_worse_through_the_proxy(tmp_path)

"""The Autobahn testsuite through the proxy, in both directions, beside the same run without it.

`wstest` ends with 0 even when cases fail: the reports are read.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.autobahn_cases import (
    ALLOWED,
    AT_LEAST,
    FULL,
    LEFT_OUT,
    MAY_BECOME_NON_STRICT,
)
from tests.real.installed import PEERS, need_tool
from tests.real.running import Running, accepts, free_port, running, until

# Seconds for one agent's run.
PATIENCE = 3600 if FULL else 300

# Case id -> how the peer behaved, and how it closed.
Report = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def python2() -> Path:
    """The Python that can import the testsuite."""
    return need_tool("autobahn-testsuite", "python")


@pytest.fixture(scope="module")
def good_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a correct WebSocket server."""
    port = free_port()
    argv = [sys.executable, PEERS / "ws_echo.py", str(port)]
    log = tmp_path_factory.mktemp("echo") / "log"
    with running(argv, log, ready=lambda: accepts(port)):
        yield f"127.0.0.1:{port}"


def write_spec(folder: Path, **more: object) -> Path:
    """A specification for wstest whose report goes into `folder`."""
    path = folder / "spec.json"
    cases = {"cases": ["*"], "exclude-cases": LEFT_OUT, "exclude-agent-cases": {}}
    path.write_text(json.dumps({"outdir": str(folder / "report")} | cases | more))
    return path


def read_report(folder: Path, agent: str) -> Report:
    index = json.loads((folder / "report" / "index.json").read_text())
    return {
        case: (result["behavior"], result["behaviorClose"]) for case, result in index[agent].items()
    }


def wait_for_all(processes: list[Running]) -> None:
    """Wait until all have ended well; stop what is left."""
    try:
        for process in processes:
            until(lambda one=process: one.popen.poll() is not None, PATIENCE, str(process.argv))
            assert process.popen.returncode == 0, process.tail()
    finally:
        for process in processes:
            process.stop()


def assert_no_worse(direct: Report, proxied: Report) -> None:
    """Every case went well through the proxy, and none worse than without it."""
    assert len(direct) >= AT_LEAST
    assert direct.keys() == proxied.keys()
    assert verdicts_outside(ALLOWED, direct) == {}, "a fault of the test's own peer"
    assert verdicts_outside(ALLOWED, proxied) == {}
    worse = {
        case: f"{direct[case]} became {seen}"
        for case, seen in proxied.items()
        if rank(seen) > rank(direct[case]) and case not in MAY_BECOME_NON_STRICT
    }
    assert worse == {}


def verdicts_outside(allowed: list[str], report: Report) -> Report:
    return {case: seen for case, seen in report.items() if not set(seen) <= set(allowed)}


def rank(verdicts: tuple[str, str]) -> int:
    return max(ALLOWED.index(verdict) for verdict in verdicts)


@pytest.mark.slow
def test_a_fuzzing_client_finds_no_fault_with_a_good_server(
    python2: Path, good_server: str, proxy, tmp_path: Path
) -> None:
    front = proxy({"/ws/": {"to": f"http://{good_server}"}})
    ways = {"direct": f"ws://{good_server}", "proxied": f"{front.ws_url}/ws/"}
    clients = []
    for agent, url in ways.items():
        folder = tmp_path / agent
        folder.mkdir()
        spec = write_spec(folder, servers=[{"agent": agent, "url": url}])
        wstest = need_tool("autobahn-testsuite", "lib", "bin", "wstest")
        argv = [python2, wstest, "-m", "fuzzingclient", "-s", spec]
        clients.append(Running(argv, folder / "log"))
    wait_for_all(clients)
    assert_no_worse(*(read_report(tmp_path / agent, agent) for agent in ways))


@contextlib.contextmanager
def fuzzing_server(python2: Path, folder: Path) -> Iterator[str]:
    """`host:port` of a fuzzing server that reports into `folder`."""
    folder.mkdir()
    port = free_port()
    spec = write_spec(folder, url=f"ws://127.0.0.1:{port}")
    argv = [python2, PEERS / "fuzzing_server.py", spec]
    with running(argv, folder / "log", ready=lambda: accepts(port)):
        yield f"127.0.0.1:{port}"


@pytest.mark.slow
def test_a_fuzzing_server_finds_no_fault_with_a_good_client(
    python2: Path, proxy, tmp_path: Path
) -> None:
    with (
        fuzzing_server(python2, tmp_path / "direct") as near,
        fuzzing_server(python2, tmp_path / "proxied") as far,
    ):
        front = proxy({"/fuzz/": {"to": f"http://{far}"}})
        ways = {"direct": f"ws://{near}", "proxied": f"{front.ws_url}/fuzz"}
        client = [sys.executable, PEERS / "ws_fuzzed_client.py"]
        wait_for_all(
            [
                Running([*client, url, agent], tmp_path / agent / "client.log")
                for agent, url in ways.items()
            ]
        )
    assert_no_worse(*(read_report(tmp_path / agent, agent) for agent in ways))

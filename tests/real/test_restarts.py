"""Servers that are killed with kill -9 under load: what fails then, and that nothing else does."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.load import Load, longest
from tests.real.numbered import Numbered, numbered
from tests.support.gateway import GatewayProcess
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("gateway_only")


@contextlib.contextmanager
def front(folder: Path, servers: list[Numbered], **upstream: object) -> Iterator[GatewayProcess]:
    """A gateway with these servers behind /app/, and with these keys of `upstreams:`."""
    written = {
        "gateway": {"access_log": "off"},
        "routes": {"/app/": "app"},
        "upstreams": {"app": {"servers": [server.url for server in servers], **upstream}},
    }
    gateway = GatewayProcess(folder, json.dumps(written))
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def restart(server: Numbered, load: Load) -> None:
    """Kill it while it is busy and start it again; nobody is held any more when this returns."""
    load.sees(30, server.pid)
    server.kill()
    server.start()
    load.goes_on_for_all(time.monotonic())


def test_with_wait_for_a_server_restarted_twenty_times_costs_no_get(tmp_path: Path) -> None:
    with (
        numbered(tmp_path) as server,
        front(tmp_path, [server], wait_for="10s") as gateway,
        Load(gateway.ports[0], clients=16, pause=0.02) as load,
    ):
        for _ in range(20):
            restart(server, load)
    assert load.failures == [], load.told()
    # They were held, and not for long: they go on when the server is back.
    assert 0.02 < longest(load.answered) < 5


def test_without_wait_for_it_does(tmp_path: Path) -> None:
    """So the test above can fail: nothing else in it keeps requests from a server that is down."""
    with (
        numbered(tmp_path) as server,
        front(tmp_path, [server]) as gateway,
        Load(gateway.ports[0], clients=16, pause=0.02) as load,
    ):
        for _ in range(2):
            restart(server, load)
    assert any(failure.why.startswith("502") for failure in load.failures), load.told()


def kill_and_bring_back(server: Numbered, load: Load, method: str = "GET") -> tuple[float, float]:
    """Kill it while it is busy, see that all goes on, and that it is asked again.

    Returns between which times it died.
    """
    load.sees(30, server.pid)
    # All clients may pause at the same time: then it has nothing to lose.
    until(lambda: unanswered(server, method), what="something under way")
    began = time.monotonic()
    server.kill()
    died = began, time.monotonic()
    load.goes_on(200)
    server.start()
    load.sees(30, server.pid)
    return died


# A server has something under way at any time, and one that was ejected is soon back.
SLOW = 0.02
RETURNING = {"eject": {"time": "500ms", "longest": "500ms"}}


class TestOneOfThreeIsKilled:
    @pytest.fixture
    def servers(self, tmp_path: Path) -> Iterator[list[Numbered]]:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(numbered(tmp_path, delay=SLOW)) for _ in range(3)]

    @pytest.mark.parametrize("path", ["/app/", "/app/once/"], ids=["kept alive", "new"])
    def test_no_get_fails(self, tmp_path: Path, servers: list[Numbered], path: str) -> None:
        """Neither on a connection that was there, nor on one that was made for it."""
        with (
            front(tmp_path, servers, **RETURNING) as gateway,
            Load(gateway.ports[0], clients=24, pause=0.01, path=path) as load,
        ):
            for server in servers:
                kill_and_bring_back(server, load)
        assert load.failures == [], load.told()

    def test_without_retries_those_under_way_do(
        self, tmp_path: Path, servers: list[Numbered]
    ) -> None:
        """So the test above can fail: there is always something under way on the one killed."""
        with (
            front(tmp_path, servers, retry="off", **RETURNING) as gateway,
            Load(gateway.ports[0], clients=24, pause=0.01, path="/app/once/") as load,
        ):
            for server in servers:
                kill_and_bring_back(server, load)
        assert load.failures, "nothing was under way"

    def test_of_the_posts_those_that_it_had_and_no_other(
        self, tmp_path: Path, servers: list[Numbered]
    ) -> None:
        """A POST that may have been carried out is not repeated; one that was not is."""
        may_fail: set[int] = set()
        killed: list[tuple[Numbered, tuple[float, float]]] = []
        with (
            front(tmp_path, servers, **RETURNING) as gateway,
            Load(gateway.ports[0], clients=24, pause=0.01, method="POST", body=b"x" * 500) as load,
        ):
            for server in servers:
                killed.append((server, kill_and_bring_back(server, load, "POST")))
        for server, died in killed:
            others = {n for other in servers if other is not server for n in begun(other, "POST")}
            may_fail |= load.under_way(died) - others
        had = {number for server in servers for number in unanswered(server, "POST")}
        failed = {failure.number for failure in load.failures}
        assert had, "nothing was under way: this shows nothing"
        assert had <= failed <= may_fail, load.told()
        everywhere = [number for server in servers for number in begun(server, "POST")]
        assert len(everywhere) == len(set(everywhere)), "a POST was sent twice"


def begun(server: Numbered, method: str) -> list[int]:
    return server.noted("begun", method)


def unanswered(server: Numbered, method: str) -> set[int]:
    """What it has begun and not answered, or did not live to answer."""
    return set(begun(server, method)) - set(server.noted("answers", method))

"""Ten times what can be served: the accepted are answered, the rest is refused at once.

DAARION_OVERLOAD_SECONDS=30 is the whole length (`make overload-full`); it is shorter by itself.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.compiled import Started
from tests.real.load import Load, longest
from tests.real.numbered import Numbered, numbered
from tests.support.gateway import GatewayProcess

pytestmark = pytest.mark.usefixtures("gateway_only")

SECONDS = float(os.environ.get("DAARION_OVERLOAD_SECONDS", "5"))
MEGABYTE = 1 << 20

# Clients that are let in; ten times as many come, and again and again when they are refused.
LET_IN = 100
COME = 10 * LET_IN
PAUSE = 100

# Microseconds. Refused is who hears so within a second, in 99 of 100 cases; who is let in shares
# the loop with those who are turned away, many thousand a second.
AT_ONCE = 1_000_000
ANSWERED_WITHIN = 5_000_000
MAY_GROW_BY = 32 * MEGABYTE
NORMAL_AGAIN_WITHIN = 5.0
# A request takes a few milliseconds; a busy machine takes its time too.
NORMAL_REQUEST = 0.25


@dataclass(frozen=True, slots=True)
class Storm:
    """What the clients saw, and the most memory that the gateway had more than before."""

    said: Any
    grown_by: int

    @property
    def told(self) -> str:
        return json.dumps(self.said)


@contextlib.contextmanager
def front(
    folder: Path, server: Numbered, limits: dict[str, object], upstream: dict[str, object]
) -> Iterator[GatewayProcess]:
    """A gateway with this server behind /app/, with these `gateway.limits` and upstream's keys."""
    written = {
        "gateway": {"access_log": "off"} | ({"limits": limits} if limits else {}),
        "routes": {"/app/": "app"},
        "upstreams": {"app": {"servers": [server.url], **upstream}},
    }
    gateway = GatewayProcess(folder, json.dumps(written))
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def storm(gateway: GatewayProcess, clients: int, seconds: float = SECONDS) -> Storm:
    """Warm up, then let them all come."""
    with Load(gateway.ports[0], clients=4, pause=0) as load:
        load.goes_on(200)
    before = most = gateway.memory
    coming = Started("storm", gateway.ports[0], "/app/", clients, seconds, PAUSE)
    while coming.is_running():
        most = max(most, gateway.memory)
        time.sleep(0.1)
    return Storm(coming.said(), most - before)


def is_served_well(storm: Storm, server: Numbered) -> None:
    """AssertionError if anybody was let in and not answered, or kept waiting for a refusal."""
    said = storm.said
    assert said["lost"] == 0, storm.told
    assert said["answered"]["count"] > 100, storm.told
    # None reached the server whose client was told that it was refused.
    begun = len(server.noted("begun", "GET"))
    assert begun == len(server.noted("answers", "GET")), storm.told
    assert storm.grown_by < MAY_GROW_BY, f"{storm.grown_by / MEGABYTE:.0f} MB more"
    assert said["refused"]["count"] > said["answered"]["count"] / 100, "nobody was refused"
    assert said["refused"]["p99"] < AT_ONCE, storm.told
    assert said["answered"]["max"] < ANSWERED_WITHIN, storm.told


def is_normal_again(gateway: GatewayProcess, since: float) -> None:
    """AssertionError unless a hundred requests are served as ever from five seconds after."""
    with Load(gateway.ports[0], clients=4, pause=0.01) as load:
        load.lasts_until(since + NORMAL_AGAIN_WITHIN)
        load.goes_on(100)
    normal = [one for one in load.outcomes if one.began > since + NORMAL_AGAIN_WITHIN]
    assert [one for one in normal if one.why] == [], load.told()
    assert longest(normal) < NORMAL_REQUEST
    # Kept alive: each of the four has one connection.
    assert len({one.port for one in normal}) == 4


class TestTooManyConnections:
    def test_those_let_in_are_answered_and_the_others_refused_at_once(self, tmp_path: Path) -> None:
        with (
            numbered(tmp_path) as server,
            front(tmp_path, server, {"connections": LET_IN}, {}) as gateway,
        ):
            seen = storm(gateway, COME)
            since = time.monotonic()
            is_served_well(seen, server)
            is_normal_again(gateway, since)

    def test_without_a_limit_nobody_is_refused_and_all_wait(self, tmp_path: Path) -> None:
        """So the test above can fail."""
        with (
            numbered(tmp_path) as server,
            front(tmp_path, server, {"connections": "off"}, {}) as gateway,
        ):
            seen = storm(gateway, COME, 2)
            with pytest.raises(AssertionError, match="nobody was refused"):
                is_served_well(seen, server)


# A server that can do eight at a time, twenty times a second each; sixteen may wait for it.
PLACES = 8
SLOW = 0.05
BUSY = {"limits": {"in_flight": PLACES, "waiting": 16, "wait": "400ms"}}


class TestTooManyRequests:
    def test_a_server_is_asked_what_it_can_do_and_the_rest_is_refused_at_once(
        self, tmp_path: Path
    ) -> None:
        with (
            numbered(tmp_path, delay=SLOW) as server,
            front(tmp_path, server, {}, BUSY) as gateway,
        ):
            # As many as ten times those that have a place or wait for one.
            seen = storm(gateway, 10 * (PLACES + 16))
            since = time.monotonic()
            is_served_well(seen, server)
            assert at_once(server) <= PLACES
            is_normal_again(gateway, since)

    def test_without_limits_it_is_asked_everything(self, tmp_path: Path) -> None:
        """So the test above can fail."""
        with (
            numbered(tmp_path, delay=SLOW) as server,
            front(tmp_path, server, {}, {}) as gateway,
        ):
            seen = storm(gateway, 10 * (PLACES + 16), 2)
            with pytest.raises(AssertionError, match="nobody was refused"):
                is_served_well(seen, server)
            assert at_once(server) > PLACES


def at_once(server: Numbered) -> int:
    """The most requests that it had under way at the same time."""
    now = most = 0
    for what, _, _ in server.lines():
        now += 1 if what == "begun" else -1
        most = max(most, now)
    return most

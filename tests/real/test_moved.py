"""A server that comes back at another address, under load: found again within five seconds.

The gateway runs in a mount namespace with an /etc/hosts of its own, where its server's name leads
to 127.0.0.2 and then to 127.0.0.3: it asks the system's resolver as it always does.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.installed import missing, need_program
from tests.real.load import Load
from tests.real.numbered import Numbered, lasting_port, numbered
from tests.real.without import FORGETTING_NAMES, twistd
from tests.support.gateway import ANYWHERE, GatewayProcess

pytestmark = pytest.mark.usefixtures("gateway_only")

NAME = "moving.example"
# What is remembered is five seconds old at most; the rest is for a busy machine.
FOUND_WITHIN = 5.5


class Hosts:
    """The /etc/hosts of one process and of what it starts."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "hosts"
        self.says("127.0.0.2")

    def says(self, address: str) -> None:
        # In place and at once: whoever reads it finds the old line or the new one.
        descriptor = os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o644)
        os.pwrite(descriptor, f"{address} {NAME}\n".encode(), 0)
        os.close(descriptor)

    def around(self, *command: str) -> list[str]:
        """The command line that runs this one with these hosts; its pid is the same."""
        # Who is not root becomes root of a user namespace.
        unshare = [need_program("unshare"), "--mount", "--propagation", "private"]
        if os.geteuid():
            unshare.append("--map-root-user")
        mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return [*unshare, "sh", "-c", mount, str(self._file), *command]


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    hosts = Hosts(tmp_path)
    tried = subprocess.run(hosts.around("true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        missing(f"a mount namespace (unshare: {tried.stderr.strip()})")
    return hosts


@contextlib.contextmanager
def front(folder: Path, hosts: Hosts, *ports: int, without: str = "") -> Iterator[GatewayProcess]:
    """A gateway with servers behind /app0/, … that it knows by name; `without`: see without.py."""
    routes = {f"/app{place}/": f"http://{NAME}:{port}" for place, port in enumerate(ports)}
    written = {"gateway": {"access_log": "off"}, "routes": routes}
    command = twistd("--admin", "off", "--listen", ANYWHERE, without=without)
    gateway = GatewayProcess(folder, json.dumps(written), command=hosts.around(*command))
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


def moved(hosts: Hosts, old: Numbered, new: Numbered, load: Load) -> float:
    """Change the address once the old one is busy; when that was."""
    load.sees(100, old.pid)
    hosts.says(new.host)
    return time.monotonic()


def replaced(hosts: Hosts, old: Numbered, new: Numbered, load: Load) -> float:
    """The same, with the old one dead and the new one up before; when that was."""
    load.sees(100, old.pid)
    old.kill()
    new.start()
    return moved(hosts, old, new, load)


class TestTheOldOneIsDead:
    """A container that was replaced: nobody is at its address any more."""

    def test_the_new_one_is_found_and_fails_nothing_after_that(
        self, tmp_path: Path, hosts: Hosts
    ) -> None:
        port = lasting_port()
        with (
            numbered(tmp_path, host="127.0.0.2", port=port) as old,
            numbered(tmp_path, host="127.0.0.3", port=port, up=False) as new,
            front(tmp_path, hosts, port) as gateway,
            Load(gateway.ports[0], clients=16, pause=0.02, path="/app0/") as load,
        ):
            at = replaced(hosts, old, new, load)
            load.sees(500, new.pid)
        found = min(one.ended for one in load.answered_by(new.pid))
        assert found - at < FOUND_WITHIN
        assert [late for late in load.failures if late.began > found] == [], load.told()


class TestTheOldOneStillAnswers:
    """A new version beside the old one, or the address now belongs to somebody else."""

    def test_new_connections_go_to_the_new_one_and_nothing_fails(
        self, tmp_path: Path, hosts: Hosts
    ) -> None:
        port = lasting_port()
        with (
            numbered(tmp_path, host="127.0.0.2", port=port) as old,
            numbered(tmp_path, host="127.0.0.3", port=port) as new,
            front(tmp_path, hosts, port) as gateway,
            Load(gateway.ports[0], clients=16, pause=0.02, path="/app0/once/") as load,
        ):
            at = moved(hosts, old, new, load)
            load.sees(500, new.pid)
        assert load.failures == [], load.told()
        assert max(one.began for one in load.answered_by(old.pid)) - at < FOUND_WITHIN


def test_neither_is_found_where_names_are_believed_for_ever(tmp_path: Path, hosts: Hosts) -> None:
    """So the tests above can fail: the one that is dead and the one that still answers."""
    dead, alive = lasting_port(), lasting_port()
    with (
        numbered(tmp_path, host="127.0.0.2", port=dead) as old,
        numbered(tmp_path, host="127.0.0.3", port=dead, up=False) as new,
        numbered(tmp_path, host="127.0.0.2", port=alive) as still,
        numbered(tmp_path, host="127.0.0.3", port=alive) as beside,
        front(tmp_path, hosts, dead, alive, without=FORGETTING_NAMES) as gateway,
        Load(gateway.ports[0], clients=8, pause=0.02, path="/app0/") as load,
        Load(gateway.ports[0], clients=8, pause=0.02, path="/app1/once/") as other,
    ):
        other.sees(100, still.pid)
        at = replaced(hosts, old, new, load)
        load.lasts_until(at + FOUND_WITHIN)
    assert load.answered_by(new.pid) == []
    assert other.answered_by(beside.pid) == []

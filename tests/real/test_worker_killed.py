"""A worker killed with kill -9 under load: its own exchanges fail, and a new one takes its place.

What the master does and says of it is tested in tests/workers, one connection at a time.
"""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.load import Load
from tests.real.numbered import Numbered, numbered
from tests.support.waiting import until
from tests.workers.crew import Crew

pytestmark = pytest.mark.usefixtures("gateway_only")

# Each answer takes so long that every client has a request under way at most times.
SLOW = 0.02
ESTABLISHED = "01"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Numbered]:
    with numbered(tmp_path, delay=SLOW) as server:
        yield server


@pytest.fixture
def crew(tmp_path: Path, server: Numbered) -> Iterator[Crew]:
    written = {"gateway": {"access_log": "off"}, "routes": {"/app/": server.url}}
    crew = Crew(tmp_path, json.dumps(written))
    try:
        yield crew
        crew.stop()
    finally:
        crew.kill()


def clients_of(pid: int, port: int) -> set[int]:
    """The ports that the clients of this process come from which it serves at `port`."""
    sockets = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        here, there, state, inode = words[1], words[2], words[3], words[9]
        if (
            f"socket:[{inode}]" in sockets
            and state == ESTABLISHED
            and int(here.partition(":")[2], 16) == port
        ):
            found.add(int(there.partition(":")[2], 16))
    return found


def test_its_own_exchanges_fail_and_a_new_one_accepts_within_a_second(crew: Crew) -> None:
    port = crew.ports[0]
    seconds = []
    lost: set[int] = set()
    # Clients make new connections now and then: so some come to the new worker.
    with Load(port, clients=24, pause=0.02, renew=40) as load:
        for place in range(2):
            load.goes_on(200)
            gone = crew.pids[place]
            # One that stands still accepts nobody while its clients are looked at.
            os.kill(gone, signal.SIGSTOP)
            its_own = clients_of(gone, port)
            began = time.monotonic()
            os.kill(gone, signal.SIGKILL)
            served = served_again(crew, place, gone)
            seconds.append(served - began - kept_waiting(crew.pids[place]))
            assert 0 < len(its_own) < 24, "both workers have clients"
            lost |= its_own
            new = crew.pids[place]
            until(lambda new=new: clients_of(new, port), what="a client at the new worker")
            load.goes_on(200)
    failed = Counter(failure.port for failure in load.failures)
    assert failed, "nothing was under way: this shows nothing"
    # A connection that could not be made has the port 0: there is none of these.
    assert set(failed) <= lost, load.told()
    # One request at a time was under way on each.
    assert max(failed.values()) == 1, load.told()
    # Whoever else is busy on this machine only adds to it.
    assert min(seconds) < 1, f"a new worker served after {seconds} s"


def kept_waiting(pid: int) -> float:
    """Seconds that it could have run in and others did: those are not the gateway's."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def served_again(crew: Crew, place: int, gone: int) -> float:
    """When the next worker at this place said that it serves."""
    serves = re.compile(rf"worker {place + 1} \(pid (\d+)\) serves")
    until(lambda: set(serves.findall(crew.output)) - {str(gone)}, what="the next worker")
    return time.monotonic()


def test_without_other_workers_it_is_the_end_for_all(crew: Crew) -> None:
    """So the test above can fail: here the other one cannot serve, nor can a new one start."""
    pids = crew.pids
    with Load(crew.ports[0], clients=24, pause=0.02) as load:
        load.goes_on(200)
        its_own = clients_of(pids[0], crew.ports[0])
        os.kill(crew.process.pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(load.failures) >= 24, what="failures of all clients")
        os.kill(crew.process.pid, signal.SIGCONT)
    assert {failure.port for failure in load.failures} > its_own

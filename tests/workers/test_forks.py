"""The process that workers are forked from: it obeys its master alone, and may be lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daarion_gw.workers.forks import call_itself
from tests.support.message import get
from tests.support.waiting import until
from tests.workers.crew import Crew, is_gone, kill

CONFIG = 'gateway: {access_log: off}\nroutes: {/api/: {to: "http://127.0.0.1:1"}}\n'


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(tmp_path, CONFIG)
    yield crew
    crew.kill()
    assert "Traceback" not in crew.output


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ancestor(crew: Crew) -> int:
    """The only child that the master has."""
    (pid,) = children(crew.process.pid)
    return pid


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_workers_are_its_children_and_have_names(crew):
    assert sorted(children(ancestor(crew))) == sorted(crew.pids)
    assert [name(pid) for pid in crew.pids] == ["worker 1", "worker 2"]
    crew.stop()


def test_where_names_cannot_be_given_it_works_without(tmp_path):
    """A sandbox may have no /proc, or one that takes nothing."""
    call_itself("worker 1", tmp_path / "proc" / "self" / "comm")


def test_a_new_worker_is_born_of_the_same(crew):
    before = ancestor(crew)
    gone = crew.pids[0]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    assert ancestor(crew) == before
    crew.stop()


def test_signals_are_nothing_to_it(crew):
    pid = ancestor(crew)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        os.kill(pid, number)
    gone = crew.pids[1]
    kill(gone)
    until(lambda: crew.is_whole_again(without=gone), what="another worker")
    assert ancestor(crew) == pid
    crew.stop()


def test_workers_outlive_it_and_the_next_ones_come_of_another(crew):
    lost, kept = crew.pids
    before = ancestor(crew)
    clients = crew.connections_of_each()
    kill(before)
    crew.says("the process that workers are forked from has ended")
    assert "signal 9" in crew.output
    for client in clients:
        assert client.ask(get("/healthz")).body == b"OK"
    assert crew.pids == [lost, kept]
    kill(lost)
    crew.says(f"worker 1 (pid {lost}) has ended, how is not known, after")
    until(lambda: crew.is_whole_again(without=lost), what="another worker")
    assert ancestor(crew) != before
    assert kept in crew.pids
    crew.stop()
    assert is_gone(kept)


def test_it_ends_with_the_gateway(crew):
    pid = ancestor(crew)
    crew.stop()
    until(lambda: is_gone(pid), what="its end")


def test_one_that_is_stuck_does_not_keep_the_gateway_from_ending(crew):
    pids = crew.pids
    os.kill(ancestor(crew), signal.SIGSTOP)
    os.kill(crew.process.pid, signal.SIGTERM)
    # Two at once are one to whom they come.
    until(crew.refuses_connections, what="no new connections")
    os.kill(crew.process.pid, signal.SIGTERM)
    crew.process.wait(30)
    assert all(is_gone(pid) for pid in pids)


def test_it_does_not_outlive_a_master_that_was_killed(crew):
    pid, pids = ancestor(crew), crew.pids
    crew.process.kill()
    for each in (pid, *pids):
        until(lambda each=each: is_gone(each), what=f"the end of {each}")


def test_no_descriptor_of_it_or_of_siblings_is_left_in_a_worker(crew):
    """The master notices its end when its channel is closed: nobody else may have that open."""
    crew.says("2 workers")
    kinds = [
        sorted(str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
        for pid in crew.pids
    ]
    sockets = [{kind for kind in each if kind.startswith(("socket:", "pipe:"))} for each in kinds]
    # Standard output is everybody's, and the listener.
    listeners = sockets[0] & sockets[1]
    of_master = {str(each.readlink()) for each in Path(f"/proc/{crew.process.pid}/fd").iterdir()}
    assert len(listeners & of_master) == len(listeners)
    assert len(listeners) == 1
    crew.stop()

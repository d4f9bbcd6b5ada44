"""What a second worker brings, on a machine whose processors client and origin need as well.

One worker has one processor, two have two, and each time client and origin run beside them on the
same: twice the machine for everybody. The figure is the time of the busiest process per request.
No proxy is faster than its busiest process; two workers that share evenly and cost no more for
being two need half of it each, which is twice the throughput. One that does all the work, or
costs more, shows. Requests per second are not taken: they would be those of the whole machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers import GATEWAY, TUNED, Ground, Peer
from bench.processes import TICK, Running
from bench.raw_client import BrokenError
from bench.works import CONNECTIONS, Effort, Work, check_small, check_small_requests, wrk


class Workers(Work):
    """Small GETs through one process, and through two."""

    name = "small GET, busiest process"
    unit = "µs"

    def obstacle(self, ground: Ground) -> str:
        """Two workers on one processor say nothing."""
        return "" if len(os.sched_getaffinity(0)) > 1 else "there is one processor only"

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """The gateway and nginx, each with one and with two."""
        return peer in (GATEWAY, TUNED) or self.name in (peer.works or ())

    def check(self, proxy: Running, ground: Ground) -> None:
        """One answer, byte by byte."""
        check_small(proxy.port)

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """As the small GET, each of them proved by the log of the origin."""
        processors = sorted(os.sched_getaffinity(0))
        with _all_on(processors[: 2 if "2 workers" in proxy.name else 1], proxy, ground):
            return (self._cost(proxy, ground, effort),)

    @staticmethod
    def _cost(proxy: Running, ground: Ground, effort: Effort) -> float:
        if not effort.quick:
            wrk(proxy, 1)
        ground.origin.forget_requests()
        before = {pid: _seconds(pid) for pid in _family(proxy)}
        count = wrk(proxy, effort.seconds)["requests"]
        spent = {pid: _seconds(pid) - before.get(pid, 0.0) for pid in _family(proxy)}
        check_small_requests(proxy, ground.origin, count, count + CONNECTIONS, secure=False)
        if spent.keys() != before.keys():
            raise BrokenError("its processes were not the same all the time")
        return max(spent.values()) / count


@contextmanager
def _all_on(processors: list[int], proxy: Running, ground: Ground) -> Iterator[None]:
    """Client, proxy and origin have these alone."""
    usual = os.sched_getaffinity(0)
    pids = [pid for running in (proxy, *ground.origin.running) for pid in _family(running)]
    # What is started from here, the client, has what this process has.
    for pid in (0, *pids):
        os.sched_setaffinity(pid, processors)
    try:
        yield
    finally:
        for pid in (0, *pids):
            os.sched_setaffinity(pid, usual)


def _family(running: Running) -> list[int]:
    """The pid of the program and those of its children, and of theirs."""
    found = [running.process.pid]
    for pid in found:
        found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def _seconds(pid: int) -> float:
    """User and system time of one process so far."""
    # The name may hold blanks and parentheses: fields are counted from the last ")".
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK

"""Who gets the connections: ways in which several processes can accept from one port.

    python -m bench.accepting [PROCESSES]

Bare loops without the gateway, each with the same small piece of work per request. Shown is how
many connections each process got: one after the other, 200 at once, 8 at once, and one after the
other while 64 clients keep all processes busy; and processor time per connection that lives for
one request only. `in turn` is what the gateway does (daarion_gw/workers/turns.py).
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import HOST, TICK
from daarion_gw.workers.sockets import AFTER_ALL, LOOKS, PAUSE
from daarion_gw.workers.turns import Table

WAYS = ("shared, 100 at a time", "shared, 1 at a time", "EPOLLEXCLUSIVE", "SO_REUSEPORT", "in turn")
# About what a small request costs the gateway (seconds).
WORK = 60e-6


class Process:
    """One that accepts and answers with its own number."""

    def __init__(self, number: int, listener: socket.socket, way: str, table: Table) -> None:
        self.number = number
        self.listener = listener
        self.table = table
        self.in_turn = way == "in turn"
        self.flags = select.EPOLLIN | (select.EPOLLEXCLUSIVE if way == "EPOLLEXCLUSIVE" else 0)
        self.at_most = 100 if way == "shared, 100 at a time" else 1
        self.open: dict[int, socket.socket] = {}
        self.paused_until = 0.0
        self.looks = 0
        self.epoll = select.epoll()
        self.table.put(number, 0)

    def run(self) -> None:
        """Serve until killed."""
        self.epoll.register(self.listener.fileno(), self.flags)
        while True:
            timeout = max(0.0, self.paused_until - time.monotonic()) if self.paused_until else -1
            for file, _ in self.epoll.poll(timeout):
                if file == self.listener.fileno():
                    self.accept()
                else:
                    self.answer(file)
            if self.paused_until and time.monotonic() >= self.paused_until:
                self.paused_until = 0.0
                self.epoll.register(self.listener.fileno(), self.flags)

    def accept(self) -> None:
        """Take what is this process's."""
        room = self.at_most
        if self.in_turn:
            room = self.table.room(self.number)
            if not room and self.looks < LOOKS:
                self.looks += 1
                self.paused_until = time.monotonic() + PAUSE
                self.epoll.unregister(self.listener.fileno())
                return
            self.looks = 0
            room = room or AFTER_ALL
        for _ in range(room):
            try:
                near, _address = self.listener.accept()
            except BlockingIOError:
                return
            near.setblocking(False)
            self.open[near.fileno()] = near
            self.epoll.register(near.fileno(), select.EPOLLIN)
            self.table.put(self.number, len(self.open))

    def answer(self, file: int) -> None:
        """Work a little, or close."""
        near = self.open[file]
        until = time.perf_counter() + WORK
        try:
            is_open = near.recv(100) != b""
            if is_open:
                while time.perf_counter() < until:
                    pass
                near.send(b"%d" % self.number)
        except ConnectionError:
            is_open = False
        if not is_open:
            self.epoll.unregister(file)
            near.close()
            del self.open[file]
            self.table.put(self.number, len(self.open))


@contextmanager
def serving(way: str, count: int) -> Iterator[tuple[int, list[int]]]:
    """Processes that accept in this way: (port, pids)."""
    table = Table.create(count)
    first = _listener(0, way)
    port = first.getsockname()[1]
    many = way == "SO_REUSEPORT"
    listeners = [first, *(_listener(port, way) if many else first for _ in range(count - 1))]
    pids = []
    for number, listener in enumerate(listeners):
        pid = os.fork()
        if not pid:
            try:
                Process(number, listener, way, table).run()
            finally:
                os._exit(1)
        pids.append(pid)
    for each in set(listeners):
        each.close()
    time.sleep(0.3)
    try:
        yield port, pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _listener(port: int, way: str) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if way == "SO_REUSEPORT":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((HOST, port))
    sock.listen(512)
    sock.setblocking(False)
    return sock


def _who(near: socket.socket) -> int:
    near.send(b"x")
    return int(near.recv(100))


def one_by_one(port: int, count: int, connections: int = 200) -> str:
    """Each connection has had its answer before the next one is made."""
    held = []
    got = []
    for _ in range(connections):
        held.append(socket.create_connection((HOST, port)))
        got.append(_who(held[-1]))
        time.sleep(0.002)
    return _shares(got, held, count)


def at_once(port: int, count: int, connections: int) -> str:
    """All are there before the first is answered."""
    held = []
    for _ in range(connections):
        near = socket.socket()
        near.setblocking(False)
        near.connect_ex((HOST, port))
        held.append(near)
    for near in held:
        near.setblocking(True)
    return _shares([_who(near) for near in held], held, count)


def _shares(got: list[int], held: list[socket.socket], count: int) -> str:
    for near in held:
        near.close()
    time.sleep(0.1)
    return " ".join(str(got.count(number)) for number in range(count))


def under_load(port: int, count: int) -> str:
    """As `one_by_one`, beside 64 clients that ask again and again."""
    pid = os.fork()
    if not pid:
        _load(port)
    time.sleep(1)
    shares = one_by_one(port, count)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    time.sleep(0.1)
    return shares


def _load(port: int) -> None:
    epoll = select.epoll()
    held = [socket.create_connection((HOST, port)) for _ in range(64)]
    by_file = {near.fileno(): near for near in held}
    for near in held:
        epoll.register(near.fileno(), select.EPOLLIN)
        near.send(b"x")
    while True:
        for file, _ in epoll.poll():
            by_file[file].recv(10)
            by_file[file].send(b"x")


def per_connection(port: int, pids: list[int], seconds: float = 2.0) -> str:
    """Processor time of all processes for a connection with one request."""
    before = sum(map(_seconds, pids))
    until = time.monotonic() + seconds
    done = 0
    while time.monotonic() < until:
        with socket.create_connection((HOST, port)) as near:
            _who(near)
        done += 1
    return f"{(sum(map(_seconds, pids)) - before) / done * 1e6:.0f} µs"


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def main() -> None:
    """Print one line for each way."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print("| way | one by one | 200 at once, thrice | 8 at once, thrice | under load | short |")
    print("|---" * 6 + "|")
    for way in WAYS:
        with serving(way, count) as (port, pids):
            many = ", ".join(at_once(port, count, 200) for _ in range(3))
            few = ", ".join(at_once(port, count, 8) for _ in range(3))
            cells = one_by_one(port, count), many, few, under_load(port, count)
            print(f"| {way} | {' | '.join(cells)} | {per_connection(port, pids)} |", flush=True)


if __name__ == "__main__":
    main()

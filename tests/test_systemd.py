"""Under systemd, for which a stand-in is played: what it is told, and what is taken from it."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, twistd
from tests.support.message import get
from tests.support.successors import Line, is_gone
from tests.support.systemd import Systemd, bound
from tests.support.waiting import until

CONFIG = """
gateway: {access_log: off, drain_timeout: 2s, %s}
routes: {/api/: {to: "http://127.0.0.1:1"}}
"""
PLAIN = CONFIG % f'listen: ["{ANYWHERE}"]'
SERVES = "STATUS=1 routes of gateway.yaml"
BOTH = pytest.mark.parametrize("flags", [(), ("--workers", "2")], ids=["one process", "workers"])
# WatchdogSec; it is fed twice in that time.
WITHIN = 1.0


def command(*flags: str) -> list[str]:
    return twistd("--config", "gateway.yaml", "--admin", ANYWHERE, *flags)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Callable[..., Systemd]]:
    """Makes the stand-in; what it made is gone at the end."""
    made: list[Systemd] = []

    def make(**words: Any) -> Systemd:
        made.append(Systemd(tmp_path, **words))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    """Starts the service under a stand-in."""
    started: list[Line] = []

    def start(manager: Systemd, configuration: str = PLAIN, *flags: str, **words: Any) -> Line:
        words.setdefault("command", command(*flags))
        started.append(manager.start(tmp_path, configuration, **words))
        return started[-1]

    yield start
    for line in started:
        line.kill()
        assert "Traceback" not in line.output


# what it says


def test_it_says_that_it_serves_and_that_it_stops(systemd, service):
    manager = systemd()
    line = service(manager)
    assert line.connect().ask(get("/healthz")).status == 200, "whoever is told may come"
    line.terminate()
    assert manager.hears("STOPPING=1") == ["STOPPING=1", "STATUS=draining"]
    assert line.exit_code() == 0


@BOTH
def test_a_reload_has_a_beginning_and_an_end(systemd, service, flags):
    manager = systemd()
    line = service(manager, PLAIN, *flags)
    line.file.write_text(PLAIN.replace("/api/", "/new/"))
    line.reload()
    begun = manager.hears("RELOADING=1")
    assert begun[1].startswith("MONOTONIC_USEC=")
    assert int(begun[1].partition("=")[2]) > 1_000_000
    assert manager.hears("READY=1") == ["READY=1", SERVES]
    line.file.write_text(PLAIN.replace("to:", "too:"))
    line.reload()
    manager.hears("RELOADING=1")
    _, status = manager.hears("READY=1")
    assert status.startswith(f"{SERVES}; not reloaded: gateway.yaml:3:"), "it goes on, and says so"
    line.terminate()
    manager.hears("STOPPING=1")
    assert line.exit_code() == 0


def test_a_reload_before_it_serves_is_not_taken_for_the_end_of_its_start(systemd, tmp_path):
    """With workers SIGHUP is taken before they serve."""
    manager = systemd()
    words = command("--workers", "2")
    words[2] = words[2].replace("run()", "signal.signal = early(signal.signal); run()")
    words[2] = EARLY + words[2]
    line = manager.start(tmp_path, PLAIN, words)
    try:
        line.says("2 workers")
        line.says("reloaded: ")
        assert line.connect().ask(get("/healthz")).status == 200
        assert manager.all == [["READY=1", SERVES]]
    finally:
        line.kill()


# Sends SIGHUP as soon as somebody takes it.
EARLY = """
import os, signal
def early(plain):
    def taking(number, call):
        plain(number, call)
        if number == signal.SIGHUP:
            os.kill(os.getpid(), number)
    return taking
"""


def test_one_that_does_not_hear_costs_a_line_of_the_log(tmp_path):
    line = Line(tmp_path, PLAIN, listen=(), NOTIFY_SOCKET=str(tmp_path / "gone"))
    try:
        line.says("systemd could not be told READY=1")
        line.stop()
    finally:
        line.kill()


# the watchdog


@BOTH
def test_it_is_heard_of_for_as_long_as_its_loop_turns(systemd, service, flags):
    manager = systemd(watchdog=WITHIN)
    line = service(manager, PLAIN, *flags)
    manager.is_fed_again()
    line.process.send_signal(signal.SIGSTOP)
    # What was said before has arrived.
    manager.feedings(0.2)
    assert manager.feedings(1.2 * WITHIN) == 0
    line.process.send_signal(signal.SIGCONT)
    manager.is_fed_again()


# SIGUSR1 makes the loop stand still, as some code does that waits for something.
STUCK = """
import signal, time
def waits_for_something(*_):
    time.sleep(60)
signal.signal(signal.SIGUSR1, waits_for_something)
"""


def test_one_that_is_stuck_says_where(systemd, service):
    manager = systemd(watchdog=WITHIN)
    words = command()
    words[2] = STUCK + words[2]
    line = service(manager, command=words)
    line.process.send_signal(signal.SIGUSR1)
    manager.feedings(0.2)
    assert manager.feedings(1.2 * WITHIN) == 0
    # As systemd does it then.
    line.process.send_signal(signal.SIGABRT)
    assert line.exit_code() == -signal.SIGABRT
    assert "in waits_for_something" in line.output


def test_it_is_heard_of_while_it_drains(systemd, service):
    manager = systemd(watchdog=0.4)
    line = service(manager)
    client = line.connect()
    client.send(b"GET /healthz HTTP/1.1\r\n")
    line.terminate()
    manager.hears("STOPPING=1")
    manager.is_fed_again()
    line.forget_clients()
    assert line.exit_code() == 0


def test_without_a_watchdog_nothing_is_said(systemd, service):
    manager = systemd()
    service(manager)
    assert manager.feedings(1.0) == 0


# another process is the service


@BOTH
def test_who_follows_is_made_known_and_is_heard_of(systemd, service, flags):
    manager = systemd(watchdog=WITHIN)
    line = service(manager, PLAIN, *flags)
    old = line.process.pid
    # The second one was started by one that was itself started so.
    for _ in range(1 if flags else 2):
        new = line.upgrade()
        # STOPPING of the old one would stop the unit, so it says none.
        said = manager.hears(f"MAINPID={new}")
        assert said == [f"MAINPID={new}", "READY=1", "WATCHDOG=1"]
        assert manager.main == new
        until(lambda: is_gone(old), what="the end of the old one")  # noqa: B023
        manager.is_fed_again()
        assert manager.told == []
        old = new
    line.file.write_text(PLAIN.replace("/api/", "/new/"))
    os.kill(new, signal.SIGHUP)
    manager.hears("RELOADING=1")
    manager.hears("READY=1")
    line.end()
    manager.hears("STOPPING=1")


# its sockets


def asked(address: Any, path: str = "/healthz") -> bytes:
    with socket.create_connection(address[:2], 20) as client:
        client.sendall(get(path, "Connection: close"))
        said = b""
        while piece := client.recv(65536):
            said += piece
        return said


class Visitors:
    """They come four at a time, until told to go; each wants a whole answer."""

    def __init__(self, address: Any) -> None:
        self.served = 0
        self.failures: list[str] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(address,)) for _ in range(4)]

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def _visit(self, address: Any) -> None:
        while not self._is_over.is_set():
            try:
                said = asked(address)
                assert said.endswith(b"OK"), said
                self.served += 1
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))


@BOTH
def test_a_restart_refuses_nobody(systemd, service, flags):
    sock = bound("127.0.0.1")
    address = sock.getsockname()
    manager = systemd(sockets={"http": sock})
    there = CONFIG % f'listen: ["tcp:{address[1]}:interface=127.0.0.1"]'
    line = service(manager, there, *flags)
    with Visitors(address) as visitors:
        for _ in range(1 if flags else 3):
            before = visitors.served
            until(lambda: visitors.served > before + 20, what="visits")  # noqa: B023
            line.terminate()
            assert line.exit_code() == 0
            line = service(manager, there, *flags)
        before = visitors.served
        until(lambda: visitors.served > before + 20, what="visits")
    assert visitors.failures == []
    assert line.ports == [address[1]]
    # And an upgrade passes it on like one that was bound here.
    new = line.upgrade()
    assert asked(address).endswith(b"OK")
    assert line.pid == new
    line.end()


@BOTH
def test_each_listener_takes_the_socket_that_is_where_it_would_be(
    systemd, service, tmp_path, flags
):
    """In whatever order they come, TLS or not; a bare port of systemd's is both IPv4 and IPv6."""
    cert, key = make_certificate(tmp_path)
    sockets = {name: bound("127.0.0.1") for name in ("secure", "plain", "twisted")}
    try:
        sockets["both"] = bound("::", socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    where = {name: sock.getsockname() for name, sock in sockets.items()}
    files = f"interface=127.0.0.1:privateKey={key}:certKey={cert}"
    listen = [
        f"tcp:{where['plain'][1]}:interface=127.0.0.1",
        f"daarion-tls:{where['secure'][1]}:{files}",
        f"ssl:{where['twisted'][1]}:{files}",
        f"tcp:{where['both'][1]}",
    ]
    log = CONFIG.replace("access_log: off", "access_log: {format: json, file: access.log}")
    line = service(systemd(sockets=sockets), log % f"listen: {listen}".replace("'", '"'), *flags)
    assert asked(where["plain"]).endswith(b"OK")
    assert asked(("127.0.0.1", where["both"][1]), "/api/x")
    assert line.entry(target="/api/x")["client"] == "127.0.0.1", "not ::ffff:127.0.0.1"
    for name in ("secure", "twisted"):
        plain = socket.create_connection(where[name])
        with client_context(cert).wrap_socket(plain, server_hostname=NAME) as client:
            client.sendall(get("/healthz"))
            assert client.recv(65536).endswith(b"OK")
    assert "systemd listens on" not in line.output
    line.stop()


def test_a_socket_that_no_listener_takes_is_told(systemd, service):
    sock = bound("127.0.0.1")
    port = sock.getsockname()[1]
    line = service(systemd(sockets={"other": sock}))
    assert f"systemd listens on 127.0.0.1:{port} for this gateway" in line.output
    line.stop()


def test_what_is_no_socket_is_left_alone(tmp_path):
    reads, writes = os.pipe()
    line = None
    try:
        words = [sys.executable, "-c", _WITH_PIPE, str(reads), *command()]
        line = Line(tmp_path, PLAIN, command=words, files=[reads])
        line.stop()
    finally:
        os.close(reads)
        os.close(writes)
        if line is not None:
            line.kill()


_WITH_PIPE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "fifo"}
os.execv(sys.argv[2], sys.argv[2:])
"""

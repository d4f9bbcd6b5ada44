"""When a process is to be heard of, and how often: by a clock of the test's own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from daarion_gw.net.systemd import Systemd, for_successor, watchdog
from tests.support.waiting import Stopwatch

ALIVE = "WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "812"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "813"}, None),
        ({"WATCHDOG_PID": "812"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({}, None),
    ],
)
def test_within_what_time_a_process_must_be_heard_of(environ, seconds):
    assert watchdog(environ, 812) == seconds


def test_its_successor_must_be_heard_of_too():
    environ = {"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "812", "HOME": "/"}
    assert for_successor(environ, 812) == {"WATCHDOG_USEC": "500000", "HOME": "/"}
    assert for_successor(environ, 813) == environ, "it is somebody else's"


class Heard:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, place: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(place))
        self._sock.setblocking(False)

    def close(self) -> None:
        self._sock.close()

    def take(self) -> list[str]:
        """What has been said since it was asked last."""
        said = []
        while True:
            try:
                said.append(self._sock.recv(4096).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    heard = Heard(tmp_path / "n")
    yield heard
    heard.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def under(clock: Clock, tmp_path: Path, **environ: str) -> Systemd:
    return Systemd(clock, {"NOTIFY_SOCKET": str(tmp_path / "n"), **environ})


def test_a_life(clock, heard, tmp_path):
    systemd = under(clock, tmp_path, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    assert heard.take() == []
    clock.advance(60)
    assert heard.take() == [], "it does not live before it serves"
    systemd.serves("8 routes")
    assert heard.take() == ["READY=1\nSTATUS=8 routes", ALIVE]
    clock.pump([1.0] * 60)
    assert heard.take() == [ALIVE] * 4, "twice in the time"
    systemd.stops()
    clock.pump([1.0] * 30)
    assert heard.take() == ["STOPPING=1\nSTATUS=draining", ALIVE, ALIVE]


def test_a_loop_that_comes_late_says_so_once(clock, heard, tmp_path):
    systemd = under(clock, tmp_path, WATCHDOG_USEC="30000000")
    systemd.serves("")
    heard.take()
    clock.advance(100)
    assert heard.take() == [ALIVE]


def test_who_is_followed_is_heard_of_no_more(clock, heard, tmp_path):
    systemd = under(clock, tmp_path, WATCHDOG_USEC="30000000")
    systemd.serves("")
    heard.take()
    systemd.is_followed_by(813)
    assert heard.take() == ["MAINPID=813\nREADY=1\nWATCHDOG=1"]
    clock.pump([1.0] * 60)
    assert heard.take() == []
    assert clock.getDelayedCalls() == []


def test_without_a_watchdog_there_is_no_timer(clock, heard, tmp_path):
    systemd = under(clock, tmp_path)
    systemd.serves("")
    assert clock.getDelayedCalls() == []
    systemd.is_followed_by(813)
    assert heard.take() == ["READY=1\nSTATUS=", "MAINPID=813\nREADY=1"]


def test_a_reload(clock, heard, tmp_path):
    systemd = under(clock, tmp_path)
    systemd.reloads()
    systemd.has_reloaded("8 routes; not reloaded: gateway.yaml:6:3: no\nnor:7:1: this")
    begun, over = heard.take()
    assert begun.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert over == "READY=1\nSTATUS=8 routes; not reloaded: gateway.yaml:6:3: no"


def test_a_status_is_a_line_that_ends(clock, heard, tmp_path):
    under(clock, tmp_path).serves("x" * 5000)
    (said,) = heard.take()
    assert len(said) == len("READY=1\nSTATUS=") + 300 and said.endswith("x…")


def test_nobody_waits_for_a_systemd_that_does_not_read(clock, heard, tmp_path):
    """Feeding is given up at once; what is said once only may take a moment."""
    systemd = under(clock, tmp_path, WATCHDOG_USEC="2000000")
    systemd.serves("")
    more = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 20
    with Stopwatch() as taken:
        clock.pump([1.0] * more)
    assert taken.seconds < 5
    assert len(heard.take()) < more, "not all of it had room"
    clock.advance(1.0)
    assert heard.take() == [ALIVE]


def test_without_systemd_nothing_is_said():
    systemd = Systemd(Clock(), {})
    systemd.serves("")
    systemd.stops()

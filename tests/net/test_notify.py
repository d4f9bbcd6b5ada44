"""What systemd is told, heard at a datagram socket as it opens one."""

import socket
from pathlib import Path

import pytest

from daarion_gw.net.notify import READY, STOPPING, main_pid, notify


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_it_is_heard(tmp_path: Path, kind: str):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(5)
        place = str(tmp_path / "notify")
        heard.bind(place if kind == "file" else f"\0{place}")
        environ = {"NOTIFY_SOCKET": place if kind == "file" else f"@{place}"}
        assert notify(main_pid(812), READY, environ=environ) is None
        assert heard.recv(4096) == b"MAINPID=812\nREADY=1"
        assert notify(STOPPING, environ=environ) is None
        assert heard.recv(4096) == b"STOPPING=1"


def test_without_systemd_nothing_is_said():
    assert notify(READY, environ={}) is None


def test_one_that_does_not_hear_is_named(tmp_path: Path):
    told = notify(READY, environ={"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert told is not None and "gone: No such file or directory" in told

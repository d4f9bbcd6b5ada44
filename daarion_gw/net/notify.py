"""The words that a service has for systemd (sd_notify(3)), and the way to say them.

Without NOTIFY_SOCKET nobody listens, and nothing is said. When to say what is known to
`daarion_gw.net.systemd`.
"""

import os
import socket
import time
from collections.abc import Mapping

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"
# Seconds that a manager which does not read may cost at most: the loop stands still meanwhile.
PATIENCE = 1.0
# Of a status, which is one line in "systemctl status".
LONGEST = 300


def main_pid(pid: int) -> str:
    """Another process is the service from now on; to be said by the one that was it."""
    return f"MAINPID={pid}"


def reloading() -> str:
    """A reload begins; READY says that it is over. With the time, which notify-reload asks for."""
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return f"RELOADING=1\nMONOTONIC_USEC={now}"


def status(sentence: str) -> str:
    """What "systemctl status" shows: the first line of it."""
    line = sentence.partition("\n")[0].strip()
    return f"STATUS={line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}"


def notify(
    *said: str, environ: Mapping[str, str] = os.environ, patience: float = PATIENCE
) -> str | None:
    """Say it; give what was wrong when there is somebody to hear it who could not be told.

    patience: seconds to wait where what was said before has not been read.
    """
    place = environ.get("NOTIFY_SOCKET", "")
    if not place:
        return None
    # An @ stands for the zero byte that an abstract name begins with.
    address = f"\0{place[1:]}" if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(patience)
            end.sendto("\n".join(said).encode(), address)
    except OSError as error:
        return f"{place}: {error.strerror or error}"
    return None

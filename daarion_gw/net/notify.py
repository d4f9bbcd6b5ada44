"""What a service says to systemd (sd_notify(3)): it serves, it stops, another process is it now.

Without NOTIFY_SOCKET nobody listens, and nothing is said.
"""

import os
import socket
from collections.abc import Mapping

READY = "READY=1"
STOPPING = "STOPPING=1"


def main_pid(pid: int) -> str:
    """Another process is the service from now on; to be said by the one that was it."""
    return f"MAINPID={pid}"


def notify(*said: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Say it; give what was wrong when there is somebody to hear it who could not be told."""
    place = environ.get("NOTIFY_SOCKET", "")
    if not place:
        return None
    # An @ stands for the zero byte that an abstract name begins with.
    address = f"\0{place[1:]}" if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.sendto("\n".join(said).encode(), address)
    except OSError as error:
        return f"{place}: {error.strerror or error}"
    return None

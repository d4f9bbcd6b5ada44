"""Does for a gateway what systemd does for a service of Type=notify, as far as a test needs it.

It opens the sockets and keeps them, hands them over with the variables that systemd sets, hears
what the service says (of its main process alone: NotifyAccess=main), and knows when it was fed.
"""

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.successors import Line
from tests.support.waiting import until

# Puts descriptors where systemd would and becomes the service: LISTEN_PID is the process's own.
BECOME = """
import fcntl, os, sys
files = [int(word) for word in sys.argv[1].split(",") if word]
# Out of the way first: where one has to go another may be.
apart = [fcntl.fcntl(file, fcntl.F_DUPFD, 100) for file in files]
for place, file in enumerate(apart, 3):
    os.dup2(file, place)
    os.close(file)
if files:
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(files)),
                   "LISTEN_FDNAMES": sys.argv[2]}
if "WATCHDOG_USEC" in os.environ:
    os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
"""
_CREDENTIALS = struct.Struct("3i")


def become(sockets: Mapping[str, socket.socket], command: Sequence[str]) -> list[str]:
    """The command line that hands ``sockets`` to ``command``; it has to inherit them."""
    files = ",".join(str(sock.fileno()) for sock in sockets.values())
    return [sys.executable, "-c", BECOME, files, ":".join(sockets), *command]


class Systemd:
    """sockets: by the names that FileDescriptorName= gives them. watchdog: WatchdogSec, seconds."""

    def __init__(
        self,
        folder: Path,
        sockets: Mapping[str, socket.socket] | None = None,
        watchdog: float | None = None,
    ) -> None:
        self._sockets = dict(sockets or {})
        self._watchdog = watchdog
        self._place = folder / "notify"
        self._heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._heard.bind(str(self._place))
        # 0: not known yet, whoever speaks is believed.
        self.main = 0
        # What its main process has said, each message as its lines, but that it is alive: all of
        # it, and what was not asked for yet.
        self.all: list[list[str]] = []
        self.told: list[list[str]] = []
        self.fed: list[float] = []
        # Ten messages fit into the queue: it has to be read all the time, as systemd does.
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def close(self) -> None:
        self._heard.shutdown(socket.SHUT_RDWR)
        self._listening.join(10)
        self._heard.close()
        for sock in self._sockets.values():
            sock.close()

    def start(
        self, folder: Path, configuration: str, command: Sequence[str], **variables: str
    ) -> Line:
        """The service, once its start is over."""
        files = [sock.fileno() for sock in self._sockets.values()]
        if self._watchdog is not None:
            variables["WATCHDOG_USEC"] = str(round(self._watchdog * 1e6))
        self.main = 0
        self.all.clear()
        self.told.clear()
        line = Line(
            folder, configuration, command=become(self._sockets, command), files=files,
            NOTIFY_SOCKET=str(self._place), **variables,
        )  # fmt: skip
        self.main = line.process.pid
        self.hears("READY=1")
        return line

    def hears(self, word: str, within: float = 30.0) -> list[str]:
        """Wait for the first message with the line ``word``; what was said until then is over."""

        def look() -> list[str] | None:
            while self.told:
                message = self.told.pop(0)
                if word in message:
                    return message
            return None

        found = until(look, within, f"{word} at systemd")
        assert found is not None
        return found

    def _listen(self) -> None:
        while True:
            data, control, _, _ = self._heard.recvmsg(4096, 64)
            if not data:
                return
            ((_, _, credentials),) = control
            pid, _, _ = _CREDENTIALS.unpack(credentials)
            # Of another process it is not believed.
            if self.main in (0, pid):
                self._take(data.decode().split("\n"))

    def _take(self, message: list[str]) -> None:
        for line in message:
            if line.startswith("MAINPID="):
                self.main = int(line.partition("=")[2])
        if "WATCHDOG=1" in message:
            self.fed.append(time.monotonic())
        if message != ["WATCHDOG=1"]:
            self.told.append(message)
            self.all.append(message)

    def is_fed_again(self) -> None:
        """Wait until it has been fed twice from now on."""
        before = len(self.fed)
        until(lambda: len(self.fed) >= before + 2, what="WATCHDOG=1, twice")

    def feedings(self, during: float) -> int:
        """How often it is fed in so many seconds from now on."""
        before = len(self.fed)
        time.sleep(during)
        return len(self.fed) - before


def bound(host: str, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """A socket that listens at a free port, as systemd makes it."""
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, 0))
    sock.listen(128)
    os.set_inheritable(sock.fileno(), True)
    return sock

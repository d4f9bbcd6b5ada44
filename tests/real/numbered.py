"""A server that can be killed and started again at the same place, and tells what it was asked.

It runs peers/numbered.py and knows nothing of the gateway.
"""

import contextlib
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.real.installed import PEERS
from tests.real.running import Running

# Below the ports that the kernel gives to clients: while the server is down nobody else must get
# its port, and a client's connection must not come from the port that it wants to go to.
_PORTS = range(20000, 32000)


def lasting_port() -> int:
    """A port that stays free while nobody listens on it."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


class Numbered:
    """One server: `pid` is that of the process which is, or was last, at its place."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        delay: float = 0.0,
        journal: bool = True,
    ) -> None:
        self.host = host
        self.port = port or lasting_port()
        name = f"numbered-{host}-{self.port}"
        self._journal = folder / f"{name}.journal"
        self._log = folder / f"{name}.log"
        kept = self._journal if journal else "-"
        place = [host, str(self.port), kept, str(delay)]
        # -I: nothing that it does not need is looked for, so that it is up in a tenth of a second.
        self._argv = [sys.executable, "-I", PEERS / "numbered.py", *place]
        self._process: Running | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, wait: bool = True) -> None:
        self._process = Running(self._argv, self._log)
        if wait:
            self._process.wait_ready(self._accepts, 20)

    def kill(self) -> None:
        """kill -9, and nothing of it is left when this returns."""
        if self._process is not None:
            self._process.popen.kill()
            self._process.popen.wait()

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def lines(self) -> list[tuple[str, str, int]]:
        """All that it has noted, in order: (what, method, number)."""
        if not self._journal.exists():
            return []
        words = (line.split() for line in self._journal.read_text().splitlines())
        return [(what, method, int(number)) for what, method, number in words]

    def noted(self, what: str, method: str) -> list[int]:
        """The numbers of the requests that it has `begun`, or of those it `answers`."""
        return [number for noted, used, number in self.lines() if (noted, used) == (what, method)]


@contextlib.contextmanager
def numbered(folder: Path, up: bool = True, **options: object) -> Iterator[Numbered]:
    """A server, started unless told otherwise, and gone at the end."""
    server = Numbered(folder, **options)
    try:
        if up:
            server.start()
        yield server
    finally:
        server.kill()

"""A gateway whose process is followed by others: whoever has its admin listener is the gateway."""

import json
import os
import re
import signal
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.waiting import PATIENCE, until

_ADMIN = re.compile(r"admin on .*\(127\.0\.0\.1:(\d+)\)")
# What the gateway gives its successor, and more (seconds): it starts beside all that is served.
UPGRADE = 75.0
_NEW = re.compile(r"starts its successor, process (\d+)")


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Line(GatewayProcess):
    """The first process is started here, the others by the one before."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        listen: Sequence[str] = (ANYWHERE,),
        flags: Sequence[str] = (),
        command: Sequence[str] | None = None,
        files: Sequence[int] = (),
        **variables: str,
    ) -> None:
        places = [word for place in listen for word in ("--listen", place)]
        words = ["--config", "gateway.yaml", "--admin", ANYWHERE, *places, *flags]
        command = command or twistd(*words)
        super().__init__(folder, configuration, command=command, files=files, **variables)
        self._last = self.process.pid

    @property
    def admin(self) -> str:
        """The endpoint at which the admin listener really is."""
        found = _ADMIN.search(self.output)
        assert found is not None
        return f"tcp:{found[1]}:interface=127.0.0.1"

    def status(self) -> Any:
        port = self.admin.split(":")[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=30) as got:
            return json.loads(got.read())

    @property
    def pid(self) -> int:
        """Of the process that is the gateway."""
        pid: int = self.status()["pid"]
        return pid

    @property
    def successors(self) -> list[int]:
        """All that were ever started, whatever became of them."""
        return [int(pid) for pid in _NEW.findall(self.output)]

    def ask_for_upgrade(self) -> int:
        """SIGUSR2; the pid that it went to."""
        os.kill(self._last, signal.SIGUSR2)
        return self._last

    def upgrade(self) -> int:
        """Let another process follow; its pid."""
        old = self.ask_for_upgrade()
        until(lambda: f"process {old} drains and ends" in self.output, UPGRADE, "an upgrade")
        self._last = self.successors[-1]
        # For a moment both accept.
        until(lambda: self.pid == self._last, what="the new one at the admin listener")
        return self._last

    def end(self) -> None:
        """SIGTERM to who is the gateway, and wait until nobody is left."""
        self.forget_clients()
        os.kill(self.pid, signal.SIGTERM)
        self.process.wait(2 * PATIENCE)
        until(lambda: all(map(is_gone, self.successors)), 2 * PATIENCE, "the end of all")

    def kill(self) -> None:
        super().kill()
        for pid in self.successors:
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)

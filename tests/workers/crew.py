"""A gateway with several workers, and what its admin listener says of them."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.support.admin_pages import AdminPages
from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.message import get
from tests.support.stream import Client
from tests.support.waiting import until


class Crew(AdminPages, GatewayProcess):
    """Two workers, unless told otherwise."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        listen: Sequence[str] = (ANYWHERE,),
        workers: str = "2",
        flags: Sequence[str] = (),
        session: bool = False,
        **variables: str,
    ) -> None:
        places = [word for place in listen for word in ("--listen", place)]
        command = twistd(
            "--config", "gateway.yaml", "--admin", ANYWHERE, "--workers", workers, *places, *flags
        )
        super().__init__(folder, configuration, command=command, session=session, **variables)

    @property
    def pids(self) -> list[int]:
        """Of the workers that serve, in order."""
        rows = self.status()["workers"]
        return [row["pid"] for row in rows if row["stage"] == "serving"]

    @property
    def open(self) -> list[int]:
        """How many connections each worker has."""
        return [row["connections"]["open"] for row in self.status()["workers"]]

    def is_whole_again(self, without: int, count: int = 2) -> bool:
        """Whether so many workers serve, and the one with this pid is none of them."""
        pids = self.pids
        return len(pids) == count and without not in pids

    def connections_of_each(self, count: int = 2, index: int = 0) -> list[Client]:
        """A connection to each worker, in their order."""
        found: dict[int, Client] = {}
        for _ in range(20 * count):
            before = self.open
            client = self.connect(index)
            client.ask(get("/healthz"))
            after = self.open
            (place,) = [at for at in range(count) if after[at] > before[at]]
            found.setdefault(place, client)
            if len(found) == count:
                return [found[at] for at in range(count)]
        raise AssertionError(f"no connection to each of {count} workers: {self.open}")


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid), what=f"the end of {pid}")

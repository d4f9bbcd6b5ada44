"""Sub-processes with a log, a deadline to become ready, and an end by pid.

Knows nothing about any particular server.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class NeverHappenedError(AssertionError):
    """A condition was not met before its deadline."""


def until(look: Callable[[], T], seconds: float, what: str, every: float = 0.02) -> T:
    """Poll `look` until it returns something true; return that."""
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise NeverHappenedError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def free_port() -> int:
    """A loopback port that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port: int) -> bool:
    """Does anybody accept connections on this loopback port?"""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Is this URL answered with a 2xx?"""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status < 300
    except (OSError, urllib.error.URLError):
        return False


class Running:
    """One sub-process in a session of its own, its output in `log`."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=os.environ | (env or {}),
                cwd=cwd or log.parent,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def family(self) -> list[int]:
        """Pids of this process and of all below it, oldest first."""
        pids = [self.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                pids += [int(child) for child in children.split()]
        return pids

    def tail(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def wait_ready(self, look: Callable[[], object], seconds: float) -> None:
        """Poll until ready; a process that ends or is too late shows its log."""

        def ready_or_gone() -> object:
            if self.popen.poll() is not None:
                raise NeverHappenedError(
                    f"{self.argv[0]} ended with {self.popen.returncode} before it was ready:\n"
                    f"{self.tail()}"
                )
            return look()

        try:
            until(ready_or_gone, seconds, f"{self.argv[0]} is ready")
        except NeverHappenedError as late:
            raise NeverHappenedError(f"{late}\n--- end of {self.log} ---\n{self.tail()}") from None

    def stop(self, seconds: float = 10.0) -> int:
        """Terminate, then kill, with all that it left behind; the exit code."""
        family = self.family()
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid in family[1:]:
            with contextlib.suppress(OSError):
                # The session id shows that the pid is still one of ours.
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)
        return self.popen.returncode


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    log: Path,
    *,
    ready: Callable[[], object],
    seconds: float = 20.0,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Running]:
    """Start, wait until ready, hand over, stop."""
    process = Running(argv, log, env=env, cwd=cwd)
    try:
        process.wait_ready(ready, seconds)
        yield process
    finally:
        process.stop()

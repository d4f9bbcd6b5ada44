"""Child processes of a run: started, awaited, measured from /proc, and stopped by their pid."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
HOST = "127.0.0.1"

# A user's PATH on Debian has no sbin in it.
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or "nginx"
# Started by root, nginx's worker would be nobody, who may not enter a temporary folder.
NGINX_USER = "user root;" if os.geteuid() == 0 else ""
_TOOLS = Path(__file__).resolve().parent.parent / ".tools" / "bench" / "venv"


class NotStartedError(Exception):
    """A program is missing, ended at once or never listened. The text says which and why."""


def program(name: str) -> str:
    """Where install.sh or the system has put it. Raises NotStartedError."""
    # The package of Envoy has a script in bin/ that starts the real one.
    inside = sorted(_TOOLS.glob(f"lib/*/site-packages/{name}/_bin/{name}"))
    if inside:
        return str(inside[0])
    places = f"{_TOOLS / 'bin'}:{os.environ.get('PATH', '')}:/usr/sbin"
    found = shutil.which(name, path=places)
    if found is None:
        raise NotStartedError(f"{name} is not installed (sh bench/install.sh)")
    return found


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@dataclass
class Running:
    """One started program with all its children."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    tls_port: int = 0

    def processor_seconds(self) -> float:
        """User and system time so far of the program, its children and those that ended."""
        total = 0.0
        for pid in _family(self.process.pid):
            # The name may hold blanks and parentheses: fields are counted from the last ")".
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            utime, stime, cutime, cstime = (int(field) for field in fields[11:15])
            total += (utime + stime + cutime + cstime) * TICK
        return total

    def peak_memory(self) -> int:
        """Largest resident memory so far in bytes, summed over all processes."""
        total = 0
        for pid in _family(self.process.pid):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
        return total

    def memory(self) -> int:
        """Resident memory now in bytes; what processes share is counted once."""
        total = 0
        for pid in _family(self.process.pid):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self) -> None:
        """Ask the program to end, and end it after five seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _family(pid: int) -> list[int]:
    """The pid and all below it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found


def launch(
    name: str, argv: list[str], port: int, folder: Path, environment: dict[str, str] | None = None
) -> Running:
    """Start a program and return at once. Raises NotStartedError."""
    log = folder / f"{name.replace(' ', '-')}.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )
    except OSError as error:
        raise NotStartedError(f"{argv[0]}: {error.strerror}") from error
    return Running(name, port, process, log)


def start(
    name: str, argv: list[str], port: int, folder: Path, environment: dict[str, str] | None = None
) -> Running:
    """Start a program and wait until it listens on `port`. Raises NotStartedError."""
    running = launch(name, argv, port, folder, environment)
    deadline = time.monotonic() + 15
    while not _listens(port):
        if running.process.poll() is not None or time.monotonic() > deadline:
            running.stop()
            said = running.log.read_text(errors="replace").strip().splitlines()
            raise NotStartedError(said[-1] if said else f"ended with {running.process.returncode}")
        time.sleep(0.02)
    return running


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0

"""What a process and its children hold: resident memory, and what they put on disk."""

import contextlib
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Footprint:
    """All in bytes: resident memory, written to disk so far, size of the regular files open."""

    resident: int
    written: int
    in_open_files: int


def footprint(pids: list[int]) -> Footprint:
    """The sum over these processes; one that has ended counts for nothing."""
    resident = written = in_files = 0
    for pid in pids:
        folder = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError):
            resident += number_after(folder / "status", "VmRSS:") * 1024
            written += number_after(folder / "io", "write_bytes:")
            in_files += bytes_in_open_files(folder / "fd")
    return Footprint(resident, written, in_files)


def number_after(path: Path, word: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(word):
            return int(line.split()[1])
    return 0


def bytes_in_open_files(folder: Path) -> int:
    """Files deleted after opening count too: that is how a spooled body hides."""
    total = 0
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            # Through the link, so that a deleted file is found as well.
            status = entry.stat()
            if stat.S_ISREG(status.st_mode):
                total += status.st_size
    return total

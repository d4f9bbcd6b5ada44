"""What the machine gives this process, and what the process takes of it: files and memory.

Read from the system each time it is asked; it decides nothing. Sizes are bytes.
"""

import ctypes
import math
import os
import resource
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# Files that are not for clients and their servers: listeners, logs, names, who is turned away.
OWN_FILES: Final = 64
# What a cgroup of version 1 without a limit says: the most that fits, less a page.
_NO_LIMIT: Final = 2**62


def file_limit() -> int | None:
    """How many files the process may have open; None = as many as it likes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def clients_at_most(files: int | None) -> float:
    """How many clients so many files are enough for: each takes one more for its server."""
    return math.inf if files is None else max(1, (files - OWN_FILES) // 2)


def give_back() -> None:
    """Give memory that is free inside the process back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def resident() -> int:
    """How much memory the process has now (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE


def memory_to_be_had(root: Path = Path("/")) -> int:
    """How much the machine has, or less where a cgroup of this process says so."""
    machine = os.sysconf("SC_PHYS_PAGES") * _PAGE
    return min([machine, *_cgroup_limits(root)])


def _cgroup_limits(root: Path) -> list[int]:
    """The limits of this process's cgroups and of those around them (cgroups(7))."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        place = top / path.lstrip("/")
        # In a container the path may be the host's: what is mounted is its own.
        for folder in (place, *place.parents):
            found += _limit_in(folder / name)
            if folder == top:
                break
    return found


def _limit_in(file: Path) -> list[int]:
    try:
        limit = int(file.read_text())
    except (OSError, ValueError):
        # There is none, or it says "max".
        return []
    return [limit] if limit < _NO_LIMIT else []

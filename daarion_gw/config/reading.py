"""Which files a configuration was read from, and whether they are still what they were.

It only looks at them from outside (time, size, number of the inode); what they hold is not
known here, nor when somebody should look again.
"""

from __future__ import annotations

from pathlib import Path

# None: there is no such file.
Stamp = tuple[int, int, int] | None


class Reading:
    """The files of one reading, each with the stamp that it had just before."""

    def __init__(self) -> None:
        self.stamps: dict[Path, Stamp] = {}

    def note(self, path: Path) -> None:
        """Called before ``path`` is read, so that a change from then on is one."""
        self.stamps.setdefault(path, stamp(path))

    def read(self, path: Path) -> bytes:
        """What is in ``path``, which is noted. Raises OSError."""
        self.note(path)
        return path.read_bytes()

    def now(self) -> dict[Path, Stamp]:
        """The stamps that the same files have by now."""
        return {path: stamp(path) for path in self.stamps}


def stamp(path: Path) -> Stamp:
    """What tells one state of a file from another, without reading it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

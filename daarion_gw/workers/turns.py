"""Who accepts: every worker sees how many connections each of them has, in shared memory.

All workers wait for the same listening socket, and all are woken. One that has more connections
than another leaves the new one to that other; if nobody has taken it some milliseconds later,
the others being busy or stuck, it takes it after all. `bench/NOTES.md` has the figures beside
SO_REUSEPORT and EPOLLEXCLUSIVE. This module must not know what a connection is for.
"""

import mmap
import os

from daarion_gw.observe.counters import FrontCounters

# In the place of a worker that does not accept: nobody waits for it.
NOBODY = 2**62
_WORD = 8
# One part in so many that a worker may be ahead by: exact for few connections, quick for many.
_SLACK_SHIFT = 4
_AT_MOST = 100


class Table:
    """The number of open connections of each worker; one writes its own place, all read all."""

    def __init__(self, file: int, size: int) -> None:
        self.file = file
        self._counts = memoryview(mmap.mmap(file, size * _WORD)).cast("q")

    @classmethod
    def create(cls, size: int) -> "Table":
        """A new one in memory that only its file's holders share; nobody accepts yet."""
        file = os.memfd_create("daarion-gw connections")
        os.ftruncate(file, size * _WORD)
        table = cls(file, size)
        for index in range(size):
            table.leave(index)
        return table

    def put(self, index: int, count: int) -> None:
        """Say that worker ``index`` has so many."""
        self._counts[index] = count

    def leave(self, index: int) -> None:
        """Say that worker ``index`` takes none."""
        self._counts[index] = NOBODY

    def room(self, index: int) -> int:
        """How many connections worker ``index`` may take now, 0 if it is another's turn."""
        counts = self._counts.tolist()
        own = counts.pop(index)
        ahead = own - min(counts, default=NOBODY)
        return max(0, min(_AT_MOST, 1 + (own >> _SLACK_SHIFT) - ahead))


class SharedFront(FrontCounters):
    """Counters whose open connections all workers can see."""

    __slots__ = ("_accepts", "_index", "_open", "_table")

    def __init__(self, table: Table, index: int) -> None:
        self._table = table
        self._index = index
        self._accepts = True
        super().__init__()

    @property
    def connections_open(self) -> int:
        """Connections of clients open now."""
        return self._open

    @connections_open.setter
    def connections_open(self, count: int) -> None:
        self._open = count
        if self._accepts:
            self._table.put(self._index, count)

    def leave(self) -> None:
        """This worker accepts none for now, or no more."""
        self._accepts = False
        self._table.leave(self._index)

    def rejoin(self) -> None:
        """This worker accepts again."""
        self._accepts = True
        self._table.put(self._index, self._open)

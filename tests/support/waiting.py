"""Waiting with a deadline: a test polls for what must become true, it never sleeps for luck."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Longer than anything takes on a busy machine; only a failing test waits for it (seconds).
PATIENCE = float(os.environ.get("TEST_PATIENCE", "10"))


def until(look: Callable[[], T], within: float = PATIENCE, what: str = "") -> T:
    """The first true value that ``look`` gives; AssertionError after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"did not happen within {within:g} s: {what or look}"
        time.sleep(0.01)


class Stopwatch:
    """How long a block took, in seconds."""

    def __enter__(self) -> "Stopwatch":
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun

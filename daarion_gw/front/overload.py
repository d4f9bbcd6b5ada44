"""How much is too much, and what then: a machine of four levels that is fed once a second.

It goes up at once and down one level per calm second, so that it never hangs. It knows no
clock, no reactor and no connection: who feeds it acts on the level.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Level(IntEnum):
    """What is done about it; each level does what those below it do, too."""

    NORMAL = 0
    # Answers say that they are their connection's last.
    NO_KEEP_ALIVE = 1
    # New requests are answered 503 at once.
    REFUSING = 2
    # Listening ports are not read.
    NOT_ACCEPTING = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """lag: seconds, None = not looked at. memory: bytes, None = not looked at."""

    lag: float | None
    memory: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """From one level to another, and the signal that it is about, in words."""

    before: Level
    after: Level
    reason: str


# From which part of the limit on each level holds, from the lowest level above normal.
LAG_STEPS: Final = (1.0, 2.0, 4.0)
MEMORY_STEPS: Final = (0.8, 0.9, 1.0)
# A signal must have fallen to this part of what a level begins at until that level is left.
LAG_CALM: Final = 0.8
MEMORY_CALM: Final = 0.97


class Overload:
    """The level that holds, and the two signals that it goes by."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.level = Level.NORMAL

    def feed(self, lag: float, memory: int) -> Change | None:
        """One second's signals: the change that they make, or None."""
        by_lag, by_memory = self._parts(lag, memory)
        level = max(_level(by_lag, LAG_STEPS), _level(by_memory, MEMORY_STEPS))
        before = self.level
        if level > before:
            self.level = level
        elif before and self._is_calm(by_lag, by_memory):
            self.level = Level(before - 1)
        else:
            return None
        return Change(before, self.level, self._reason(lag, memory))

    def _parts(self, lag: float, memory: int) -> tuple[float, float]:
        """The signals as parts of their limits; 0 where there is none."""
        limits = self.limits
        return (
            lag / limits.lag if limits.lag else 0.0,
            memory / limits.memory if limits.memory else 0.0,
        )

    def _is_calm(self, by_lag: float, by_memory: float) -> bool:
        """Whether both signals are well below where this level begins."""
        step = self.level - 1
        return by_lag < LAG_STEPS[step] * LAG_CALM and by_memory < MEMORY_STEPS[step] * MEMORY_CALM

    def _reason(self, lag: float, memory: int) -> str:
        """What weighs most now, with its number and its limit."""
        by_lag, by_memory = self._parts(lag, memory)
        of_lag, of_memory = _level(by_lag, LAG_STEPS), _level(by_memory, MEMORY_STEPS)
        if self.limits.memory and (of_memory > of_lag or not self.limits.lag):
            most = self.limits.memory / 2**20
            return f"{memory / 2**20:.0f} MiB of memory, of {most:.0f} (overload.memory)"
        if self.limits.lag:
            limit = self.limits.lag * 1000
            return f"the loop is {lag * 1000:.0f} ms late, {limit:.0f} are too many (overload.lag)"
        return "nothing is looked at any more"


def _level(part: float, steps: tuple[float, ...]) -> Level:
    return Level(sum(part >= step for step in steps))

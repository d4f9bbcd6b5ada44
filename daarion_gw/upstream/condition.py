"""Whether a server may be asked: what probes say of it, and how it does in traffic. Pure.

The time is passed in (seconds, never falling). It knows one server: whether there is another
to ask instead is for its group to say. What changes comes back as a sentence, for the log.
"""

from enum import Enum
from typing import ClassVar

from daarion_gw.config.resilience import Eject, HealthCheck

from .window import Window


class State(Enum):
    """How it stands with a server."""

    UP = "up"
    # Probes failed.
    DOWN = "down"
    # It failed in traffic, and is left out for a while.
    EJECTED = "ejected"
    # The configuration says that it gets no new clients; its group knows.
    DRAINING = "draining"


class Condition:
    """What is known of one server.

    is_ready: whether it may be asked, all in all; is_down, is_ejected: what speaks against it.
    changes: how often that was judged anew, of any server in this process: who keeps what
    follows from it sees here whether it still does.
    """

    __slots__ = ("_back_at", "_calm_since", "_check", "_eject", "_is_ready", "_level", "_passed",
                 "_row", "_window", "_wrong", "is_down", "is_ejected", "reason",
                 "since")  # fmt: skip

    changes: ClassVar[int] = 0

    def __init__(self, check: HealthCheck | None, eject: Eject | None, now: float) -> None:
        self._check = check
        self._eject = eject
        self._window = Window(eject.window) if eject is not None else None
        self.is_ready = True
        self.is_down = False
        self.is_ejected = False
        # Why it is as it is, and since when.
        self.reason = ""
        self.since = now
        # Probes in a row.
        self._passed = 0
        self._wrong = 0
        # Failures in traffic in a row; how often it was ejected, as far as that still counts.
        self._row = 0
        self._level = 0
        self._back_at = 0.0
        self._calm_since = now

    @property
    def is_ready(self) -> bool:
        return self._is_ready

    @is_ready.setter
    def is_ready(self, is_ready: bool) -> None:
        self._is_ready = is_ready
        Condition.changes += 1

    @property
    def state(self) -> State:
        if self.is_down:
            return State.DOWN
        return State.EJECTED if self.is_ejected else State.UP

    def settle(self, check: HealthCheck | None, eject: Eject | None, now: float) -> str | None:
        """The configuration says something else now; what was found out by it still holds."""
        window, old, self._eject = self._window, self._eject, eject
        if eject is None:
            self._window = None
        elif old is None or window is None or old.window != eject.window:
            self._window = Window(eject.window)
        self._check = check
        before = self.state
        if check is None:
            self.is_down = False
            self._wrong = self._passed = 0
        if eject is None:
            self.is_ejected = False
        if self.state is before:
            return None
        self._judge(now, "the configuration was changed")
        return f"is asked again: {self.reason}" if self.is_ready else None

    def _judge(self, now: float, reason: str) -> None:
        self.is_ready = not (self.is_down or self.is_ejected)
        self.since = now
        self.reason = reason

    # by probes

    def probed(self, wrong: str | None, now: float) -> str | None:
        """A probe has passed, or what was ``wrong``; gives what changes by it."""
        check = self._check
        if check is None:
            return None
        if wrong is None:
            self._wrong = 0
            self._passed += 1
            if not self.is_down or self._passed < check.rise:
                return None
            # What it did before it went down was another life.
            self.is_down = self.is_ejected = False
            self._row = 0
            reason = f"{_probes(check.rise)} passed"
            self._judge(now, reason)
            return f"is up: {reason}"
        self._passed = 0
        self._wrong += 1
        if self.is_down or self._wrong < check.fall:
            return None
        self.is_down = True
        reason = f"{_probes(check.fall)} failed, the last: {wrong}"
        self._judge(now, reason)
        return f"is down: {reason}"

    # in traffic

    def answered(self, status: int, now: float) -> str | None:
        """It gave an answer; gives why it should be ejected, if it should."""
        self._row = 0
        return self._noted(status >= 500, now, f"status {status}")

    def failed(self, how: str, now: float) -> str | None:
        """It could not be connected to, gave no answer, or broke one off; as `answered`."""
        self._row += 1
        return self._noted(True, now, how)

    def _noted(self, is_bad: bool, now: float, how: str) -> str | None:
        eject, window = self._eject, self._window
        # While it is out, those who were there already end: that is not news.
        if eject is None or window is None or not self.is_ready:
            return None
        window.add(now, is_bad)
        if not is_bad:
            return None
        if eject.failures and self._row >= eject.failures:
            return f"{self._row} failures in a row, the last: {how}"
        if not eject.ratio or window.seen < max(1, eject.requests):
            return None
        if window.bad < eject.ratio * window.seen:
            return None
        return (
            f"{window.bad} of {window.seen} exchanges failed within {eject.window:g} s, "
            f"the last: {how}"
        )

    def eject(self, reason: str, now: float) -> str:
        """Leave it out for a while, as `answered` or `failed` had a reason to."""
        assert self._eject is not None and self._window is not None
        self._calm_down(now)
        seconds = self._time_out(self._level)
        self._level += 1
        self.is_ejected = True
        self._back_at = now + seconds
        self._row = 0
        self._window.clear()
        self._judge(now, reason)
        return f"is left out for {seconds:g} s: {reason}"

    def tick(self, now: float) -> str | None:
        """Time has passed: who was left out for long enough is asked again."""
        if not self.is_ejected or now < self._back_at:
            return None
        self.is_ejected = False
        self._calm_since = now
        if self.is_down:
            return None
        self._judge(now, "its time out is over")
        return f"is asked again: {self.reason}"

    def _time_out(self, level: int) -> float:
        assert self._eject is not None
        # Beyond 32 doublings everything is longer than the longest.
        return min(self._eject.time * 2 ** min(level, 32), self._eject.longest)

    def _calm_down(self, now: float) -> None:
        """Good behaviour for as long as the last time out makes the next one shorter again."""
        while self._level:
            seconds = self._time_out(self._level - 1)
            if now - self._calm_since < seconds:
                break
            self._calm_since += seconds
            self._level -= 1


def _probes(count: int) -> str:
    return "1 probe" if count == 1 else f"{count} probes"

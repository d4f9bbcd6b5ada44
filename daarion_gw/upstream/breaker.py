"""Whether an upstream as a whole is asked at all, after most of it has failed. Pure.

The time is passed in (seconds, never falling). What changes comes back as a sentence.
"""

from enum import Enum
from math import inf

from daarion_gw.config import resilience

from .window import Window


class State(Enum):
    """Whether exchanges go through."""

    CLOSED = "closed"
    # None does.
    OPEN = "open"
    # One does, to see whether it works again.
    HALF_OPEN = "half-open"


_CLOSED, _OPEN, _HALF_OPEN = State


class Breaker:
    """Closed as long as all is well. reason, since: of the state that it is in."""

    __slots__ = ("_opened_at", "_settings", "_trial_ends", "_window", "reason", "since", "state")

    def __init__(self, settings: resilience.Breaker, now: float) -> None:
        self._settings = settings
        self._window = Window(settings.window)
        self.state = _CLOSED
        self.reason = ""
        self.since = now
        self._opened_at = -inf
        # Until when the one that was let through is waited for.
        self._trial_ends = -inf

    @property
    def settings(self) -> resilience.Breaker:
        return self._settings

    def admits(self, now: float) -> bool:
        """Whether an exchange that begins ``now`` may go on; if so `ended` is told of it."""
        return self.state is _CLOSED or self._tries(now)

    def _tries(self, now: float) -> bool:
        if self.state is _OPEN:
            if now - self._opened_at < self._settings.open_for:
                return False
            self.state = _HALF_OPEN
            self.since = now
        elif now < self._trial_ends:
            return False
        # One that takes its time (a stream of events) does not keep all others waiting for it.
        self._trial_ends = now + self._settings.open_for
        return True

    def ended(self, began: float, now: float, good: bool | None) -> str | None:
        """An exchange that `admits` let through at ``began`` has ended.

        good: None when it says nothing about the upstream, because its client left.
        """
        if began <= self._opened_at:
            # It was under way when the breaker opened, and says nothing new.
            return None
        if self.state is _CLOSED:
            return self._counted(now, good)
        if good is None:
            self._trial_ends = -inf
        elif good:
            self.state = _CLOSED
            self.reason = "the exchange that was let through went well"
            self.since = now
            self._window.clear()
            return f"the breaker is closed: {self.reason}"
        elif self.state is _HALF_OPEN:
            # Told once, when it opened.
            self._open(now, "the exchange that was let through failed too")
        return None

    def _counted(self, now: float, good: bool | None) -> str | None:
        if good is None:
            return None
        settings, window = self._settings, self._window
        window.add(now, not good)
        if good or window.seen < max(1, settings.requests):
            return None
        if window.bad < settings.ratio * window.seen:
            return None
        reason = f"{window.bad} of {window.seen} exchanges failed within {settings.window:g} s"
        self._open(now, reason)
        return f"the breaker is open, nothing is sent for {settings.open_for:g} s: {reason}"

    def _open(self, now: float, reason: str) -> None:
        self.state = _OPEN
        self.reason = reason
        self.since = self._opened_at = now
        self._window.clear()

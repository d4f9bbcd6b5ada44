"""When a certificate is asked for: pure arithmetic. All times are UNIX seconds, all chances 0…1."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from .keys import Facts

# Without the authority's advice: when two thirds of its time are over, or up to a twentieth of
# it earlier, so that not all ask in the same hour.
SHARE, EARLIER = 2 / 3, 1 / 20
# RFC 9773 4.3.2: no more often than each minute, and at least once a day.
LOOK_SOONEST, LOOK_LATEST = 60.0, 86400.0
# And where it does not say when, or does not answer (RFC 9773 4.3.3).
LOOK_USUALLY = 6 * 3600.0
# What is waited for after one failure more grows so many times, up to that.
GROWTH, LONGEST = 5, 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Window:
    """When the authority would like to be asked (RFC 9773). again: seconds until that may change.

    Both None: it has nothing to say.
    """

    start: float | None = None
    end: float | None = None
    again: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes next for one certificate.

    at: when it is asked for. look_at: when the authority is asked for its advice, None = never.
    until: the end of the certificate that there is, None = there is none. directory: whom it is
    from. failures: how many times in a row it was not to be had, and why not the last time.
    """

    at: float
    directory: str
    look_at: float | None = None
    until: float | None = None
    failures: int = 0
    error: str = ""

    @property
    def due(self) -> float:
        """When something is to be done."""
        return self.at if self.look_at is None else min(self.at, self.look_at)

    def kept(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)


def taken(kept: object) -> Plan | None:
    """A plan as it was written down; None where that is not understood."""
    try:
        plan = Plan(**kept)  # type: ignore[arg-type]
        numbers = (plan.at, plan.look_at or 0.0, plan.until or 0.0, plan.failures)
        is_fit = all(isinstance(number, int | float) for number in numbers)
    except TypeError:
        return None
    return plan if is_fit else None


def renewed(found: Facts, directory: str, window: Window, now: float) -> Plan:
    """The plan for a certificate, by the authority's advice if it gives any."""
    look_at = None
    if window.again is not None:
        look_at = now + min(max(window.again, LOOK_SOONEST), LOOK_LATEST)
    if window.start is not None and window.end is not None and window.end > window.start:
        # Any time in it is as good; one that is past is now (RFC 9773 4.2).
        at = window.start + (window.end - window.start) * found.chance
    else:
        at = found.since + (found.until - found.since) * (SHARE - EARLIER * found.chance)
    return Plan(at, directory, look_at, found.until)


def failed(plan: Plan, error: str, first: float, wish: float, now: float, chance: float) -> Plan:
    """It was not to be had. first: seconds after a first failure; wish: what the authority said."""
    usual = min(first * GROWTH ** min(plan.failures, 20), max(LONGEST, first))
    delay = max(usual * (0.9 + 0.2 * chance), wish)
    # Where only advice was not to be had, its time has not come yet.
    at = max(plan.at, now + delay)
    return replace(plan, at=at, look_at=None, failures=plan.failures + 1, error=error)

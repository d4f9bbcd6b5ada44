"""What befalls many requests in a row, told in few lines: a crowd that is refused must not fill
the log.

The first is told in full by whoever refuses it; of those that follow only the number, now and
then. It must not know why they are refused.
"""

from dataclasses import dataclass

from twisted.logger import Logger

# Seconds from the one that is told to the number of its followers, and to the next such line.
SOON = 1.0
QUIET = 10.0


@dataclass(slots=True)
class _Crowd:
    """Those who came after the one that was told."""

    since: float
    # For how long nothing is said of them (seconds).
    quiet: float
    followers: int = 0


class Crowds:
    """One per process. ``now`` is any clock in seconds, always the same one."""

    _log = Logger()

    def __init__(self) -> None:
        # Only of upstreams that refused somebody within the last seconds.
        self._crowds: dict[str, _Crowd] = {}

    def is_first(self, upstream: str, now: float) -> bool:
        """Whether this one is to be told; else it is counted."""
        crowd = self._crowds.get(upstream)
        if crowd is None:
            self._crowds[upstream] = _Crowd(now, SOON)
            return True
        crowd.followers += 1
        return False

    def report(self, now: float) -> None:
        """Say how many followed, where it is time to. To be called about once a second."""
        for upstream, crowd in tuple(self._crowds.items()):
            seconds = now - crowd.since
            if seconds < crowd.quiet:
                continue
            if not crowd.followers:
                del self._crowds[upstream]
                continue
            self._log.warn(
                "upstream {upstream} had no place for {count} more within {seconds:.0f} s",
                upstream=upstream, count=crowd.followers, seconds=seconds,
            )  # fmt: skip
            self._crowds[upstream] = _Crowd(now, QUIET)

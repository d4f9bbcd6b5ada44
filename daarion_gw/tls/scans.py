"""Clients that do not get as far as TLS: said in the log, and not so that they fill it."""

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

# One line in this many seconds (twistd writes debug lines too).
INTERVAL = 10.0


class Scans:
    """One per listener."""

    _log = Logger()

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until = clock()
        self._unsaid = 0

    def saw(self, peer: Any, why: str) -> None:
        """``peer`` (an address of Twisted's) was sent away; ``why`` goes on from "no TLS"."""
        now = self._clock()
        if now < self._silent_until:
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        self._silent_until = now + INTERVAL
        self._log.debug("no TLS with {peer}: {why}{more}", peer=getattr(peer, "host", peer),
                        why=why, more=f" (and {unsaid} more before it)" * bool(unsaid))  # fmt: skip

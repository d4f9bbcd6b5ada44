"""The settings of an upstream that say who gets the next exchange, and what holds when it fails.

Frozen data; who acts on it is not known here. Durations are seconds, shares are 0 to 1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daarion_gw.config.model import Count, Duration, Model, OptionalCount, Share

Policy = Literal["round_robin", "least_busy", "two_choices", "hash", "first"]


class Balance(Model):
    """Which server gets the next exchange, by ``policy``; a server's weight counts in each.

    ``round_robin``: in turn. ``least_busy``: the one with the fewest exchanges under way.
    ``two_choices``: the less busy of two taken at random. ``first``: the first in the file that
    works. ``hash``: always the same one (rendezvous) for the same client address, or for the
    same value of the request field or cookie ``name``, as ``source`` says.
    """

    policy: Policy = "round_robin"
    source: Literal["client", "header", "cookie"] = "client"
    name: str = ""


class Sticky(Model):
    """A signed cookie that brings a client back to the server that it had.

    ``max_age``: seconds that browsers keep it, 0 = until they end. ``secret``: what it is signed
    with; None = one made at the start, which ends all stickiness when the gateway does.
    """

    cookie: str = "daarion_server"
    max_age: Duration = 0.0
    secret: str | None = Field(default=None, repr=False)


class HealthCheck(Model):
    """A request that tells whether a server works: GET ``path`` every ``interval`` seconds.

    ``timeout``: for the whole answer. ``statuses``: (lowest, highest) of what passes. ``body``: a
    pattern that must be found in the answer's first 64 KiB. ``rise``, ``fall``: how many in a row
    must pass, or fail, until the server counts as up, or down. ``host``: of the Host field, None =
    the server's own.
    """

    path: str
    interval: Duration = 10.0
    timeout: Duration = 5.0
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    body: str | None = None
    rise: Count = 2
    fall: Count = 3
    host: str | None = None


class Eject(Model):
    """When a server is left out because of how it answers, and for how long.

    ``failures``: so many in a row (no connection, no answer, a broken one), 0 = never. ``ratio``:
    or this share of failures and 5xx among at least ``requests`` of the last ``window`` seconds,
    0 = never. ``time``: seconds for the first time, twice as long each time after, up to
    ``longest``. The last server that is left is never ejected.
    """

    failures: Count = 5
    ratio: Share = 0.5
    requests: Count = 20
    window: Duration = 10.0
    time: Duration = 10.0
    longest: Duration = 300.0


class Breaker(Model):
    """When an upstream as a whole is spared: 503 at once for ``open_for`` seconds, then one try.

    It opens at a share ``ratio`` of failures among at least ``requests`` of the last ``window``
    seconds. Failures are exchanges without an answer, and 5xx.
    """

    ratio: Share = 0.5
    requests: Count = 20
    window: Duration = 10.0
    open_for: Duration = 5.0


class UpstreamLimits(Model):
    """How much an upstream is asked at once.

    ``in_flight``: exchanges under way at all of its servers together, None = no limit.
    ``waiting``: how many more may wait for a place; ``wait``: how long (seconds).
    """

    in_flight: OptionalCount = None
    waiting: Count = 100
    wait: Duration = 10.0


class Retry(Model):
    """When a request that failed is sent to another server: only where that is safe.

    ``tries``: how many more. ``statuses``: answers that count as failed. ``budget``: the share of
    an upstream's requests of the last ten seconds that may be second tries (ten always may).
    ``delay``: seconds at the most before the first one, at random, twice as many each time after.
    """

    tries: Count = 1
    statuses: tuple[int, ...] = (502, 503, 504)
    budget: Share = 0.2
    delay: Duration = 0.025

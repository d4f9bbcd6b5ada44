"""What gateways in several processes have in common that serve as one."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from daarion_gw.observe.counters import Counters

from .sockets import Heritage, open_or_take


@dataclass(frozen=True, slots=True)
class Common:
    """What each of them is given.

    instance: how each of them knows requests that another one sent. endpoint: of a listener's
    string. turns: the file that says who writes the log (see `AccessLog`). share: how many they
    are, each with its part of what is limited. secret: what cookies of theirs are signed with.
    What each would say of itself alone, whoever started them says once for all.
    """

    instance: bytes
    counters: Counters
    endpoint: Callable[[str], Any]
    turns: int | None = None
    share: int = 1
    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)


def alone(reactor: Any, heritage: Heritage) -> Common:
    """What a gateway has that shares nothing with others, but may follow another."""
    instance = heritage.instance or os.urandom(4).hex().encode()
    return Common(instance, Counters(), partial(open_or_take, reactor, heritage.listeners))

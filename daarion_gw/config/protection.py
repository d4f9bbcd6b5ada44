"""The settings that say how much the gateway takes on, and when it has too much.

Frozen data; who acts on it is not known here. Several processes that serve as one share what is
said here, but for ``auto``, which each of them counts for itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from daarion_gw.config import units
from daarion_gw.config.model import Model, OptionalCount, OptionalDuration
from daarion_gw.config.problems import UnfitError

CONNECTIONS = "a whole number, auto or off"
MEMORY = "a size such as 512M, a share of this machine's memory such as 80%, or off"


def _connections(value: object) -> object:
    if value is None or value == "auto":
        return value
    try:
        return units.optional_count(value)
    except UnfitError as error:
        raise UnfitError(CONNECTIONS, reason=error.reason) from None


def _memory(value: object) -> object:
    """A share stays a float, a size an int: what says ``%`` or is less than one is a share."""
    if value is None:
        return None
    is_share = isinstance(value, float) or (isinstance(value, str) and _looks_like_share(value))
    try:
        return (units.share(value) if is_share else units.size(value)) or None
    except UnfitError as error:
        raise UnfitError(MEMORY, reason=error.reason) from None


def _looks_like_share(text: str) -> bool:
    # 0.8 out of a variable is text.
    return "%" in text or text.strip().startswith("0.")


class ClientLimits(Model):
    """How many clients' connections may be open, and from one address; None = no limit.

    ``connections``: ``auto`` is as many as the process can have files for.
    """

    connections: Annotated[int | Literal["auto"] | None, BeforeValidator(_connections)] = "auto"
    per_client: OptionalCount = None


class Signals(Model):
    """What shows that there is too much to do; None = it is not looked at.

    ``lag``: how late the loop comes to what is due (seconds). ``memory``: bytes (int), or a share
    of what this machine or its cgroup has (float).
    """

    lag: OptionalDuration = 0.5
    memory: Annotated[int | float | None, BeforeValidator(_memory)] = None

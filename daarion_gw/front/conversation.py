"""What a client's connection and the work on one of its requests say to each other.

The connection (`http1`) tells; whoever has the request listens: an exchange, or a resource's
rendering.
"""

from enum import IntFlag
from typing import Protocol

from daarion_gw.wire.faults import WireError


class Conversation(Protocol):
    """What is done with one request: proxied, or rendered by a resource."""

    def begin(self) -> None: ...
    def body_received(self, data: bytes) -> None: ...
    def body_ended(self) -> None: ...
    def request_paused(self) -> None: ...
    def request_broken(self, error: WireError) -> None: ...
    def near_blocked(self) -> None: ...
    def near_drained(self) -> None: ...
    def near_lost(self) -> None: ...
    def deadline_passed(self, now: float) -> None: ...


class Why(IntFlag):
    """Why a client is not read from: all reasons must be gone before it is again."""

    CONNECTING = 1
    UPSTREAM_FULL = 2
    READ_AHEAD = 4

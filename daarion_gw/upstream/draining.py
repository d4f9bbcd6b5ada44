"""The rest of an answer that nobody wants any more: read to its end, if that is near.

Otherwise each answer that is given up would cost a connection.
"""

from typing import Final

from daarion_gw.net.sweep import NEVER, Sweep
from daarion_gw.wire.answer import AnswerHead

from .connection import UpstreamConnection

# How much is read, and for how long (seconds), rather than ending the connection.
DRAIN_AT_MOST: Final = 64 * 1024
DRAIN_WITHIN: Final = 5.0


class Draining:
    """Takes what is left of an answer from the one who had asked for it."""

    def __init__(self, connection: UpstreamConnection, sweep: Sweep) -> None:
        self._connection: UpstreamConnection | None = connection
        self._left = DRAIN_AT_MOST
        self._watched = sweep.watched
        self._watched.add(self)
        self.deadline = sweep.now + DRAIN_WITHIN
        connection.leave_to(self)

    def _over(self) -> UpstreamConnection | None:
        connection, self._connection = self._connection, None
        self.deadline = NEVER
        self._watched.discard(self)
        return connection

    def abort(self) -> None:
        """It is not worth reading."""
        connection = self._over()
        if connection is not None:
            connection.abort()

    # Called by the sweep.

    def deadline_passed(self, now: float) -> None:
        self.abort()

    # Called by the connection and by the wire.

    def informational_received(self, head: AnswerHead) -> None:
        pass

    def answer_received(self, head: AnswerHead) -> None:
        pass

    def answer_body_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.abort()

    def answer_paused(self) -> None:
        pass

    def answer_ended(self, trailers: bytes) -> None:
        connection = self._over()
        if connection is not None:
            connection.release()

    def answer_broken(self, detail: str) -> None:
        self.abort()

    def far_blocked(self) -> None:
        pass

    def far_drained(self) -> None:
        pass

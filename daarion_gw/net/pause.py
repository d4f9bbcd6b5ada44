"""A wait that somebody may cut short. It must not know what is waited for."""

from typing import Any

from twisted.internet.defer import Deferred


class Pause:
    """``await last(seconds)`` waits so long, or until `end`; one that has ended waits no more."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._over: Deferred[None] = Deferred()

    async def last(self, seconds: float) -> None:
        """Return when it is over."""
        if seconds and not self._over.called:
            late = self._reactor.callLater(seconds, self.end)
            await self._over
            if late.active():
                late.cancel()

    def end(self) -> None:
        """Now, or before it has begun."""
        if not self._over.called:
            self._over.callback(None)

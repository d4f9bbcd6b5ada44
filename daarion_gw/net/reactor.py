"""Twisted's epoll reactor with a leaner poll loop.

For each event Twisted sets up a logging context and asks the descriptor three questions. Our
own transports need neither when they are merely readable, which is what nearly every event
says; everything else goes Twisted's way.
"""

import errno
import sys
from select import EPOLLIN
from typing import Any

from twisted.internet import epollreactor
from twisted.internet.main import installReactor
from twisted.python import log


class Reactor(epollreactor.EPollReactor):
    """Calls ``doRead`` directly on transports that say they ``read_plainly``."""

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events and hand them out (see EPollReactor)."""
        selectables = self._selectables
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        for fd, event in events:
            selectable = selectables.get(fd)
            if selectable is None:
                # Gone since the poll: one event's doing ended another's connection.
                continue
            if event == EPOLLIN and getattr(selectable, "reads_plainly", False):
                try:
                    why = selectable.doRead()
                except Exception:
                    why = sys.exc_info()[1]
                    log.err()
                if why is not None:
                    self._disconnectSelectable(selectable, why, True)
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)

    doIteration = doPoll


def install() -> None:
    """Make this the process's reactor (before any other is)."""
    reactor: Any = Reactor()
    installReactor(reactor)


def install_if_free() -> None:
    """Install it where epoll exists and nobody has chosen a reactor yet."""
    if "twisted.internet.reactor" not in sys.modules:
        install()

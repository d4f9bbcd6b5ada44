"""Twisted's epoll reactor with a leaner poll loop, and with news that Twisted's does not bring.

For each event Twisted sets up a logging context and asks the descriptor three questions. Our
own transports need neither when they are merely readable, which is what nearly every event
says; everything else goes Twisted's way.

A transport that ``tells_hangup`` is watched for its peer's leaving also while nobody reads
from it (see epoll_ctl(2), EPOLLRDHUP). And ``turn`` counts the polls: what is read in the
same turn in which something was sent had come before it was sent.
"""

import errno
import sys
from select import EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Any

from twisted.internet import epollreactor, main
from twisted.internet.main import installReactor
from twisted.python import log


class Reactor(epollreactor.EPollReactor):
    """Calls ``doRead`` directly on transports that say they ``read_plainly``."""

    def __init__(self) -> None:
        self.turn = 0
        # The descriptors that are watched for a hang-up and not read.
        self._unread: set[int] = set()
        super().__init__()

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events and hand them out (see EPollReactor).

        Twisted's loop asks before each poll whether a timer is due or a thread has a call. While
        there is neither, this polls again by itself: with few events a poll, that costs more
        than the events do.
        """
        # Twisted's own bookkeeping of what has to be done between two polls.
        timers: list[Any]
        while self._poll_once(timeout):
            if self.threadCallQueue or self._newTimedCalls or self._justStopped:
                return
            timers = self._pendingTimedCalls
            if timers:
                timeout = timers[0].time - self.seconds()
                if timeout <= 0:
                    return

    def _poll_once(self, timeout: float | None) -> bool:
        """Whether there were events, and the loop still runs."""
        selectables = self._selectables
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return False
            raise
        self.turn += 1
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
            elif event & EPOLLRDHUP and fd in self._unread:
                log.callWithLogger(
                    selectable, self._disconnectSelectable, selectable, main.CONNECTION_LOST, False
                )
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)
        return bool(events) and bool(self.running)

    doIteration = doPoll

    # Reading that pauses

    def addReader(self, reader: Any) -> None:
        """Tell ``reader`` what comes (IReactorFDSet)."""
        fd = reader.fileno()
        if fd in self._unread:
            self._unread.discard(fd)
            self._reads.add(fd)
            self._poller.modify(fd, EPOLLIN | (EPOLLOUT if fd in self._writes else 0))
        else:
            super().addReader(reader)

    def removeReader(self, reader: Any) -> None:
        """Read no more from ``reader``; one that ``tells_hangup`` is watched for that alone."""
        fd = reader.fileno()
        is_watched = getattr(reader, "tells_hangup", False) and reader.connected
        if fd in self._reads and is_watched:
            self._reads.discard(fd)
            self._unread.add(fd)
            self._watch(fd)
        elif fd in self._unread and not is_watched:
            self._unread.discard(fd)
            if fd in self._writes:
                self._poller.modify(fd, EPOLLOUT)
            else:
                del self._selectables[fd]
                self._poller.unregister(fd)
        else:
            super().removeReader(reader)

    def addWriter(self, writer: Any) -> None:
        """Tell ``writer`` when it can send (IReactorFDSet)."""
        fd = writer.fileno()
        if fd in self._unread:
            self._writes.add(fd)
            self._watch(fd)
        else:
            super().addWriter(writer)

    def removeWriter(self, writer: Any) -> None:
        """Tell ``writer`` no more when it can send (IReactorFDSet)."""
        fd = writer.fileno()
        if fd in self._unread:
            self._writes.discard(fd)
            self._watch(fd)
        else:
            super().removeWriter(writer)

    def removeAll(self) -> list[Any]:
        """Take everything out, and give it (IReactorFDSet); what is not read ends with the rest."""
        unread = [self._selectables[fd] for fd in self._unread]
        removed = super().removeAll()
        return removed + [each for each in unread if each not in removed]

    def _watch(self, fd: int) -> None:
        self._poller.modify(fd, EPOLLRDHUP | (EPOLLOUT if fd in self._writes else 0))


def install() -> None:
    """Make this the process's reactor (before any other is)."""
    reactor: Any = Reactor()
    installReactor(reactor)


def install_if_free() -> None:
    """Install it where epoll exists and nobody has chosen a reactor yet."""
    if "twisted.internet.reactor" not in sys.modules:
        install()

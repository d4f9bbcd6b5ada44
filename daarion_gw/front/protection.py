"""Keeps the gateway able to answer: reads once a second how it does, and acts on the level.

What is too much is `overload`'s to say, how many may be connected `admission`'s.
"""

from typing import Any, Final

from twisted.logger import Logger

from daarion_gw.config.protection import Signals
from daarion_gw.net.sweep import Sweep

from .listeners import open_again, shut
from .machine import give_back, memory_to_be_had, resident
from .overload import Change, Level, Limits, Overload
from .reception import Reception

_WORDS: Final = {
    Level.NORMAL: "back to normal",
    Level.NO_KEEP_ALIVE: "connections are not kept alive",
    Level.REFUSING: "new requests are refused",
    Level.NOT_ACCEPTING: "no connections are accepted",
}


class Protection:
    """One per process. share: among how many processes the limit of memory is divided.

    ports: the listening ports of the gateway's clients.
    """

    _log = Logger()

    def __init__(self, reception: Reception, sweep: Sweep, signals: Signals, share: int) -> None:
        self.ports: list[Any] = []
        self._reception = reception
        self._front = reception.counters.front
        self._sweep = sweep
        self._share = share
        self._accepts = True
        self._overload = Overload(Limits(None, None))
        self.settle(signals)
        sweep.every_second(self._look)

    def settle(self, signals: Signals) -> None:
        """Take over settings; the level stays until a second is calm by them."""
        memory = signals.memory
        if isinstance(memory, float):
            memory = int(memory * memory_to_be_had())
        if memory is not None:
            memory = max(1, memory // self._share)
        self._overload.limits = Limits(signals.lag, memory)

    def _look(self) -> None:
        self._reception.admission.report(self._sweep.now)
        overload = self._overload
        lag = self._sweep.take_lag()
        memory = 0
        if overload.limits.memory is not None:
            memory = resident()
            if overload.level:
                # What was freed is not given back by itself, and would seem to be in use.
                give_back()
                memory = resident()
        change = overload.feed(lag, memory)
        if change is not None:
            self._act(change)
        if overload.level:
            for near in tuple(self._reception.connections):
                near.let_go()

    def _act(self, change: Change) -> None:
        level = change.after
        reception = self._reception
        self._front.overload_level = int(level)
        reception.keeps_alive = level is Level.NORMAL and not reception.is_draining
        reception.refuses = level >= Level.REFUSING
        if not reception.is_draining:
            self._accept(level < Level.NOT_ACCEPTING)
        say = self._log.warn if level > change.before else self._log.info
        say("overload: {what}: {reason}", what=_WORDS[level], reason=change.reason)

    def _accept(self, accepts: bool) -> None:
        if accepts is self._accepts:
            return
        self._accepts = accepts
        for port in self.ports:
            if accepts:
                open_again(port)
            else:
                shut(port)
        if accepts:
            self._front.rejoin()
        else:
            self._front.leave()

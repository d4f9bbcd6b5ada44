"""One worker: a gateway whose sockets and settings come from its master.

It obeys the master alone: a signal that a terminal sends to all of its processes is not for it.
When the master is gone it serves what is under way, and ends.
"""

import os
import signal
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, eventAsText, globalLogBeginner
from twisted.python.reflect import namedModule

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.settings import Settings
from daarion_gw.front.common import Common
from daarion_gw.front.listeners import ListenError
from daarion_gw.observe.counters import Counters
from daarion_gw.observe.sums import taken
from daarion_gw.service import Gateway
from daarion_gw.tls.tickets import TICKET_KEYS

from .channel import Channel, Message, adopt, encoded, first_message
from .forks import Files
from .sockets import Sharing
from .turns import SharedFront, Table


def main(files: Files) -> None:
    """Serve until told to stop. SIGINT, SIGHUP and SIGUSR2 are ignored since before the fork."""
    end = socket.socket(fileno=files.control)
    try:
        begin, rest = first_message(end)
    except EOFError:
        return
    os.chdir(begin["folder"])
    namedModule(begin["reactor"]).install()
    from twisted.internet import reactor

    try:
        worker = Worker(reactor, begin, files)
    except (ListenError, OSError, ConfigurationError) as error:
        end.sendall(encoded({"say": "failed", "why": str(error)}))
        raise SystemExit(1) from None
    worker.run(end, rest)


class Worker:
    """The process: what its master orders, and what it reports.

    Raises `ListenError` or OSError with a sentence when it cannot begin.
    """

    def __init__(self, reactor: Any, begin: Message, files: Files) -> None:
        self._reactor = reactor
        self._settings = Settings.model_validate_json(begin["settings"])
        period, secret = begin["ticket_keys"]
        TICKET_KEYS.take((period, bytes.fromhex(secret)))
        self._table = Table(files.table, begin["of"])
        self._place = begin["number"] - 1
        self._front = SharedFront(self._table, self._place)
        self._sockets = list(zip(files.listeners, begin["listen"], strict=True))
        self._counters = Counters(self._front)
        self._gateway = Gateway(
            reactor,
            self._settings,
            listen=begin["listen"],
            admin=None,
            load=lambda: self._settings,
            common=Common(
                begin["instance"].encode(),
                self._counters,
                self._endpoint,
                files.table,
                share=begin["of"],
                secret=bytes.fromhex(begin["secret"]),
            ),
        )
        self._channel = Channel(self._obey, self._master_is_gone)
        self._has_closed: Deferred[None] = Deferred()
        self._is_stopping = False

    def _endpoint(self, description: str) -> Any:
        # The gateway asks for each of its listeners in order, once.
        file, expected = self._sockets.pop(0)
        assert description == expected
        return Sharing(self._reactor, file, self._table, self._place).endpoint(description)

    # running

    def run(self, end: socket.socket, rest: bytes) -> None:
        """Serve until told to stop. rest: of what came before the channel was."""
        reactor = self._reactor
        adopt(reactor, end, self._channel)
        observer: Any = self._relay
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
        self._gateway.privilegedStartService()
        self._gateway.startService()
        reactor.addSystemEventTrigger("before", "shutdown", self._finish)
        reactor.callWhenRunning(self._begin, rest)
        reactor.run()

    def _begin(self, rest: bytes) -> None:
        def told(_number: int, _frame: Any) -> None:
            self._reactor.callFromThread(self._stop)

        # Twisted has set its own when the reactor started.
        signal.signal(signal.SIGTERM, told)
        self._channel.send({"say": "ready"})
        self._channel.dataReceived(rest)

    def _finish(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        await self._gateway.stopService()
        # What it has counted does not end with it.
        self._channel.send(self._numbers(None))
        self._channel.close()
        await self._has_closed

    def _stop(self) -> None:
        """Stop when all is done; asked a second time, at once."""
        if self._is_stopping:
            self._gateway.cut()
        else:
            self._drain()

    def _drain(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._front.leave()
            self._reactor.stop()

    def _master_is_gone(self) -> None:
        if not self._has_closed.called:
            self._has_closed.callback(None)
        self._drain()

    # orders and reports

    def _obey(self, order: Message) -> None:
        what = order["do"]
        if what == "tell":
            self._channel.send(self._numbers(order["number"]))
        elif what == "reload":
            is_done = self._reload(Settings.model_validate_json(order["settings"]))
            answer = {"number": order["number"], "is_done": is_done}
            self._channel.send({"say": "reloaded", **answer, "why": self._gateway.reloads.problems})
        elif what == "reopen":
            self._gateway.reopen_log()
        elif what == "drain":
            if order["is_handed_over"]:
                self._gateway.hand_over()
            self._drain()
        elif what == "cut":
            self._drain()
            self._gateway.cut()

    def _reload(self, settings: Settings) -> bool:
        """Go on with ``settings``, or with the old ones where that fails."""
        old, self._settings = self._settings, settings
        is_done = self._gateway.reload()
        if not is_done:
            self._settings = old
        return is_done

    def _numbers(self, number: int | None) -> Message:
        """Counters, and idle connections by upstream and server; the answer to ``number``."""
        idle = [
            [upstream.name, server.label, count]
            for upstream in self._settings.upstreams.values()
            for server in upstream.servers
            if (count := self._gateway.idle(upstream.name, server))
        ]
        counters = taken(self._counters)
        upstreams = self._gateway.upstreams()
        return {"say": "numbers", "number": number, "counters": counters, "idle": idle,
                "upstreams": upstreams}  # fmt: skip

    def _relay(self, event: LogEvent) -> None:
        """Let the master log it: there is one log, wherever twistd was told to write it."""
        level, namespace = event["log_level"], event["log_namespace"]
        ours = namespace.startswith("daarion_gw.")
        # Twisted tells of each port that opens and closes; the master has said so.
        if level >= LogLevel.warn or (ours and level >= LogLevel.info):
            text = eventAsText(event, includeTimestamp=False, includeSystem=False)
            log = {"say": "log", "level": level.name, "namespace": namespace, "text": text}
            self._channel.tell(log)

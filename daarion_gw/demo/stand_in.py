"""One stand-in in a process of its own: `daarion-gw stand-in NAME`, for the compose file."""

import sys
from typing import Any, NoReturn, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import react
from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    globalLogBeginner,
    textFileLogObserver,
)

from daarion_gw.demo.service import STAND_INS, Listener

log = Logger()


def main(name: str, port: int | None = None, interface: str = "") -> None:
    """Serve until SIGTERM or SIGINT, then exit 0.

    `port` None is the service's port in the default table, 0 a free one; `interface` ""
    is all of them. An unknown name, or a port in use, is said on standard error; exit 2.
    """
    if name not in STAND_INS:
        _wrong_usage(f"unknown stand-in {name!r}; there are {', '.join(STAND_INS)}")
    _log_to_standard_output()
    wanted = STAND_INS[name][1] if port is None else port
    react(_serve, (name, wanted, interface))


def _log_to_standard_output() -> None:
    """Our own lines and what goes wrong; not each port that opens and closes."""
    write = textFileLogObserver(sys.stdout)

    def observe(event: LogEvent) -> None:
        if event["log_namespace"] == __name__ or event["log_level"] >= LogLevel.warn:
            write(event)

    observers = [cast(ILogObserver, observe)]
    globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)


def _serve(reactor: Any, name: str, port: int, interface: str) -> Deferred[None]:
    listener = Listener(name, reactor)
    try:
        listening = reactor.listenTCP(port, listener, interface=interface)
    except CannotListenError as error:
        _wrong_usage(f"stand-in {name} cannot listen on port {port}: {error.socketError}")
    host = interface or "0.0.0.0"
    url = f"http://{host}:{listening.getHost().port}"
    log.info("stand-in {name} is ready at {url}", name=name, url=url)
    reactor.addSystemEventTrigger("before", "shutdown", listening.stopListening)
    reactor.addSystemEventTrigger("before", "shutdown", listener.abort_connections)
    # Never fires: react() runs until a signal stops the reactor.
    return Deferred()


def _wrong_usage(message: str) -> NoReturn:
    sys.stderr.write(f"daarion-gw: {message}\n")
    raise SystemExit(2)

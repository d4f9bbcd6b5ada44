"""``twistd daarion-gw``: options to a service."""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.logger import Logger
from twisted.python import usage

from daarion_gw.admin.described import table
from daarion_gw.config.defaults import variable
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems
from daarion_gw.config.settings import Settings
from daarion_gw.front.checking import tell_verdict
from daarion_gw.front.loading import Loading
from daarion_gw.net.reactor import install_if_free

if TYPE_CHECKING:
    from daarion_gw.upgrade import Heir, Started

WRONG_USAGE = 2
MOST_WORKERS = 256


class Options(usage.Options):
    """What ``twistd -n daarion-gw`` takes. Whatever is wrong is said before anything listens."""

    synopsis = "[options]"
    longdesc = (
        "The single point of entry of a microservice stack: HTTP and WebSocket gateway. "
        "Without --config it reads ./gateway.yaml, then /etc/daarion-gw/gateway.yaml, and "
        "without either it serves the default table. More for the operator: "
        "daarion-gw check, routes, reload, upgrade, certs dev; see daarion-gw --help."
    )
    optParameters = (
        ("config", "c", None, "The configuration file."),
        ("port", "p", None, "Listen on this TCP port: short for --listen tcp:PORT."),
        ("admin", None, None, "Endpoint of the admin listener, or off. "
                              "[default: tcp:9901:interface=127.0.0.1]"),
        ("workers", "w", "1", "How many processes serve: a number, or auto for one on "
                              "each processor."),
    )  # fmt: skip
    optFlags = (
        ("demo", None, "Run stand-ins for all services inside this process."),
        ("check", None, "Only check the configuration: exit 0 if it is fine, else 1."),
    )

    def __init__(self) -> None:
        super().__init__()
        self.environ = dict(os.environ)
        self["listen"] = []
        # As it was before twistd has gone elsewhere.
        self.folder = Path.cwd()
        self.count_of_words = 0

    def opt_listen(self, description: str) -> None:
        """Listen on this Twisted server endpoint; may be given again. [default: tcp:8080]"""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_version(self) -> None:
        """Print the gateway's version and exit."""
        from daarion_gw import __version__

        print(f"daarion-gw {__version__}")
        raise SystemExit(0)

    def parseArgs(self, *words: str) -> None:
        """Nothing but flags is taken."""
        if words:
            raise usage.UsageError(f"{words[0]!r} is no flag of daarion-gw")

    def parseOptions(self, options: Any = None) -> None:
        """Like Twisted's, but that wrong usage exits with 2."""
        if options is not None:
            self.count_of_words = len(options)
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            _give_up(f"{error}\nTry: twistd daarion-gw --help")

    def postOptions(self) -> None:
        """Load the configuration, so that a mistake in it is told before anything listens."""
        if self["port"] is not None:
            port = self["port"]
            if not port.isdigit() or not 0 <= int(port) <= 65535:
                raise usage.UsageError(f"--port takes a number from 0 to 65535, not {port!r}")
            self["listen"].insert(0, f"tcp:{port}")
        self["count"] = _count(self["workers"])
        self.environ = dict(os.environ)
        self["load"] = Loading(self["config"], self.environ, Path.cwd())
        try:
            self["settings"] = self["load"]()
        except ConfigurationError as error:
            sys.stderr.write(render_problems(error))
            raise SystemExit(1 if self["check"] else WRONG_USAGE) from None
        if self["check"]:
            settings = self["settings"]
            listen = self["listen"] or settings.gateway.listen
            raise SystemExit(tell_verdict(settings, listen, sys.stdout.write, sys.stderr.write))
        # twistd's own --reactor has been obeyed by now, and no other is in place yet.
        install_if_free()

    def use_stand_ins(self, urls: dict[str, str]) -> Settings:
        """The settings anew, with the default upstreams at ``urls`` (by upstream name)."""
        self.environ.update({variable(name): url for name, url in urls.items()})
        self["settings"] = self["load"]()
        settings: Settings = self["settings"]
        return settings


def _count(workers: str) -> int:
    if workers == "auto":
        return len(os.sched_getaffinity(0))
    if workers.isascii() and workers.isdigit() and 1 <= int(workers) <= MOST_WORKERS:
        return int(workers)
    raise usage.UsageError(
        f"--workers {workers}: a number from 1 to {MOST_WORKERS} or auto is expected"
    )


def _give_up(sentence: str, status: int = WRONG_USAGE) -> None:
    sys.stderr.write(f"daarion-gw: {sentence}\n")
    raise SystemExit(status)


def makeService(options: Options) -> Service:
    """The service that twistd runs. The reactor is chosen by now."""
    from twisted.internet import reactor

    from daarion_gw.front.listeners import ListenError
    from daarion_gw.tls.acme.readiness import check_readiness
    from daarion_gw.tls.acme.renewals import Renewals

    # At once, though it may never be asked for: by then there may be other code in its place.
    from daarion_gw.upgrade import Heir, Started

    try:
        heir = Heir.find(os.environ)
    except ListenError as error:
        _give_up(str(error))
    started = Started(sys.orig_argv, options.count_of_words, options.folder, options.parent)
    companions: list[Service] = []
    if options["demo"]:
        from daarion_gw.demo.service import DemoService

        demo = DemoService(reactor)
        options.use_stand_ins(demo.listen())
        companions.append(demo)
    settings: Settings = options["settings"]
    given: dict[str, Any] = {
        "listen": options["listen"] or settings.gateway.listen,
        "admin": _admin(options["admin"], settings),
        "load": options["load"],
        "has_changed": options["load"].has_changed,
        "companions": companions,
        "heritage": heir.heritage if heir is not None else None,
    }
    gateway: Any
    companions.append(Renewals(reactor, lambda: gateway.settings.tls.acme, given["listen"]))
    try:
        if settings.tls.acme is not None:
            check_readiness(settings.tls.acme, given["listen"])
        # What a master does without, and a gateway without workers, is not loaded.
        if options["count"] == 1:
            from daarion_gw.service import Gateway

            gateway = Gateway(reactor, settings, **given)
        else:
            from daarion_gw.workers.master import Master

            give_up = partial(_stop_with, reactor, 1)
            gateway = Master(reactor, settings, options["count"], give_up=give_up, **given)
    except (ListenError, OSError) as error:
        _give_up(str(error))
    except ConfigurationError as error:
        sys.stderr.write(render_problems(error))
        raise SystemExit(WRONG_USAGE) from None
    if heir is not None:
        heir.heritage.close()
    return _Told(gateway, reactor, started, heir)


def _stop_with(reactor: Any, status: int) -> None:
    """Stop the reactor, and see that the process ends with ``status``, which twistd gives no way
    to.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    atexit.register(leave)
    reactor.callWhenRunning(reactor.stop)


def _admin(given: str | None, settings: Settings) -> str | None:
    if given is None:
        return settings.gateway.admin
    return None if given == "off" else given


class _Told(Service):
    """The gateway as a process: listeners that cannot be had, and signals."""

    _log = Logger()

    def __init__(self, gateway: Any, reactor: Any, started: "Started", heir: "Heir | None") -> None:
        from daarion_gw.net.systemd import Systemd
        from daarion_gw.upgrade import Upgrade

        self._gateway = gateway
        self._reactor = reactor
        self._started = started
        self._heir = heir
        self._is_stopping = False
        self._is_serving = False
        # Those under way that systemd was told of.
        self._reloads = 0
        self._systemd = Systemd(reactor)
        self._upgrade = Upgrade(reactor, gateway, started, self._systemd, self._leave)
        gateway.when_serving = self._serves
        gateway.reloads.when_begun = self._tell_that_it_reloads
        gateway.reloads.when_over = self._tell_that_it_has_reloaded

    def privilegedStartService(self) -> None:
        from daarion_gw.front.listeners import ListenError
        from daarion_gw.net.activation import activated

        super().privilegedStartService()
        try:
            self._gateway.privilegedStartService()
        except ListenError as error:
            _give_up(str(error), error.status)
        if self._heir is not None:
            self._heir.hold_back(self._gateway.ports)
        for place in activated().left():
            self._log.warn(
                "systemd listens on {place} for this gateway, which has no listener there: who "
                "connects waits for nobody; name it under listen:, or take it out of the socket "
                "unit",
                place=place,
            )

    def startService(self) -> None:
        super().startService()
        # Twisted's own handlers are set when the reactor starts; ours come after them. A
        # process that was told to stop and has drained exits with 0, not by the signal.
        self._reactor.callWhenRunning(self._take_signals)
        # Nobody else takes this one: before it is taken, it ends the process.
        self._on(signal.SIGHUP, self._gateway.reload)
        self._gateway.startService()

    def _take_signals(self) -> None:
        self._on(signal.SIGTERM, self._stop)
        self._on(signal.SIGINT, self._stop)
        self._on(signal.SIGUSR2, self._begin_upgrade)

    def _serves(self) -> None:
        # Whoever is told so may send signals from then on.
        self._reactor.callWhenRunning(self._tell_that_it_serves)

    def _tell_that_it_serves(self) -> None:
        self._is_serving = True
        if self._heir is not None:
            self._heir.serve(self._reactor, self._gateway, self._started, self._systemd)
        else:
            self._systemd.serves(self._how_it_is)

    @property
    def _how_it_is(self) -> str:
        """In a line, for "systemctl status"."""
        problems = self._gateway.reloads.problems
        serving = table(self._gateway.settings)
        return f"{serving}; not reloaded: {problems}" if problems else serving

    def _tell_that_it_reloads(self) -> None:
        # READY of one that is starting yet would be taken for the end of its start.
        if self._is_serving and not self._is_stopping:
            self._reloads += 1
            self._systemd.reloads()

    def _tell_that_it_has_reloaded(self) -> None:
        # Several workers take their time, in which another may begin.
        if self._reloads:
            self._reloads -= 1
            if not self._reloads and not self._is_stopping:
                self._systemd.has_reloaded(self._how_it_is)

    def _begin_upgrade(self) -> None:
        if self._is_stopping or not self._is_serving:
            self._upgrade.refuse("it is stopping" if self._is_stopping else "it is starting yet")
        else:
            self._upgrade.begin()

    def _stop(self) -> None:
        """Stop when all is done; asked a second time, at once."""
        if self._is_stopping:
            self._gateway.cut()
        else:
            self._systemd.stops()
            self._upgrade.abandon()
            self._leave()

    def _leave(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._reactor.stop()

    def _on(self, number: int, call: Callable[[], Any]) -> None:
        def told(_number: int, _frame: Any) -> None:
            self._reactor.callFromThread(call)

        signal.signal(number, told)

    def stopService(self) -> Any:
        super().stopService()
        return self._gateway.stopService()

"""The master: it binds the sockets, starts workers and starts them anew, and adds them up.

No byte of a client's passes through it, and nothing of the data path is loaded into it. What it
says to its workers it says when it is told to reload or to stop, or is asked for numbers.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from daarion_gw import __version__
from daarion_gw.admin.described import Reloads, Upgrades, table, told_by
from daarion_gw.admin.site import Workers
from daarion_gw.admin.site import site as admin_site
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems
from daarion_gw.config.settings import Settings
from daarion_gw.front.admission import most_of, told_of
from daarion_gw.front.listeners import ADMIN, address_of, open_port
from daarion_gw.front.sockets import Heritage, Ports, open_or_take
from daarion_gw.net.pause import Pause
from daarion_gw.observe.access_log import AccessLog
from daarion_gw.tls.store import Plan
from daarion_gw.tls.tickets import TICKET_KEYS
from daarion_gw.tls.watch import Watch

from .ancestor import Ancestor
from .crewman import Crewman, Stage
from .sockets import Unserved, bind_or_take, check_shared
from .sums import Sums
from .turns import Table

# Seconds until the next one, when workers end soon after their start, again and again.
DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
# One that has served for so long has not ended of its start.
STEADY = 30.0
# How much longer than its exchanges a worker may take to end.
GRACE = 5.0
# And how long one that is killed may take to be gone.
GONE = 1.0


class Master(Service):
    """All that one gateway with several workers is, but the data path.

    give_up: called when no worker can be started at all. has_changed: asked once a second
    whether the file says something else by now, where `reload_on_change` is on. heritage: of the
    master whose place it takes. ``when_serving`` is called when all workers have begun.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        count: int,
        listen: Sequence[str],
        admin: str | None,
        load: Callable[[], Settings],
        give_up: Callable[[], None],
        companions: Sequence[Service] = (),
        has_changed: Callable[[], bool] | None = None,
        heritage: Heritage | None = None,
    ) -> None:
        self._reactor = reactor
        self.settings = settings
        self._load = load
        self._has_changed = has_changed
        self.reloads = Reloads()
        self._looking = LoopingCall(self._each_second)
        self._looking.clock = reactor
        self._give_up = give_up
        self._companions = companions
        self._folder = str(Path.cwd())
        heritage = heritage or Heritage()
        self._listen = [(text, bind_or_take(reactor, heritage.listeners, text)) for text in listen]
        self._admin: tuple[str, Any] | None = None
        if admin is not None:
            self._admin = admin, open_or_take(reactor, heritage.admin, admin)
        _check_log(settings)
        self.ports = Ports()
        self.upgrades = Upgrades()
        self.when_serving: Callable[[], None] = _nothing
        self.instance = heritage.instance or os.urandom(4).hex().encode()
        self._secret = os.urandom(32).hex()
        self._delay = Pause(reactor)
        self._is_handed_over = False
        self._table = Table.create(count)
        self._ancestor = Ancestor(reactor)
        self._crew: list[Crewman | None] = [None] * count
        # How often in a row the worker in each place has ended soon.
        self._falls = [0] * count
        self._is_stopping = False
        # Whether any worker has served; whether all of them have, at the same time.
        self._has_served = False
        self._is_up = False
        self._sums = Sums(reactor, self._crew, lambda: self.settings)
        self._certificates = self._watch(settings)

    def _watch(self, settings: Settings) -> Watch:
        """What all workers have, each for itself; raises `ConfigurationError`."""
        counters = self._sums.total
        watch = Watch(settings.tls, settings.source, counters, self._log.info, self._log.warn)
        watch.give(self._listen if self._admin is None else [*self._listen, self._admin])
        return watch

    # running

    def privilegedStartService(self) -> None:
        """Bind every listener; raises `ListenError` when one cannot be had."""
        super().privilegedStartService()
        for text, place in self._listen:
            port = open_port(text, place, Unserved())
            check_shared(text, port)
            self.ports.listeners.append((text, port))
            self._say_where("listening on", text, port)
        if self._admin is not None:
            text, place = self._admin
            workers = Workers(self._sums.refresh, self._sums.pids)
            site = admin_site(self._sums.total, self._describe, workers)
            port = open_port(text, place, site, ADMIN)
            self.ports.admin.append((text, port))
            self._say_where("admin on", text, port)

    def _say_where(self, what: str, text: str, port: Any) -> None:
        self._log.info("{what} {text} ({address})", what=what, text=text, address=address_of(port))

    def _describe(self) -> dict[str, Any]:
        listeners = [text for text, _ in self._listen]
        admin = self._admin[0] if self._admin is not None else None
        shown = self._sums.describe(listeners, admin, self._is_stopping)
        told = {"reload": self.reloads.shown(), "upgrades": self.upgrades.shown()}
        told["certificates"] = self._certificates.described()
        return {**shown, **told, **told_by(self._companions)}

    def startService(self) -> None:
        """Start all workers at once. By now this process is whom twistd was told to be."""
        super().startService()
        for companion in self._companions:
            companion.startService()
        self._certificates.tell()
        most = told_of(most_of(self.settings.gateway.limits, len(self._crew)))
        self._log.info("{most} connections of clients in each worker", most=most)
        for place in range(len(self._crew)):
            self._start(place)
        self._looking.start(1.0, now=False)

    def _start(self, place: int) -> None:
        if self._is_stopping:
            return
        number = place + 1
        period, secret = TICKET_KEYS.state
        first = {
            "do": "begin",
            "number": number,
            "of": len(self._crew),
            "folder": self._folder,
            "reactor": type(self._reactor).__module__,
            "settings": self.settings.model_dump_json(),
            "listen": [text for text, _ in self._listen],
            "instance": self.instance.decode(),
            "ticket_keys": [period, secret.hex()],
            "secret": self._secret,
        }
        files = [port.fileno() for _, port in self.ports.listeners]
        try:
            self._crew[place] = Crewman(
                self._reactor, self._ancestor, number, self._table.file, files, first,
                self._ready, self._ended,
            )  # fmt: skip
        except OSError as error:
            # No process or no descriptor to be had now.
            self._fell(place, f"worker {number} could not be started: {error}", 0.0)

    def _ready(self, worker: Crewman) -> None:
        self._has_served = True
        serving = sum(each is not None and each.stage is Stage.SERVING for each in self._crew)
        if self._is_up:
            self._log.info("worker {number} (pid {pid}) serves", number=worker.number,
                           pid=worker.pid)  # fmt: skip
        elif serving == len(self._crew):
            self._is_up = True
            self._log.info("daarion-gw {version}: {table}, {count} workers (pids {pids})",
                           version=__version__, table=table(self.settings), count=serving,
                           pids=" ".join(str(pid) for pid in self._sums.pids()))  # fmt: skip
            self.when_serving()

    def _ended(self, worker: Crewman, how: str) -> None:
        place = worker.number - 1
        self._table.leave(place)
        self._crew[place] = None
        self._sums.bury(worker)
        if self._is_stopping:
            return
        lived = self._reactor.seconds() - worker.since
        if worker.failure is not None:
            what = f"worker {worker.number} could not start: {worker.failure}"
        else:
            what = f"worker {worker.number} (pid {worker.pid}) {how} after {lived:.0f} s"
        self._fell(place, what, lived)

    def _fell(self, place: int, what: str, lived: float) -> None:
        """There is no worker in this place any more: start another, or give up."""
        if not self._has_served and not any(self._crew):
            self._log.error("{what}; none is left, and none has served", what=what)
            self._is_stopping = True
            self._give_up()
            return
        if lived >= STEADY:
            self._falls[place] = 0
        # As long as none has served, it is probably not the worker's fault.
        least = 0 if self._has_served else 1
        delay = DELAYS[min(max(least, self._falls[place]), len(DELAYS) - 1)]
        self._falls[place] += 1
        self._sums.total.worker_ends += 1
        when = f"in {delay:g} s" if delay else "at once"
        self._log.error("{what}; the next one starts {when}", what=what, when=when)
        self._reactor.callLater(delay, self._start, place)

    # reload

    def _each_second(self) -> None:
        try:
            self._certificates.look()
        except Exception:
            self._log.failure("looking at certificates failed")
        self._look_for_change()

    def _look_for_change(self) -> None:
        look = self._has_changed if self.settings.gateway.reload_on_change else None
        if look is not None and look():
            self._log.info("the configuration has changed")
            self.reload()

    def reload(self) -> None:
        """SIGHUP: read the file again, once for all. One that does not load changes nothing."""
        self.reloads.begin()
        try:
            settings = self._load()
            plan = self._certificates.plan(settings.tls, settings.source)
            if settings.gateway.access_log != self.settings.gateway.access_log:
                _check_log(settings)
        except ConfigurationError as error:
            problems = render_problems(error).rstrip()
            self._log.error("not reloaded, the old configuration stays:\n{problems}",
                            problems=problems)  # fmt: skip
            self._refuse(problems)
            return
        except OSError as error:
            self._log.error("not reloaded, the old configuration stays: {error}", error=error)
            self._refuse(str(error))
            return
        old, self.settings = self.settings, settings
        if _places(settings) != _places(old):
            self._log.warn("changed listeners take effect when the gateway is started anew")
        Deferred.fromCoroutine(self._hand_out(settings, old, plan))

    def _refuse(self, problems: str) -> None:
        """All goes on as it is, in a new file of the log."""
        self._tell_all({"do": "reopen"})
        self.reloads.note(problems)

    async def _hand_out(self, settings: Settings, old: Settings, plan: Plan) -> None:
        """Let all workers go on with ``settings``, or all of them with ``old``."""
        refused = await self._order(settings)
        if not refused:
            self._certificates.take(plan)
            self._log.info("reloaded: {table}", table=table(settings))
        elif self.settings is settings:
            # Those that took it give it back; unless another reload has come by now.
            self.settings = old
            await self._order(old)
        problems = "\n".join(refused)
        if refused:
            self._log.error("not reloaded, the old configuration stays: {why}", why=problems)
        self.reloads.note(problems)

    async def _order(self, settings: Settings) -> list[str]:
        """Give all workers ``settings``; who could not take them, and why."""
        order = {"do": "reload", "settings": settings.model_dump_json()}
        told = [worker for worker in self._crew if worker is not None]
        answers: Any = await DeferredList([worker.ask(order) for worker in told])
        # One that has ended meanwhile is followed by one that begins with what all have.
        return [
            f"worker {worker.number}: {answer['why']}"
            for worker, (_, answer) in zip(told, answers, strict=True)
            if answer is not None and not answer["is_done"]
        ]

    def _tell_all(self, message: dict[str, Any]) -> None:
        for worker in self._crew:
            if worker is not None:
                worker.send(message)

    # stopping

    def hand_over(self) -> None:
        """Another master has the listeners: there is nobody who must notice that this one ends."""
        self.ports.let_go()
        self._is_handed_over = True
        self._delay.end()

    def stopService(self) -> Deferred[None]:
        """SIGTERM: fires when the last worker has ended."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._is_stopping = True
        if self._looking.running:
            self._looking.stop()
        left = [worker for worker in self._crew if worker is not None]
        for worker in left:
            worker.drain(self._is_handed_over)
        # As long as they accept, the file of a UNIX listener must be there.
        await self._delay.last(self.settings.gateway.drain_delay)
        closing = self.ports.stop()
        late = self._reactor.callLater(
            self.settings.gateway.drain_timeout + GRACE, self._kill_all, "did not end in time"
        )
        await DeferredList([worker.gone for worker in left])
        self._ancestor.close()
        if late.active():
            late.cancel()
        await DeferredList(closing)
        for companion in self._companions:
            stopping = companion.stopService()
            if isinstance(stopping, Deferred):
                await stopping

    def cut(self) -> None:
        """Wait for nobody any more: end at once what is still there."""
        for worker in self._crew:
            if worker is not None:
                worker.cut()
        self._delay.end()
        self._reactor.callLater(GRACE, self._kill_all, "did not end when it was told to")

    def _kill_all(self, why: str) -> None:
        for worker in self._crew:
            if worker is not None:
                self._log.warn("worker {number} {why}: killed", number=worker.number, why=why)
                worker.kill()
        self._reactor.callLater(GONE, self._insist, why)

    def _insist(self, why: str) -> None:
        """Who neither ends its children nor says that they have ended is stuck itself."""
        if any(self._crew):
            self._ancestor.kill_it()
            self._kill_all(why)


def _places(settings: Settings) -> tuple[object, ...]:
    return settings.gateway.listen, settings.gateway.admin


def _nothing() -> None:
    """Nobody wants to know."""


def _check_log(settings: Settings) -> None:
    """Raise OSError, naming the file, when the access log cannot be written."""
    log = settings.gateway.access_log
    AccessLog(log.format, log.file).close()

"""The composition root: settings in, running services out. It alone knows every part."""

import gc
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.web.server import Site

from daarion_gw import __version__
from daarion_gw.admin.described import Reloads, Upgrades, described, table, told_by
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems
from daarion_gw.config.settings import Server, Settings, Upstream
from daarion_gw.front.admission import told_of
from daarion_gw.front.challenges import new_root
from daarion_gw.front.common import Common, alone
from daarion_gw.front.factory import HTTP1Factory
from daarion_gw.front.health import Health
from daarion_gw.front.listeners import ADMIN, address_of, open_port
from daarion_gw.front.protection import Protection
from daarion_gw.front.proxy_protocol import expect_headers
from daarion_gw.front.reception import Reception
from daarion_gw.front.routing import has_start_page
from daarion_gw.front.sockets import Heritage, Ports, open_or_take
from daarion_gw.front.start_page import StartPage
from daarion_gw.front.start_probe import rows_of, treq_probe
from daarion_gw.front.tree import Root, build_root
from daarion_gw.net.pause import Pause
from daarion_gw.net.sweep import Sweep
from daarion_gw.net.transport import send_at_once
from daarion_gw.observe.access_log import AccessLog
from daarion_gw.tls.watch import Watch
from daarion_gw.upstream.group import Group
from daarion_gw.upstream.member import Member
from daarion_gw.upstream.names import Names
from daarion_gw.upstream.pool import Pool


class Gateway(Service):
    """Everything that runs in one process.

    listen: endpoint strings. load: gives the settings anew for a reload, or raises
    `ConfigurationError`. has_changed: asked once a second whether it would give others, where
    `reload_on_change` is on. mount: puts resources of the user's beside the routes. common: of
    one among several. heritage: of the process whose place it takes. ``when_serving`` is called
    once all listeners are open and it has begun.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        listen: Sequence[str],
        admin: str | None,
        load: Callable[[], Settings] | None = None,
        mount: Callable[[Root], None] | None = None,
        companions: Sequence[Service] = (),
        common: Common | None = None,
        has_changed: Callable[[], bool] | None = None,
        heritage: Heritage | None = None,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        heritage = heritage or Heritage()
        self._take_part(common or alone(reactor, heritage), common is None)
        self._load = load
        self._has_changed = has_changed
        self.reloads = Reloads()
        self._mount = mount
        self._companions = companions
        self._listen = [(text, self._endpoint(text)) for text in listen]
        self._admin: tuple[str, Any] | None = None
        if admin is not None:
            self._admin = admin, open_or_take(reactor, heritage.admin, admin)
        self.certificates = self._watch(settings)
        self.ports = Ports()
        self.upgrades = Upgrades()
        self.when_serving: Callable[[], None] = _nothing
        self._delay = Pause(reactor)
        self._is_cut = False
        self._names = Names(reactor)
        # By upstream and by what a server's connections depend on.
        self._members: dict[tuple[str, Server], Member] = {}
        self._groups: dict[str, Group] = {}
        self._sweep = Sweep(reactor)
        self._access_log = self._open_log(settings)
        root, groups = self._build_root(settings)
        self._serve_by(groups)
        self._site: Any = Site(root, reactor=reactor)
        self.reception = Reception(
            reactor, settings.gateway, root, self.counters, self._access_log, self._sweep,
            self.instance, self._site, self._share,
        )  # fmt: skip
        self._protection = Protection(
            self.reception, self._sweep, settings.gateway.overload, self._share
        )
        self._sweep.every_second(self._each_second)

    def _take_part(self, common: Common, is_alone: bool) -> None:
        """What is in common with others; who is alone speaks for itself."""
        self.instance = common.instance
        self.counters = common.counters
        self._endpoint = common.endpoint
        self._turns = common.turns
        self._secret = common.secret
        self._share = common.share
        quiet = self._log.debug
        self._tell = self._log.info if is_alone else quiet
        self._warn = self._log.warn if is_alone else quiet

    # building

    def _watch(self, settings: Settings) -> Watch:
        """The certificates, given to the listeners; raises `ConfigurationError`."""
        watch = Watch(settings.tls, settings.source, self.counters, self._tell, self._warn)
        watch.give(self._listen if self._admin is None else [*self._listen, self._admin])
        watch.ask(self._listen)
        return watch

    def _open_log(self, settings: Settings) -> AccessLog:
        """The access log; raises OSError, naming the file, when it cannot be written."""
        log = settings.gateway.access_log

        def report(sentence: str) -> None:
            self._log.warn("{sentence}", sentence=sentence)

        return AccessLog(log.format, log.file, report, self._turns)

    def _build_root(self, settings: Settings) -> tuple[Root, dict[str, Group]]:
        """The tree of resources, and the upstreams that it leads to."""
        groups = {name: self._group(upstream) for name, upstream in settings.upstreams.items()}
        root = new_root(settings.tls)
        build_root(root, settings, groups.__getitem__, self.counters, self.instance)
        health: Any = Health(lambda: not self.reception.is_draining)
        root.putChild(b"healthz", health)
        if has_start_page(settings.routes):
            root.putChild(b"", self._start_page(settings))
        if self._mount is not None:
            self._mount(root)
        return root, groups

    def _group(self, upstream: Upstream) -> Group:
        name = upstream.name
        members = [self._member(upstream, each) for each in upstream.servers]
        group = Group(upstream, members, self._secret)
        group.settle(self.counters.upstream(name), self._share, self._groups.get(name))
        return group

    def _serve_by(self, groups: dict[str, Group]) -> None:
        for group in self._groups.values():
            group.retire()
        self._groups = groups
        for group in groups.values():
            group.serve()

    def _member(self, upstream: Upstream, server: Server) -> Member:
        """A server at run time: the same one over a reload, as long as its address is."""
        key = upstream.name, _address(server)
        member = self._members.get(key)
        if member is None:
            counters = self.counters.server(upstream.name, server.label)
            pool = Pool(self.reactor, self._names, self._sweep, server, counters)
            member = self._members[key] = Member(server, pool, upstream)
        return member

    def _start_page(self, settings: Settings) -> Any:
        rows = rows_of(settings)
        return StartPage(lambda: rows, treq_probe(self.reactor), self._is_trusted)

    def _is_trusted(self, request: Any) -> bool:
        return bool(request.channel.origin.trusted)

    # running

    def privilegedStartService(self) -> None:
        """Bind every listener; raises SystemExit with a sentence when one can't be had."""
        super().privilegedStartService()
        factory = HTTP1Factory(self.reception)
        for text, place in self._listen:
            port = self._open(text, place, factory, "listening on")
            send_at_once(port)
            self.ports.listeners.append((text, port))
        expect_headers(self.reception, self.ports.listeners, self.settings.gateway.proxy_protocol)
        self.reception.settle_tls(self.settings.tls, self.ports.listeners)
        if self._admin is not None:
            # It brings prometheus_client, which one without an admin listener does not need.
            from daarion_gw.admin.site import site

            text, place = self._admin
            port = self._open(text, place, site(self.counters, self.describe), "admin on")
            self.ports.admin.append((text, port))

    def _open(self, text: str, place: Any, factory: Any, what: str) -> Any:
        port = open_port(text, place, factory, ADMIN if what == "admin on" else "")
        if what == "listening on":
            self._protection.ports.append(port)
        self._tell("{what} {text} ({address})", what=what, text=text, address=address_of(port))
        return port

    def startService(self) -> None:
        super().startService()
        self._sweep.start()
        self._settle_members(self.settings)
        for companion in self._companions:
            companion.startService()
        # What is there by now stays: a collector that looks through it stops all for 40 ms.
        gc.freeze()
        self.certificates.tell()
        self._tell("{most} connections of clients", most=told_of(self.reception.admission.most))
        self._tell("daarion-gw {version}: {table}", version=__version__, table=table(self.settings))
        self.when_serving()

    def hand_over(self) -> None:
        """Another process has the listeners: there is nobody who must notice that this one ends."""
        self.ports.let_go()
        self._delay.end()

    async def _drain(self) -> None:
        """Stop accepting, let what is under way end, and cut what has not ended in time."""
        self.reception.announce()
        await self._delay.last(self.settings.gateway.drain_delay)
        await gatherResults(self.ports.stop())
        idle: Deferred[None] = Deferred()
        limit = self.settings.gateway.drain_timeout
        late = self.reactor.callLater(limit, self._late, limit)
        self.reception.drain(lambda: idle.callback(None), limit)
        if self._is_cut:
            self.reception.cut_all()
        await idle
        if late.active():
            late.cancel()

    def _late(self, limit: float) -> None:
        self._cut(f"that did not end within {limit:g} s")

    def cut(self) -> None:
        """Wait for nobody any more: end at once what is still there."""
        self._is_cut = True
        self._cut("on a second signal")
        self._delay.end()

    def _cut(self, why: str) -> None:
        left = len(self.reception.connections)
        self._log.warn("cut {left} connections {why}", left=left, why=why)
        self.reception.cut_all()

    async def _stop(self) -> None:
        await self._drain()
        self._sweep.stop()
        for member in self._members.values():
            member.close()
        for companion in self._companions:
            stopping = companion.stopService()
            if isinstance(stopping, Deferred):
                await stopping
        self._access_log.close()

    def stopService(self) -> Deferred[None]:
        """SIGTERM: fires when the last exchange has ended, or its time is over."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def _each_second(self) -> None:
        self._access_log.flush()
        now = self._sweep.now
        for member in self._members.values():
            member.pool.close_idle(now)
            member.tick()
        for group in self._groups.values():
            group.tick()
        self.certificates.look()
        self._look_for_change()

    # reload

    def _look_for_change(self) -> None:
        look = self._has_changed if self.settings.gateway.reload_on_change else None
        if look is not None and look():
            self._tell("the configuration has changed")
            self.reload()

    def reopen_log(self) -> None:
        """Go on with the access log in a new file of its name."""
        self._access_log.reopen()

    def reload(self) -> bool:
        """SIGHUP: read the file again. One that does not load changes nothing."""
        try:
            return self._reload()
        finally:
            # A large file takes long: nobody is to be refused because of that.
            self._sweep.excuse()

    def _reload(self) -> bool:
        self.reopen_log()
        if self._load is None:
            return False
        self.reloads.begin()
        try:
            settings = self._load()
            self._take_over(settings)
        except ConfigurationError as error:
            problems = render_problems(error).rstrip()
            self._log.error("not reloaded, the old configuration stays:\n{problems}",
                            problems=problems)  # fmt: skip
        except OSError as error:
            problems = str(error)
            self._log.error("not reloaded, the old configuration stays: {error}", error=error)
        except Exception:
            # Resources of the user's may fail as they like.
            problems = "the work on it failed; the gateway's log has the traceback"
            self._log.failure("not reloaded, the old configuration stays")
        else:
            self.reloads.note()
            self._tell("reloaded: {table}", table=table(settings))
            return True
        self.reloads.note(problems)
        return False

    def _take_over(self, settings: Settings) -> None:
        """Put ``settings`` in the place of the old ones, all at once.

        Whatever may fail comes first; when it does nothing has changed.
        """
        old = self.settings.gateway
        new = settings.gateway
        log = self._access_log
        plan = self.certificates.plan(settings.tls, settings.source)
        try:
            root, groups = self._build_root(settings)
            if new.access_log != old.access_log:
                log = self._open_log(settings)
        except Exception:
            # Pools were made for servers that nobody will ask.
            self._settle_members(self.settings)
            raise
        self.settings = settings
        self.certificates.take(plan)
        self._serve_by(groups)
        self._site.resource = root
        self.reception.settle(new, log)
        expect_headers(self.reception, self.ports.listeners, new.proxy_protocol)
        self.reception.settle_tls(settings.tls, self.ports.listeners)
        self._protection.settle(new.overload)
        self.reception.lead_by(root)
        if log is not self._access_log:
            self._access_log.close()
            self._access_log = log
        self._settle_members(settings)
        if (new.listen, new.admin) != (old.listen, old.admin):
            self._warn("changed listeners take effect when the gateway is started anew")

    def _settle_members(self, settings: Settings) -> None:
        """Let the servers know what is said about them now, and let go of those that are gone."""
        wanted = {
            (upstream.name, _address(server)): (server, upstream)
            for upstream in settings.upstreams.values()
            for server in upstream.servers
        }
        for key, member in list(self._members.items()):
            said = wanted.get(key)
            if said is None:
                self._members.pop(key).close()
            else:
                member.settle(*said, self.reactor)

    # telling

    def describe(self) -> dict[str, Any]:
        """What is configured, for the admin listener's status."""
        admin = self._admin[0] if self._admin is not None else None
        listeners = [text for text, _ in self._listen]
        shown = described(self.settings, listeners, admin, self.idle, self.upstreams())
        told = {"reload": self.reloads.shown(), "upgrades": self.upgrades.shown()}
        told["certificates"] = self.certificates.described()
        told |= told_by(self._companions)
        return {**shown, "draining": self.reception.is_draining, **told}

    def idle(self, upstream: str, server: Server) -> int:
        """How many connections to a server are kept for the next request."""
        member = self._members.get((upstream, _address(server)))
        return member.pool.idle if member is not None else 0

    def upstreams(self) -> dict[str, Any]:
        """How it stands with each upstream, by its name, as `Group.describe` says it."""
        return {name: group.describe() for name, group in self._groups.items()}


def _nothing() -> None:
    """Nobody wants to know."""


def _address(server: Server) -> Server:
    """What a server's connections depend on, which its weight and the like are no part of."""
    return server.model_copy(update={"weight": 1, "drain": False})

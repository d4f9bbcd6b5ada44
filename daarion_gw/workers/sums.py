"""The workers' numbers added up, for the admin listener of their master."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from daarion_gw.admin.described import described, together
from daarion_gw.config.settings import Server, Settings
from daarion_gw.observe.counters import Counters
from daarion_gw.observe.sums import add, taken

from .crewman import Crewman, Stage

# Seconds that a worker has to answer; after that what it said before is taken.
PATIENCE = 2.0


class Sums:
    """``total`` is as of the last `refresh`; what a worker counted does not end with it."""

    def __init__(
        self, reactor: Any, crew: Sequence[Crewman | None], settings: Callable[[], Settings]
    ) -> None:
        self.total = Counters()
        self.total.workers = 0
        self._reactor = reactor
        self._places = crew
        self._settings = settings
        self._gone = Counters()
        self._waiting: list[Deferred[None]] = []

    def _crew(self) -> list[Crewman]:
        return [worker for worker in self._places if worker is not None]

    def pids(self) -> list[int]:
        """Of the workers that there are."""
        return [worker.pid for worker in self._crew()]

    def bury(self, worker: Crewman) -> None:
        """Keep what a worker that has ended said last."""
        if worker.last is not None:
            add(self._gone, worker.last["counters"], is_gone=True)

    def refresh(self) -> Deferred[None]:
        """Ask all workers; who asks meanwhile waits for the same answers."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            Deferred.fromCoroutine(self._ask())
        return waiting

    async def _ask(self) -> None:
        asked = [worker.ask({"do": "tell"}) for worker in self._crew()]
        everything: Any = DeferredList(asked, consumeErrors=True)
        late = self._reactor.callLater(PATIENCE, everything.cancel)
        await everything
        if late.active():
            late.cancel()
        self._add_up()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def _add_up(self) -> None:
        total = self.total
        total.clear()
        settings = self._settings()
        for route in settings.routes:
            total.route(route.key, route.upstream)
            for server in settings.upstreams[route.upstream].servers:
                total.server(route.upstream, server.label)
        add(total, taken(self._gone))
        total.workers = sum(worker.stage is Stage.SERVING for worker in self._crew())
        for worker in self._crew():
            if worker.last is not None:
                add(total, worker.last["counters"])

    # /status

    def describe(self, listeners: list[str], admin: str | None, draining: bool) -> dict[str, Any]:
        """What is configured, and a row for each worker."""
        idle: dict[tuple[str, str], int] = {}
        for worker in self._crew():
            for upstream, server, count in worker.last["idle"] if worker.last else ():
                idle[upstream, server] = idle.get((upstream, server), 0) + count

        def sum_of(upstream: str, server: Server) -> int:
            return idle.get((upstream, server.label), 0)

        told = [worker.last["upstreams"] for worker in self._crew() if worker.last]
        shown = described(self._settings(), listeners, admin, sum_of, together(told))
        rows = [self._row(worker) for worker in self._crew()]
        return {**shown, "draining": draining, "workers": rows}

    def _row(self, worker: Crewman) -> dict[str, Any]:
        numbers = worker.last["counters"] if worker.last else {"front": {}, "routes": []}
        return {
            "worker": worker.number,
            "pid": worker.pid,
            "stage": worker.stage.value,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(worker.started)),
            "connections": {
                "accepted": numbers["front"].get("connections_accepted", 0),
                "open": numbers["front"].get("connections_open", 0),
            },
            "requests": sum(each.get("requests", 0) for _, _, each in numbers["routes"]),
        }

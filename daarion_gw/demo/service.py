"""All stand-ins inside the gateway's own process, for `--demo`. Knows nothing of the gateway."""

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service as ApplicationService
from twisted.internet.defer import Deferred, DeferredList
from twisted.protocols.policies import WrappingFactory
from twisted.web.server import Site

from daarion_gw.demo.answers import Service
from daarion_gw.demo.boards import grafana, prometheus
from daarion_gw.demo.matrix_homeserver import matrix_homeserver
from daarion_gw.demo.microdao_api import microdao_api
from daarion_gw.demo.microdao_ws import microdao_ws
from daarion_gw.demo.text_services import notification_service, rag_service

# Upstream name: what builds it, and its port in the default routing table.
STAND_INS: dict[str, tuple[Callable[[Any], Service], int]] = {
    "microdao-api": (microdao_api, 8000),
    "microdao-ws": (microdao_ws, 8001),
    "matrix-homeserver": (matrix_homeserver, 8008),
    "grafana": (grafana, 3000),
    "prometheus": (prometheus, 9090),
    "rag-service": (rag_service, 8081),
    "notification-service": (notification_service, 8082),
}


class _QuietSite(Site):
    """A site that writes no access log: the gateway in front of it has one."""

    noisy = False

    def log(self, request: object) -> None:
        pass


class Listener(WrappingFactory):
    """One stand-in's factory; it knows its connections, so that it can end them."""

    noisy = False

    def __init__(self, name: str, reactor: Any) -> None:
        build, _port = STAND_INS[name]
        super().__init__(_QuietSite(build(reactor), reactor=reactor))

    def abort_connections(self) -> None:
        """Cut every open connection, streams and WebSockets included."""
        for protocol in list(self.protocols):
            protocol.transport.abortConnection()


class DemoService(ApplicationService):
    """The stand-ins of the whole default table, each on a free port of 127.0.0.1."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._listening: list[tuple[Any, Listener]] = []

    def listen(self) -> dict[str, str]:
        """Bind them all now; {upstream name: "http://127.0.0.1:PORT"}."""
        urls = {}
        for name in STAND_INS:
            listener = Listener(name, self._reactor)
            port = self._reactor.listenTCP(0, listener, interface="127.0.0.1")
            self._listening.append((port, listener))
            urls[name] = f"http://127.0.0.1:{port.getHost().port}"
        return urls

    def stopService(self) -> Deferred[Any]:
        """Stop listening and cut what is open; fires when the ports are free again."""
        super().stopService()
        listening, self._listening = self._listening, []
        closed = [Deferred.fromCoroutine(_close(*entry)) for entry in listening]
        return DeferredList(closed, consumeErrors=True)


async def _close(port: Any, listener: Listener) -> None:
    stopped = port.stopListening()
    listener.abort_connections()
    if stopped is not None:
        await stopped

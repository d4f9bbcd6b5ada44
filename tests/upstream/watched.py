"""A gateway whose upstream "app" has several servers, with what it tells about them."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.message import Message, get
from tests.support.origin import Origin
from tests.support.service import Service
from tests.workers.crew import Crew

UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Watched(Crew):
    """The route /x/ leads to the upstream. said: more of its keys, a line each."""

    def __init__(
        self,
        folder: Path,
        services: Sequence[Service | str],
        said: str,
        workers: str = "",
        route: str = "",
    ) -> None:
        self._services = services
        self._route = route
        text = self._configuration(services, said)
        if workers:
            super().__init__(folder, text, workers=workers)
        else:
            self._start_alone(folder, text)

    def _start_alone(self, folder: Path, text: str) -> None:
        command = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, "--listen", ANYWHERE)
        GatewayProcess.__init__(self, folder, text, command=command)

    def _configuration(self, services: Sequence[Service | str], said: str) -> str:
        servers = ", ".join(
            f'"{each.url}"' if isinstance(each, Service) else each for each in services
        )
        lines = "".join(f"    {line}\n" for line in said.splitlines())
        return (
            "gateway: {access_log: {format: json, file: access.log}}\n"
            f"routes: {{/x/: {{to: app{self._route}}}}}\n"
            f"upstreams:\n  app:\n    servers: [{servers}]\n{lines}"
        )

    def rewrite(self, said: str, services: Sequence[Service | str] | None = None) -> None:
        """Say something else about the upstream, and have it read."""
        self.file.write_text(self._configuration(services or self._services, said))
        self.reload()

    def ask(self, target: str, *lines: str) -> Message:
        """An exchange on a connection of its own."""
        client = self.connect()
        try:
            return client.ask(get(target, *lines))
        finally:
            client.close()

    def opens_websocket(self, origin: Origin) -> bool:
        """Whether a WebSocket comes through; it stays open."""
        client = self.connect()
        client.send(get("/x/ws", *UPGRADE))
        if not client.says_nothing(0.2):
            return client.answer().status == 101
        far = origin.accept()
        far.request()
        far.send(AGREED)
        return client.answer().status == 101

    # what it tells

    @property
    def states(self) -> list[str]:
        """Of the servers, in order."""
        servers = self.status()["upstreams"]["app"]["servers"]
        return [shown["state"] for shown in servers.values()]

    @property
    def breaker(self) -> str:
        return self.status()["upstreams"]["app"]["breaker"]["state"]

    def number(self, name: str, *labels: str) -> float | None:
        """The sum of a metric's samples with these values among their labels."""
        found = [
            value
            for (sample, *rest), value in self.numbers().items()
            if sample == name and set(labels) <= set(rest)
        ]
        return sum(found) if found else None

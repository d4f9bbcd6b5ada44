"""WebSockets: echoes of two sizes. Load and origin are compiled (native/)."""

from bench import native
from bench.peers import Ground
from bench.processes import Running
from bench.works import Effort, Work

PATH = "/ws/echo"


class Echo(Work):
    """Messages there and back. The client compares every byte of every echo; the origin agrees to
    no handshake without the fields that a proxy adds.
    """

    unit = "µs"

    def __init__(self, name: str, size: int, connections: int) -> None:
        self.name = name
        self._size = size
        self._connections = connections

    def obstacle(self, ground: Ground) -> str:
        """The origin of WebSockets is compiled: without a compiler there is none."""
        return ground.origin.without_echo

    def check(self, proxy: Running, ground: Ground) -> None:
        """A fifth of a second of it."""
        self._load(proxy, ground, 0.2)

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Per message there and back; the handshakes, one for some thousand messages, are in it."""
        before = proxy.processor_seconds()
        messages = self._load(proxy, ground, effort.seconds)
        return ((proxy.processor_seconds() - before) / messages,)

    def _load(self, proxy: Running, ground: Ground, seconds: float) -> float:
        program = ground.builder.build("echo_load")
        load = (proxy.port, PATH, self._connections, self._size, seconds)
        return native.run(program, *load)["messages"]

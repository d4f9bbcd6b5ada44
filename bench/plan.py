"""What every proxy is asked to do in a run. Knows no proxy and starts nothing."""

from dataclasses import dataclass
from pathlib import Path

# In the folder of its proxy, which is where each proxy is started.
ACCESS_LOG = "access.log"
GATEWAY_TLS = "daarion-tls:{port}:interface={host}:privateKey={key}:certKey={cert}"
TWISTED_TLS = "ssl:{port}:interface={host}:privateKey={key}:certKey={cert}"

ANSWER_FIELDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


@dataclass(frozen=True)
class Certificate:
    """Files in PEM form; `both` holds the certificate and then the key."""

    cert: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Plan:
    """Ports on loopback: where a proxy listens, and what stands behind it.

    Routes, all stripped: `/bench/` to the origin, `/sink/` to the sink, `/ws/` to the echo,
    `/many/` to all of `servers` in turn, and `/r0/` … to the origin, as many as `routes` says.
    """

    port: int
    origin: int
    sink: int
    echo: int
    servers: tuple[int, ...] = ()
    routes: int = 0
    tls_port: int = 0
    certificate: Certificate | None = None
    gateway_tls: str = GATEWAY_TLS

    def prefixes(self) -> list[tuple[str, str]]:
        """(prefix, name of what stands behind it): `origin`, `sink`, `echo` or `many`."""
        found = [("/bench/", "origin"), ("/sink/", "sink"), ("/ws/", "echo")]
        if self.servers:
            found.append(("/many/", "many"))
        return found + [(f"/r{number}/", "origin") for number in range(self.routes)]

    def behind(self) -> dict[str, tuple[int, ...]]:
        """Ports by name."""
        found = {"origin": (self.origin,), "sink": (self.sink,), "echo": (self.echo,)}
        return found | ({"many": self.servers} if self.servers else {})

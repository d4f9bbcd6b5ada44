"""A gateway behind a balancer that speaks the PROXY protocol; another loopback address plays it."""

import socket
import ssl

from tests.support.admin_pages import AdminPages
from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.stream import Client

# Whose headers are believed, and one of nobody's.
BALANCER, OTHER = "127.0.0.2", "127.0.0.1"
REAL = "203.0.113.9"
LINE = f"PROXY TCP4 {REAL} 198.51.100.1 40000 443\r\n".encode()


def line(address: str) -> bytes:
    return f"PROXY TCP4 {address} 198.51.100.1 40000 443\r\n".encode()


class Behind(AdminPages, GatewayProcess):
    """It has an admin listener, and clients come from where a test wants."""

    def connect_from(self, address: str, header: bytes = b"", index: int = 0) -> Client:
        sock = socket.create_connection(
            ("127.0.0.1", self.ports[index]), source_address=(address, 0)
        )
        client = self._kept(sock)
        client.send(header)
        return client

    def introduced(self, header: bytes = LINE, index: int = 0) -> Client:
        """A connection of the balancer's that begins with ``header``."""
        return self.connect_from(BALANCER, header, index)

    def introduced_tls(
        self, header: bytes, index: int, context: ssl.SSLContext, name: str
    ) -> Client:
        """The same, with TLS behind the header."""
        plain = self.introduced(header, index)
        self._clients.remove(plain)
        wrapped = context.wrap_socket(
            plain.socket, server_hostname=name, suppress_ragged_eofs=False
        )
        return self._kept(wrapped)

    @property
    def open(self) -> int:
        return self.status()["connections"]["open"]


def command(*listen: str) -> list[str]:
    """Starts one with an admin listener, and with ``listen`` beside the first TCP listener."""
    places = [word for place in (ANYWHERE, *listen) for word in ("--listen", place)]
    return twistd("--config", "gateway.yaml", "--admin", ANYWHERE, *places)

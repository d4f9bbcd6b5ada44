"""Sockets that systemd bound before this process began (socket activation, sd_listen_fds(3)).

A listener takes the one that stands where it would have been bound itself. So a configuration is
the same with and without a socket unit, and whatever wraps a listener, TLS say, needs to know
nothing of it. `systemd:` strings name theirs themselves.
"""

import ipaddress
import socket
from collections.abc import Iterable
from functools import cache

from twisted.internet.endpoints import serverFromString

_ANY = ipaddress.ip_address("0.0.0.0")
_ANY_IPV6 = ipaddress.ip_address("::")
_INTERNET = (socket.AF_INET, socket.AF_INET6)


class Activated:
    """Those sockets; each goes once, to the first listener that asks for it. files: descriptors."""

    def __init__(self, files: Iterable[int]) -> None:
        self._left: dict[int, socket.socket] = {}
        for file in files:
            try:
                sock = socket.socket(fileno=file)
            except OSError:
                # A unit may also hand over what is no socket; nothing here listens on that.
                continue
            sock.set_inheritable(False)
            self._left[file] = sock

    def take(self, port: int, interface: str) -> socket.socket | None:
        """The one that listens where TCP port ``port`` of ``interface`` (empty: all) is.

        It is the caller's from now on, and does not block.
        """
        try:
            wanted = ipaddress.ip_address(interface or str(_ANY))
        except ValueError:
            # A name; what systemd has is an address.
            return None
        for file, sock in self._left.items():
            if _port(sock) != port:
                continue
            if _host(sock) == wanted or (wanted == _ANY and _is_for_both(sock)):
                del self._left[file]
                sock.setblocking(False)
                return sock
        return None

    def claim(self, file: int) -> None:
        """A listener's string has named the socket with this descriptor."""
        claimed = self._left.pop(file, None)
        if claimed is not None:
            claimed.detach()

    def left(self) -> list[str]:
        """Where those listen that no listener has taken."""
        return [_told(sock) for sock in self._left.values()]


@cache
def activated() -> Activated:
    """Those of this process. Twisted has read (and removed) what the environment said of them.

    Not before there is a reactor: the parsers of strings are plugins, and import what they like.
    """
    files: list[int] = []
    while True:
        try:
            found = serverFromString(None, f"systemd:domain=INET:index={len(files)}")
        except IndexError:
            return Activated(files)
        files.append(found.fileno)


def _port(sock: socket.socket) -> int | None:
    if sock.family not in _INTERNET or sock.type != socket.SOCK_STREAM:
        return None
    port: int = sock.getsockname()[1]
    return port


def _host(sock: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(sock.getsockname()[0])


def _is_for_both(sock: socket.socket) -> bool:
    """Whether it is where IPv4 comes in too: what systemd makes of a bare port."""
    return (
        sock.family == socket.AF_INET6
        and _host(sock) == _ANY_IPV6
        and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )


def _told(sock: socket.socket) -> str:
    if sock.family not in _INTERNET:
        return str(sock.getsockname()) or "a socket"
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

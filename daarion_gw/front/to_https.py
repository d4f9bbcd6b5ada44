"""Which requests that came without TLS are sent to https, and to which address there.

It looks at the listeners once, when they are open, and at a request only where it may be one.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

from daarion_gw.wire.client import origin_of
from daarion_gw.wire.request import RequestHead
from daarion_gw.wire.target import is_plain, path_of

from .conversation import Near
from .listeners import has_tls, port_number

# Whoever signs certificates asks here, and without TLS (RFC 8555 8.3).
CHALLENGES: Final = b"/.well-known/acme-challenge/"
HEALTH: Final = b"/healthz"
HTTP: Final = 80
HTTPS: Final = 443


class ToHTTPS:
    """port: of the address that clients are sent to. only: the port to which a request must have
    come; None for any.
    """

    __slots__ = ("_only", "_port")

    def __init__(self, port: int, only: int | None = None) -> None:
        self._port = port
        self._only = only

    def takes(self, near: Near, head: RequestHead) -> bool:
        """Whether this request is to be sent to https."""
        if near.is_secure or _is_for_all(path_of(head.target)):
            return False
        # Nobody's address but TCP's has a port: what else a client can be is this machine's.
        came_to = getattr(near.transport.getHost(), "port", None)
        if self._only is not None and came_to != self._only:
            return False
        identity, peer = head.fields.identity, near.peer
        if peer.trusted and (identity or came_to is None):
            # A proxy: only it can know. Where it says nothing of TLS there may well be some, and
            # to send its client to where it came from would have no end.
            said = any(name == b"x-forwarded-proto" for name, _ in identity)
            return said and not origin_of(peer, identity, head.host).is_secure
        return True

    def place(self, head: RequestHead) -> bytes | None:
        """The same in https: host, path and query are kept; None for who names no host."""
        host = head.host
        if host is None:
            return None
        name = host[: host.find(b"]") + 1] or host.partition(b":")[0]
        port = b"" if self._port == HTTPS else b":%d" % self._port
        return b"https://%b%b%b" % (name, port, head.target)


def _is_for_all(path: bytes) -> bool:
    """Whether those without TLS are answered here too."""
    # With dot segments it might lead anywhere.
    rest = path[len(CHALLENGES) - 1 :]
    return path == HEALTH or (path.startswith(CHALLENGES) and is_plain(rest))


def way_to_https(said: int | bool | Literal["auto"], ports: Iterable[Any]) -> ToHTTPS | None:
    """What ``redirect`` of the configuration means for these open listeners; None: nothing."""
    known = [(has_tls(port), port_number(port)) for port in ports]
    secure = [number for is_secure, number in known if is_secure and number is not None]
    if said == "auto":
        if not secure or (False, HTTP) not in known:
            return None
    elif said is False:
        return None
    port = HTTPS if not secure or HTTPS in secure else secure[0]
    if type(said) is int:
        port = said
    return ToHTTPS(port, HTTP if said == "auto" else None)

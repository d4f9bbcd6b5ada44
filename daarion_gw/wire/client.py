"""Who the client is: the peer itself, or whom a trusted peer names.

Pure text: the trusted networks are handed in.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from .fields import list_members, pairs
from .grammar import REQUEST_ID

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


HOPS_AT_MOST = 64
_SECURE = (b"https", b"wss")
# RFC 9440, and our own.
_CERTIFICATE = (b"client-cert", b"x-client-cert-")


class Trust:
    """The networks whose word about the client is believed."""

    __slots__ = ("_networks", "trusts")

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        # A walk asks for the same few addresses again and again.
        self.trusts = lru_cache(4096)(self._trusts)

    def _trusts(self, address: bytes) -> bool:
        """Whether ``address``, in text form, lies in a trusted network."""
        try:
            parsed = ipaddress.ip_address(address.decode("ascii"))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def plain_address(text: str) -> bytes:
    """An IP address in the one spelling that it is compared, counted and logged in.

    Without its zone; IPv6 as RFC 5952 writes it; an IPv4 address mapped into IPv6 as IPv4.
    """
    if ":" not in text:
        return text.encode("ascii")
    address = ipaddress.IPv6Address(text.partition("%")[0])
    return str(address.ipv4_mapped or address).encode("ascii")


class Peer:
    """The far end of one client connection.

    address: text bytes. trusted: whether its forwarding fields are believed.
    scheme: ``b"http"`` or ``b"https"``. certified: what the gateway itself says of the
    certificate that the client has shown, as field lines; None where nobody is asked for one.
    """

    __slots__ = ("address", "certified", "has_certificate", "lines", "scheme", "trust", "trusted")

    def __init__(self, address: bytes, trust: Trust, scheme: bytes, trusted: bool | None = None):
        self.address = address
        self.trust = trust
        self.scheme = scheme
        self.trusted = trust.trusts(address) if trusted is None else trusted
        self.certified: bytes | None = None
        # Whether it was verified.
        self.has_certificate = False
        self.lines = b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
            address,
            address,
            scheme,
        )

    def certify(self, lines: bytes, has_certificate: bool = False) -> None:
        """From here on the gateway says who has which certificate, and nobody else may."""
        self.certified = lines
        self.has_certificate = has_certificate
        self.lines += lines


class Origin:
    """What is believed of one request: client address, scheme, and the lines that say so.

    trusted: whether the client itself, and not only the proxy that names it, is trusted.
    """

    __slots__ = ("client", "lines", "scheme", "trusted")

    def __init__(self, client: bytes, scheme: bytes, lines: bytes, trusted: bool) -> None:
        self.client = client
        self.scheme = scheme
        self.lines = lines
        self.trusted = trusted

    @property
    def is_secure(self) -> bool:
        """Whether the client itself came over TLS, as far as that can be known."""
        return self.scheme in _SECURE


def origin_of(peer: Peer, identity: list[tuple[bytes, bytes]], host: bytes | None) -> Origin:
    """Decide about the identity fields of a request: (lower-case name, line) pairs.

    An untrusted peer's are dropped, a trusted one's appended to or kept (SPEC.md section 2);
    those about certificates are nobody's but the gateway's where it asks for them itself.
    """
    host_line = b"X-Forwarded-Host: %b\r\n" % host if host is not None else b""
    if not identity or not peer.trusted:
        return Origin(peer.address, peer.scheme, peer.lines + host_line, peer.trusted)
    lines = dict.fromkeys((name for name, _ in identity), b"")
    for name, line in identity:
        lines[name] += line
    chain = _addresses(lines.pop(b"x-forwarded-for", b""))
    client = find_client(peer, chain)
    scheme = _scheme(lines.pop(b"x-forwarded-proto", b"")) or peer.scheme
    lines.pop(b"x-real-ip", None)
    if peer.certified is not None:
        lines = {name: line for name, line in lines.items() if not name.startswith(_CERTIFICATE)}
    host_line = lines.pop(b"x-forwarded-host", host_line)
    written = b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
        client,
        b", ".join([*chain, peer.address]),
        scheme,
    )
    trusted = client == peer.address or peer.trust.trusts(client)
    parts = (written, host_line, *lines.values(), peer.certified or b"")
    return Origin(client, scheme, b"".join(parts), trusted)


def _addresses(lines: bytes) -> list[bytes]:
    return [member for _, value in pairs(lines) for member in list_members(value)]


def _scheme(lines: bytes) -> bytes | None:
    found = _addresses(lines)
    return found[-1] if found and found[-1] in (b"http", b"https", b"ws", b"wss") else None


def find_client(peer: Peer, chain: list[bytes]) -> bytes:
    """Walk X-Forwarded-For from the right past trusted addresses.

    The first untrusted one is the client; something that is no address ends the walk at
    the hop that was believed last, and so does a chain that is longer than any real one.
    """
    client = peer.address
    for member in chain[: -HOPS_AT_MOST - 1 : -1]:
        address = _without_port(member)
        if address is None:
            break
        client = address
        if not peer.trust.trusts(address):
            break
    return client


def _without_port(member: bytes) -> bytes | None:
    """``1.2.3.4:567``, ``[::1]:567`` and bare addresses to an address; else None."""
    text = member.decode("latin-1").strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    return plain_address(text)


def believed_request_id(peer: Peer, sent: bytes | None) -> bytes | None:
    """A trusted peer's request id if it has the right form, else None."""
    if sent is not None and peer.trusted and REQUEST_ID.match(sent):
        return sent
    return None

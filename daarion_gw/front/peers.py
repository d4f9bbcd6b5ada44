"""Who is at the other end of a client's connection, by its address and by its certificate."""

from typing import Any

from twisted.internet.address import UNIXAddress

from daarion_gw.wire.client import Peer, Trust, plain_address


def peer_of(transport: Any, is_secure: bool, trust: Trust, asks_certificates: bool) -> Peer:
    """One at the end of a UNIX socket is on this machine. See `certify` for certificates."""
    scheme = b"https" if is_secure else b"http"
    address = transport.getPeer()
    if isinstance(address, UNIXAddress):
        peer = Peer(b"127.0.0.1", trust, scheme, trusted=True)
    else:
        peer = Peer(plain_address(address.host), trust, scheme)
    if asks_certificates:
        certify(peer, transport)
    return peer


def certify(peer: Peer, transport: Any) -> None:
    """Let ``peer`` be known by what its connection says; before the handshake that is nothing.

    From then on nobody else is believed about it: not at listeners that ask for no certificate
    either, where whatever is claimed is made up.
    """
    shown = getattr(transport, "client_certificate", None)
    if shown is None:
        peer.certify(b"")
    else:
        peer.certify(shown.lines, shown.is_verified)

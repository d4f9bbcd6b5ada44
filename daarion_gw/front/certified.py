"""What is known of a client by the certificate that it has shown, for those who go by `Peer`."""

from typing import Any

from daarion_gw.wire.client import Peer


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

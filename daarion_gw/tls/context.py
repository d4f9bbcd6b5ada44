"""What a listener agrees to: versions, ciphers, protocols, tickets. Built once, not per client."""

import ssl
from collections.abc import Sequence
from typing import Any

from .certificate import load_into
from .tickets import TICKET_KEYS, TicketKeys, set_keys

# Mozilla's "intermediate" for TLS 1.2, without those of finite-field Diffie-Hellman, which
# cost most and which no client needs that has the rest. TLS 1.3 has none that are weak. The
# level, which not every OpenSSL begins with, is for keys: 112 bits or more (RSA: 2048).
CIPHERS = ":".join(
    (
        "@SECLEVEL=2",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
HTTP_1 = (b"http/1.1",)
# One for each connection: who opens several at a time gets several.
TICKETS = 1


class Listening:
    """The certificate of one listener and all that its connections share.

    Raises OSError or ValueError, with the file's name, when they cannot be used. Groups are
    OpenSSL's own: with 3.5 and later X25519MLKEM768 is the first of them. Python can set
    no more than a single one, which would shut out everybody else.
    """

    def __init__(
        self, cert_file: str, key_file: str, ticket_keys: TicketKeys = TICKET_KEYS
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # All of them are good: the client knows which its hardware can do.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        # OpenSSL 3 does not let clients begin one anyway, 1.1.1 does.
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.num_tickets = TICKETS
        self._label = load_into(context, cert_file, key_file)
        self._context = context
        self._ticket_keys = ticket_keys
        self._period: int | None = None
        # Written to and read empty within one call, so all connections share it: a buffer
        # of OpenSSL's never gives back what it once needed.
        self.incoming = ssl.MemoryBIO()

    def offer(self, protocols: Sequence[bytes]) -> None:
        """What may be agreed by ALPN, the best first."""
        self._context.set_alpn_protocols([name.decode("ascii") for name in protocols])

    def connection(self, outgoing: ssl.MemoryBIO) -> Any:
        """The TLS of a new connection (ssl.SSLObject), which has not begun."""
        if self._period != self._ticket_keys.period:
            self._period = self._ticket_keys.period
            set_keys(self._context, self._ticket_keys.keys(self._label))
        return self._context.wrap_bio(self.incoming, outgoing, server_side=True)

"""What a listener agrees to: versions, ciphers, groups, tickets. Built once, not per client."""

import ssl
from dataclasses import dataclass

from .clients import Clients
from .groups import set_groups
from .openssl import set_suites

# Mozilla's "intermediate" for TLS 1.2, without those of finite-field Diffie-Hellman, which
# cost most and which no client needs that has the rest. The level, which not every OpenSSL
# begins with, is for keys: 112 bits or more (RSA: 2048).
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
# Those of TLS 1.3. OpenSSL has the same ones, the one that costs most first.
SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
# All of them are good. They are taken in this order, but for clients that put ChaCha20 first:
# those know that their hardware is slow with AES (ssl.h, since OpenSSL 1.1.1).
PRIORITIZE_CHACHA = 0x200000
HTTP_1 = (b"http/1.1",)
# One for each connection: who opens several at a time gets several.
TICKETS = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What listeners may differ in: each certificate has one context for each of them.

    protocols: what may be agreed by ALPN, the best first. clients: None = they are not asked for
    certificates.
    """

    protocols: tuple[bytes, ...] = HTTP_1
    clients: Clients | None = None

    @property
    def label(self) -> bytes:
        """Tells it from others: a session that began under one does not go on under another."""
        return repr(self.protocols).encode() + (self.clients.label if self.clients else b"")


def new_context(profile: Profile) -> ssl.SSLContext:
    """A context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    set_suites(context, SUITES)
    set_groups(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | PRIORITIZE_CHACHA
    # OpenSSL 3 does not let clients begin one anyway, 1.1.1 does.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.num_tickets = TICKETS
    context.set_alpn_protocols([name.decode("ascii") for name in profile.protocols])
    if profile.clients is not None:
        profile.clients.ask(context)
    return context

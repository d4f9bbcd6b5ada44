"""TLS towards servers, as settings: ``tls:`` of an upstream or of one of its servers.

Frozen data. What was in the files is kept with their names: all workers, those of later too, go
on with what was there when the configuration was read.
"""

from __future__ import annotations

from pydantic import Field

from daarion_gw.config.model import Model


class PEMFile(Model):
    """A file and what was in it. ``text`` may be a private key: it is shown nowhere."""

    path: str
    text: str = Field(default="", repr=False)


class ServerTLS(Model):
    """What a server must show, and what it is shown.

    ``ca``: the certificates that may vouch for the server's, None = those of the system.
    ``server_name``: the name that is asked for (SNI) and that its certificate must have, a DNS
    name or an IP address; None = the host of its URL. ``pin``: base64 of the SHA-256 of the
    public keys (SubjectPublicKeyInfo) of which its certificate must have one, None = any key.
    ``cert``, ``key``: what is shown to a server that asks for a certificate; both or none.
    """

    ca: PEMFile | None = None
    server_name: str | None = None
    pin: tuple[str, ...] | None = None
    cert: PEMFile | None = None
    key: PEMFile | None = None

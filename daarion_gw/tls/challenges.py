"""Validations by TLS-ALPN-01 (RFC 8737) that are pending: files of the process that asks.

False as long as there is none, and then nothing is looked at: a connection pays for this only
while a certificate is being asked for.
"""

import os
import ssl
from pathlib import Path

from twisted.logger import Logger

from .client_hello import ClientHello

PROTOCOL = b"acme-tls/1"
_ENDING = ".pem"


class Challenges:
    """Contexts by domain, from the files of ``folder``; None: there never are any."""

    _log = Logger()

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._contexts)

    def settle(self, folder: Path | None) -> None:
        """Look there from now on."""
        if folder != self._folder:
            self._folder = folder
            self.look()

    def look(self) -> None:
        """Take up what has come, and drop what is gone. Called about once a second."""
        seen = self._files()
        if seen == self._seen:
            return
        self._seen = seen
        contexts = {}
        for name in seen:
            try:
                contexts[name.removesuffix(_ENDING)] = _context(self._folder, name)
            except (OSError, ssl.SSLError) as error:
                # It may just have been answered.
                self._log.debug("challenge {name} is not answered: {error}", name=name, error=error)
        self._contexts = contexts

    def _files(self) -> dict[str, tuple[int, int]]:
        if self._folder is None:
            return {}
        try:
            found = {entry.name: entry.stat() for entry in os.scandir(self._folder)}
        except OSError:
            # There is no such folder yet, or a file went in this moment: the next look sees.
            return {}
        return {
            name: (its.st_ino, its.st_mtime_ns)
            for name, its in found.items()
            if name.endswith(_ENDING) and not name.startswith(".")
        }

    def context(self, hello: ClientHello) -> ssl.SSLContext | None:
        """What to show a client that says this; None unless it validates a pending challenge."""
        if hello.protocols != (PROTOCOL,) or hello.name is None:
            return None
        return self._contexts.get(hello.name)


def _context(folder: Path | None, name: str) -> ssl.SSLContext:
    assert folder is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nothing else may be agreed, and nothing comes after the handshake (RFC 8737 3).
    context.set_alpn_protocols([PROTOCOL.decode("ascii")])
    context.num_tickets = 0
    context.load_cert_chain(folder / name)
    return context

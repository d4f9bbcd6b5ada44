"""Let's Encrypt's own test authority, pebble, with its DNS that says whatever it is told.

It keeps everything in memory: one that was stopped has forgotten accounts, orders and its root.
"""

import contextlib
import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.real.installed import need_program
from tests.real.running import Running, accepts, free_port, running
from tests.support.certificates import client_context, make_certificate


@dataclass
class Authority:
    """Where it is, and to which ports it comes to validate a domain.

    nonces: how many of a hundred it refuses. lasting: seconds that a certificate is good for.
    """

    folder: Path
    nonces: int = 0
    lasting: int = 3600
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    _management: int = field(default_factory=free_port)
    _dns: int = field(default_factory=free_port)
    _dns_management: int = field(default_factory=free_port)
    _log: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.ca, self._key = make_certificate(self.folder)

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        """Pebble for as long as the block lasts."""
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.ca),
            "privateKey": str(self._key),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": self.lasting,
        }}))  # fmt: skip
        argv = [need_program("pebble"), "-config", config, "-strict",
                "-dnsserver", f"127.0.0.1:{self._dns}"]  # fmt: skip
        environment = {"PEBBLE_WFE_NONCEREJECT": str(self.nonces), "PEBBLE_VA_NOSLEEP": "1",
                       "PEBBLE_AUTHZREUSE": "0"}  # fmt: skip
        self._log = self.folder / "pebble.log"
        self._log.write_text("")
        with running(argv, self._log, ready=lambda: accepts(self.port), env=environment) as process:
            yield process

    @contextlib.contextmanager
    def names(self) -> Iterator[None]:
        """Its DNS: every name is 127.0.0.1, unless it is told otherwise."""
        argv = [need_program("pebble-challtestsrv"), "-defaultIPv6", "", "-defaultIPv4",
                "127.0.0.1", "-dns01", f"127.0.0.1:{self._dns}", "-http01", "", "-https01", "",
                "-tlsalpn01", "", "-management", f"127.0.0.1:{self._dns_management}"]  # fmt: skip
        log = self.folder / "dns.log"
        with running(argv, log, ready=lambda: accepts(self._dns_management)):
            yield

    def move(self, name: str, address: str) -> None:
        """Let its DNS say that ``name`` is at ``address``."""
        body = json.dumps({"host": name, "addresses": [address]}).encode()
        url = f"http://127.0.0.1:{self._dns_management}/add-a"
        urllib.request.urlopen(url, body, timeout=5).close()

    def root(self) -> str:
        """Its root, in PEM form."""
        url = f"https://127.0.0.1:{self._management}/roots/0"
        context = client_context(self.ca)
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return answer.read().decode("ascii")

    def trusting(self) -> ssl.SSLContext:
        """A client that believes its certificates and no others."""
        return ssl.create_default_context(cadata=self.root())

    @property
    def log(self) -> str:
        assert self._log is not None
        return self._log.read_text(errors="replace")

    @property
    def orders(self) -> int:
        """How many it has been asked for."""
        return len(re.findall(r"Added order ", self.log))

    @property
    def refused_nonces(self) -> int:
        return len(re.findall(r"(?i)bad ?nonce|nonce.{0,40}(?:reject|invalid)", self.log))


@contextlib.contextmanager
def authority(folder: Path, **words: int) -> Iterator[Authority]:
    """A running one."""
    made = Authority(folder, **words)
    with made.names(), made.running():
        yield made

"""Let's Encrypt's own test authority, pebble, with its DNS that says whatever it is told.

It keeps everything in memory: one that was stopped has forgotten accounts, orders and its root.
"""

import contextlib
import json
import re
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real.installed import need_program
from tests.real.running import Running, accepts, running
from tests.support.certificates import client_context, make_certificate

# X509_V_FLAG_NO_CHECK_TIME, which Python has no name for.
_NO_CHECK_TIME = 0x200000


@dataclass
class Authority:
    """Where it is, and to which ports it comes to validate a domain.

    nonces: how many of a hundred it refuses. lasting: seconds that a certificate is good for.
    """

    folder: Path
    nonces: int = 0
    lasting: int = 3600
    _log: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.port, self.http_port, self.tls_port, *others = _free_ports(6)
        self._management, self._dns, self._dns_management = others
        self.ca, self.key = make_certificate(self.folder)

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
            "privateKey": str(self.key),
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

    def move(self, name: str, address: str | None) -> None:
        """Let its DNS say that ``name`` is at ``address``; None: where all the others are."""
        body = {"host": name, **({"addresses": [address]} if address else {})}
        word = "add-a" if address else "clear-a"
        url = f"http://127.0.0.1:{self._dns_management}/{word}"
        urllib.request.urlopen(url, json.dumps(body).encode(), timeout=5).close()

    def root(self) -> str:
        """Its root, in PEM form."""
        url = f"https://127.0.0.1:{self._management}/roots/0"
        context = client_context(self.ca)
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return answer.read().decode("ascii")

    def trusting(self) -> ssl.SSLContext:
        """A client that believes its certificates and no others, be they ended or not."""
        context = ssl.create_default_context(cadata=self.root())
        # Those that live for seconds may have ended on a busy machine.
        context.verify_flags |= _NO_CHECK_TIME
        return context

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


def _free_ports(count: int) -> list[int]:
    """Loopback ports that nobody holds now, no two of them the same."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.contextmanager
def authority(folder: Path, **words: int) -> Iterator[Authority]:
    """A running one."""
    made = Authority(folder, **words)
    with made.names(), made.running():
        yield made

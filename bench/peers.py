"""The proxies of a run. A new peer is one file in setups/ and one line in PEERS."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.native import Builder
from bench.origin import Origin
from bench.plan import GATEWAY_TLS, Certificate, Plan
from bench.processes import NotStartedError, Running, free_port, launch, program, start
from bench.raw_client import BrokenError, Client
from bench.setups import caddy, envoy, gateway, haproxy, nginx, traefik

ROOT = Path(__file__).resolve().parent.parent

_NO_SIGNS = str.maketrans(" ", "-", ",:'")

# The checkout may be newer than what is installed; programs in Go get one processor, as all do.
_ENVIRONMENT = {"PYTHONPATH": str(ROOT), "GOMAXPROCS": "1"}


@dataclass
class Ground:
    """What a run stands on: a temporary folder, the origin, compiled programs, and TLS."""

    folder: Path
    origin: Origin
    builder: Builder
    certificate: Certificate | None
    gateway_tls: str = GATEWAY_TLS
    # The proxies that run, by name.
    running: dict[str, Running] = field(default_factory=dict)
    _started: int = 0

    def own_folder(self, name: str) -> Path:
        """A new folder for one start of one proxy."""
        self._started += 1
        own = self.folder / f"{self._started}-{name.translate(_NO_SIGNS)}"
        own.mkdir()
        return own


@dataclass(frozen=True)
class Peer:
    """One proxy: its name in the table and how it is set up."""

    name: str
    command: Callable[[Path, Plan], list[str]]
    # Names of the works it takes part in; None is all that ask for no variant of it.
    works: tuple[str, ...] | None = None
    own_ids: bool = True
    has_tls: bool = False
    has_http2: bool = False

    def _prepared(
        self, ground: Ground, routes: int, servers: int, tls: bool
    ) -> tuple[Path, Plan, list[str]]:
        own = ground.own_folder(self.name)
        origin = ground.origin
        with_tls = tls and self.has_tls and ground.certificate is not None
        plan = Plan(
            port=free_port(),
            origin=origin.port,
            sink=origin.sink_port,
            # A port where nobody listens does no harm to other routes.
            echo=origin.echo_port or free_port(),
            servers=origin.ports[:servers],
            routes=routes,
            tls_port=free_port() if with_tls else 0,
            certificate=ground.certificate if with_tls else None,
            gateway_tls=ground.gateway_tls,
        )
        return own, plan, self.command(own, plan)

    def start(
        self, ground: Ground, routes: int = 0, servers: int = 0, tls: bool = False
    ) -> Running:
        """Start it in a folder of its own. Raises NotStartedError."""
        own, plan, command = self._prepared(ground, routes, servers, tls)
        running = start(self.name, command, plan.port, own, _ENVIRONMENT)
        running.tls_port = plan.tls_port
        _await_routes(running)
        return running

    def prepare(self, ground: Ground) -> Callable[[], Running]:
        """Get everything ready but the start, which is then one call and does not wait."""
        own, plan, command = self._prepared(ground, 0, 0, False)
        return lambda: launch(self.name, command, plan.port, own, _ENVIRONMENT)


_LARGE = ("100 MB answer", "100 MB upload")
_SMALL = ("small GET",)
_BUSIEST = ("small GET, busiest process",)
_SECURE = ("TLS small GET", "TLS handshake + GET", "TLS 1 MB answer")

GATEWAY = Peer("daarion-gw", gateway.quiet, has_tls=True, has_http2=True)
TUNED = Peer("nginx tuned", nginx.tuned, has_tls=True, has_http2=True)

PEERS = (
    GATEWAY,
    TUNED,
    Peer("HAProxy", haproxy.haproxy, has_tls=True),
    Peer("Envoy", envoy.envoy),
    Peer("Traefik", traefik.traefik, own_ids=False),
    Peer("Caddy", caddy.caddy),
    Peer("nginx old", nginx.old, _SMALL),
    Peer("nginx streaming", nginx.streaming, _LARGE),
    Peer("daarion-gw, log on", gateway.logging, _SMALL),
    Peer("nginx tuned, log on", nginx.logging, _SMALL),
    Peer("daarion-gw, 2 workers", gateway.two_workers, _BUSIEST),
    Peer("nginx tuned, 2 workers", nginx.two_workers, _BUSIEST),
    Peer("daarion-gw, ssl:", gateway.twisted_tls, _SECURE, has_tls=True),
)


def _await_routes(running: Running) -> None:
    """Some listen before they know their routes, and answer 404 until then."""
    deadline = time.monotonic() + 10
    while True:
        try:
            client = Client(running.port)
            status = client.get("/bench/small").status
            client.close()
        except (BrokenError, OSError):
            status = 0
        if status == 200:
            return
        if time.monotonic() > deadline:
            running.stop()
            raise NotStartedError(f"its answer was {status or 'none'} for ten seconds")
        time.sleep(0.02)


def peer_of(running: Running) -> Peer:
    """Whose process this is."""
    return next(each for each in PEERS if each.name == running.name)


def make_certificate(folder: Path) -> Certificate:
    """A self-signed one on P-256. Raises NotStartedError when there is no openssl."""
    files = Certificate(folder / "cert.pem", folder / "key.pem", folder / "both.pem")
    ran = subprocess.run(
        [
            program("openssl"),
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            str(files.key),
            "-out",
            str(files.cert),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise NotStartedError(f"openssl: {ran.stderr.strip()[-200:]}")
    files.both.write_text(files.cert.read_text() + files.key.read_text())
    return files


def versions(peers: list[Peer]) -> dict[str, str]:
    """First line of what each program says about itself; "not installed" where it is not."""
    flags = {"haproxy": "-v", "envoy": "--version", "traefik": "version", "caddy": "version"}
    found = {}
    for name, flag in flags.items():
        if not any(peer.name.lower() == name for peer in peers):
            continue
        try:
            ran = subprocess.run([program(name), flag], capture_output=True, text=True, check=False)
            found[name] = _short((ran.stdout + ran.stderr).split())
        except NotStartedError:
            found[name] = "not installed"
    return found


def _short(words: list[str]) -> str:
    """The word that looks like a version."""
    for word in words:
        for part in word.split("/"):
            if part.lstrip("v")[:1].isdigit() and "." in part:
                return part.lstrip("v")
    return "unknown"

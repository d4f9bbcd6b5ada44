"""Certificates from a real authority: the first, the next, and none when something is wrong."""

import contextlib
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.pebble import Authority, authority
from tests.support.admin_pages import AdminPages
from tests.support.certificates import client_context, server_context
from tests.support.gateway import GatewayProcess, twistd
from tests.support.waiting import until

NAME = "app.example.com"
# Three seconds until all processes answer a challenge, and a poll a second.
ISSUED = 40.0


class Gateway(GatewayProcess, AdminPages):
    """Listens where the authority will look."""

    def __init__(self, folder: Path, authority: Authority, workers: int = 1, **acme: Any) -> None:
        folder.mkdir(exist_ok=True)
        acme = {"directory": authority.directory, "ca": str(authority.ca), "state": "state",
                "domains": [NAME], "email": "ops@example.com", "retry": "1s", **acme}  # fmt: skip
        listen = [f"tcp:{authority.http_port}:interface=127.0.0.1",
                  f"daarion-tls:{authority.tls_port}:interface=127.0.0.1"]  # fmt: skip
        admin = "tcp:0:interface=127.0.0.1"
        gateway = {"listen": listen, "admin": admin, "access_log": "off"}
        super().__init__(
            folder,
            json.dumps({"gateway": gateway, "tls": {"acme": acme}, "routes": {}}),
            command=twistd("--config", "gateway.yaml", "--workers", str(workers)),
        )
        self._authority = authority

    @property
    def certificate(self) -> Any:
        """What the status page says of it."""
        (told,) = self.status()["acme"]["certificates"]
        return told

    @property
    def serial(self) -> str:
        """That of the certificate that a client sees, having believed it."""
        shown = self.shake(self._authority.trusting())
        return str(shown["serialNumber"])

    def shake(self, context: ssl.SSLContext) -> dict[str, Any]:
        """A handshake and a request over it; what the certificate says."""
        address = ("127.0.0.1", self._authority.tls_port)
        with (
            socket.create_connection(address, 10) as sock,
            context.wrap_socket(sock, server_hostname=NAME) as client,
        ):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
            shown: Any = client.getpeercert()
            return shown


@contextlib.contextmanager
def gateway(folder: Path, authority: Authority, **words: Any) -> Iterator[Gateway]:
    running = Gateway(folder, authority, **words)
    try:
        yield running
        running.stop()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """One that refuses every other nonce for no reason; real ones may do so now and then."""
    with authority(tmp_path_factory.mktemp("acme") / "ca", nonces=50) as running:
        yield running


@pytest.mark.parametrize(("challenge", "workers"), [("http-01", 1), ("tls-alpn-01", 2)])
def test_from_nothing_to_a_served_certificate(tmp_path, ca, challenge, workers):
    orders = ca.orders
    with gateway(tmp_path / "gw", ca, challenge=challenge, workers=workers) as running:
        running.says(f"{NAME}: a certificate until ", ISSUED)
        until(lambda: shaken(running), what="the certificate is served")
        told = running.certificate
        assert (told["domain"], told["failures"], told["error"]) == (NAME, 0, None)
        assert told["until"] > told["next"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        assert running.output.count("for a certificate, by ") == 1
        assert f"for a certificate, by {challenge}" in running.output
        left = (running.folder / "state" / "challenges").rglob("*")
        assert [each.name for each in left if each.is_file()] == []
    assert ca.orders == orders + 1


def shaken(running: Gateway) -> bool:
    try:
        return bool(running.serial)
    except ssl.SSLError:
        return False


class Visitors:
    """Handshakes one after the other on new connections, until told to stop."""

    def __init__(self, gateway: Gateway, context: ssl.SSLContext) -> None:
        self.serials: list[str] = []
        self.failures: list[str] = []
        self._gateway = gateway
        self._context = context
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(4)]

    def _visit(self) -> None:
        while not self._stop.is_set():
            try:
                self.serials.append(str(self._gateway.shake(self._context)["serialNumber"]))
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_refused_and_then_renewed_under_load(tmp_path):
    """Its time has come: the order is refused, the old one stays, the next order is not."""
    with (
        authority(tmp_path / "ca", lasting=24) as ca,
        gateway(tmp_path / "gw", ca, challenge="tls-alpn-01", workers=2) as running,
    ):
        running.says("a certificate until ", ISSUED)
        # Each worker looks for itself.
        until(lambda: all(shaken(running) for _ in range(20)), what="all workers serve it")
        first = running.serial
        with Visitors(running, ca.trusting()) as visitors:
            ca.move(NAME, "127.0.0.99")
            until(lambda: running.certificate["failures"], ISSUED, "an order is refused")
            ca.move(NAME, None)
            refused = running.certificate
            assert "the domain could not be validated: " in refused["error"]
            assert "the old one stays, until" in running.output
            assert running.serial == first
            until(lambda: running.serial != first, ISSUED, "it is renewed after all")
            assert running.certificate["error"] is None
            seen = len(visitors.serials)
            until(lambda: len(visitors.serials) > seen + 50, what="visitors go on")
        assert visitors.failures == []
        assert len(visitors.serials) > 200
        assert len(set(visitors.serials)) == 2
        assert ca.orders == 3


def test_an_authority_that_is_away_is_asked_until_it_is_back(tmp_path):
    """It comes back without its memory: our account is unknown to it."""
    ca = Authority(tmp_path / "ca")
    with ca.names():
        with ca.running(), gateway(tmp_path / "gw", ca) as running:
            running.says("a certificate until ", ISSUED)
        certificates = tmp_path / "gw" / "state" / "certificates"
        before = (certificates / NAME / "fullchain.pem").read_bytes()
        # As if its time had come.
        plans = tmp_path / "gw" / "state" / "plans.json"
        (plan,) = json.loads(plans.read_text()).values()
        plans.write_text(json.dumps({NAME: {**plan, "at": 0.0}}))
        with gateway(tmp_path / "gw", ca) as running:
            running.says(f"{ca.directory} cannot be reached: Connection refused", ISSUED)
            assert (certificates / NAME / "fullchain.pem").read_bytes() == before
            with ca.running():
                until(lambda: running.certificate["error"] is None, ISSUED, "it is asked again")
                until(lambda: shaken(running), what="the new certificate is served")
        assert (certificates / NAME / "fullchain.pem").read_bytes() != before


def test_the_authority_decides_when_it_is_renewed(tmp_path, ca):
    """ARI (RFC 9773). Debian's pebble has none: its directory is shown with some beside it."""
    with Advice(ca) as advice:
        words = {"directory": advice.url, "challenge": "http-01"}
        with gateway(tmp_path / "gw", ca, **words) as running:
            running.says("a certificate until ", ISSUED)
            told = running.certificate
            assert told["next"] == "2037-01-01T00:00:00Z"
            assert [path.rpartition("/")[0] for path in advice.asked] == ["/renewal-info"]
        # What it said is written down; a minute later it is asked again.
        plans = tmp_path / "gw" / "state" / "plans.json"
        (plan,) = json.loads(plans.read_text()).values()
        assert plan["look_at"] > time.time() + 30
        plans.write_text(json.dumps({NAME: {**plan, "look_at": 0.0}}))
        advice.window = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        with gateway(tmp_path / "gw", ca, **words) as running:
            running.says("by the authority's advice the next is asked for 2020-01-01", ISSUED)
            advice.window = ("2037-01-01T00:00:00Z", "2037-01-01T00:00:01Z")
            running.says("a certificate until ", ISSUED)
            assert running.certificate["next"] == "2037-01-01T00:00:00Z"
        assert len(advice.asked) == 3
        assert advice.asked[0] == advice.asked[1] != advice.asked[2]


class Advice:
    """A directory that is another's, but for its renewal information."""

    def __init__(self, ca: Authority) -> None:
        self.window = ("2037-01-01T00:00:00Z", "2037-01-01T00:00:01Z")
        self.asked: list[str] = []
        self._ca = ca
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = server_context(ca.ca, ca.key).wrap_socket(
            self._server.socket, server_side=True
        )
        self.url = f"https://127.0.0.1:{self._server.server_port}/dir"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        advice = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(advice.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Retry-After", "60")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """It is not asked for."""

        return Handler

    def answer(self, path: str) -> Any:
        if path == "/dir":
            context = client_context(self._ca.ca)
            with urllib.request.urlopen(self._ca.directory, timeout=5, context=context) as told:
                base = self.url.removesuffix("/dir")
                return {**json.load(told), "renewalInfo": f"{base}/renewal-info"}
        self.asked.append(path)
        start, end = self.window
        return {"suggestedWindow": {"start": start, "end": end}}

    def __enter__(self) -> "Advice":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""Certificates are replaced while clients come and go: none of them notices but by the new one."""

import os
import socket
import ssl
import threading
import time

import pytest

from tests.support.hierarchy import CERTBOT, Authority, Certbot, serial_in, serial_of
from tests.support.message import get
from tests.support.waiting import PATIENCE, until
from tests.tls.test_start import OURS, Shown, configured

# In CI as many as its time allows; `make replacing-full` does all of them.
TIMES = 50 if os.environ.get("REPLACING_FULL") else 6
NAMES = ("a.example", "b.example", "www.b.example")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Visitor(threading.Thread):
    """A client that connects, asks and leaves, over and over, each time for the next name."""

    def __init__(self, port, context, stop):
        super().__init__(daemon=True)
        self._port = port
        self._context = context
        self._stop_all = stop
        self.failures = []
        self.seen = {name: set() for name in NAMES}
        self.visits = 0

    def run(self):
        while not self._stop_all.is_set():
            name = NAMES[self.visits % len(NAMES)]
            try:
                self._visit(name)
            except (OSError, AssertionError) as error:
                self.failures.append(f"{name}: {error!r}")
            self.visits += 1

    def _visit(self, name):
        sock = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        sock.settimeout(PATIENCE)
        with self._context.wrap_socket(sock, server_hostname=name) as client:
            self.seen[name].add(serial_of(client.getpeercert(binary_form=True)))
            client.sendall(get("/healthz"))
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_replaced_under_load(authority, tmp_path, flags):
    certbot = Certbot(tmp_path / "letsencrypt", authority)
    certbot.renew("a.example")
    certbot.renew("b.example", "*.b.example")
    gateway = Shown(tmp_path, configured(f"{{folder: {certbot.live}}}"), *flags)
    port = gateway.ports[0]
    stop = threading.Event()
    visitors = [Visitor(port, authority.client(), stop) for _ in range(3)]
    longest = 0.0
    try:
        stays = gateway.connect_tls(0, authority.client(), "a.example")
        for visitor in visitors:
            visitor.start()
        for turn in range(TIMES):
            name = ("a.example", "b.example")[turn % 2]
            others = ["*.b.example"] if turn % 2 else []
            if turn == TIMES // 2:
                # Long enough to be looked at, and complained of.
                certbot.renew(name, *others, between=lambda: gateway.says(" not taken, the old"))
            else:
                certbot.renew(name, *others)
            new = serial_in(certbot.live / name / CERTBOT[0])
            begun = time.monotonic()
            until(lambda: any(new in each.seen[name] for each in visitors),  # noqa: B023
                  what=f"the new certificate for {name}")  # fmt: skip
            longest = max(longest, time.monotonic() - begun)
            assert stays.ask(get("/healthz")).body == b"OK"
        stop.set()
        for visitor in visitors:
            visitor.join()
        assert [failure for each in visitors for failure in each.failures] == []
        assert min(each.visits for each in visitors) > TIMES
        # By who speaks for all, at most once each: it may have come too late for one.
        assert TIMES // 2 <= gateway.output.count("new: certificate for ") <= TIMES
        assert gateway.output.count("not taken") == 1
        # A look a second, in whichever process; a machine that is busy is late with it.
        assert longest < 4.0
        for name in NAMES[:2]:
            now = serial_in(certbot.live / name / CERTBOT[0])
            until(lambda: shown(gateway, authority, name) == {now}, what="one in all")  # noqa: B023
        gateway.stop()
    finally:
        stop.set()
        gateway.kill()


def shown(gateway, authority, name):
    """What several clients in a row see."""
    serials = set()
    for _ in range(8):
        client = gateway.connect_tls(0, authority.client(), name)
        serials.add(serial_of(client.socket.getpeercert(binary_form=True)))
    return serials


def test_broken_files_are_not_taken_and_told_once(authority, tmp_path):
    live = tmp_path / "live"
    cert, key = authority.issue(live / "a", "a.example")
    gateway = Shown(tmp_path, configured(f"{{folder: {live}}}"), "--workers", "2")
    try:
        before = serial_in(cert)
        good = key.read_bytes()
        key.write_bytes(good[:100])
        gateway.says(f"certificate not taken, the old one stays: {key}: a private key in PEM form")
        assert gateway.status()["certificates"]["problems"]
        assert shown(gateway, authority, "a.example") == {before}
        # Each of these takes a look, or two.
        for number in range(2):
            authority.issue(live / f"n{number}", f"n{number}.example")
            gateway.says(f"new: certificate for n{number}.example")
        assert gateway.output.count("not taken") == 1
        new, _ = authority.issue(live / "a", "a.example")
        gateway.says("new: certificate for a.example")
        until(lambda: shown(gateway, authority, "a.example") == {serial_in(new)}, what="the new")
        assert gateway.status()["certificates"]["problems"] == []
        gateway.stop()
    finally:
        gateway.kill()


def test_a_listener_with_files_of_its_own_takes_new_ones_too(authority, tmp_path):
    cert, key = authority.issue(tmp_path / "a", "a.example")
    gateway = Shown(tmp_path, configured(listen=f"{OURS}:privateKey={key}:certKey={cert}"))
    try:
        stays = gateway.connect_tls(0, authority.client(), "a.example")
        new, _ = authority.issue(tmp_path / "a", "a.example")
        until(lambda: shown(gateway, authority, "a.example") == {serial_in(new)}, what="the new")
        assert stays.ask(get("/healthz")).body == b"OK"
        gateway.stop()
    finally:
        gateway.kill()


def test_who_asks_for_nobody_and_a_strict_gateway(authority, tmp_path):
    files = authority.issue(tmp_path / "a", "a.example", "127.0.0.1")
    text = configured(f"{{cert: {files[0]}, key: {files[1]}}}", strict=True)
    gateway = Shown(tmp_path, text)
    try:
        for name in ("b.example", "127.0.0.1"):
            with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
                gateway.connect_tls(0, authority.client(), name)
        assert shown(gateway, authority, "a.example") == {serial_in(files[0])}
        gateway.file.write_text(text.replace("strict: on", "strict: off"))
        gateway.reload()
        assert shown(gateway, authority, "127.0.0.1") == {serial_in(files[0])}
        gateway.stop()
    finally:
        gateway.kill()

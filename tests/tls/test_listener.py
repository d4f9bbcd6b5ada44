"""A listener of the gateway's and real clients: Python's ssl, curl, openssl, and none at all."""

import hashlib
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from daarion_gw.tls.openssl import can_control
from tests.real.installed import need_program
from tests.support.certificates import NAME, client_context
from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, post
from tests.support.stream import Client
from tests.support.waiting import PATIENCE, Stopwatch, until
from tests.tls.in_memory import V12, V13, VERSIONS

CONFIG = """
gateway:
  access_log: off
  head_timeout: 1s
routes:
  /api/: {to: "${ORIGIN}"}
"""
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side, certificate):
    cert, key = certificate
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        listen=[f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"],
        ORIGIN=far_side["ORIGIN"].url,
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def connect(gateway, certificate):
    def make(context=None, **limits) -> Client:
        context = context or client_context(certificate[0])
        for name, value in limits.items():
            setattr(context, name, value)
        return gateway.connect_tls(0, context, NAME)

    return make


@pytest.fixture
def s_client(gateway, certificate):
    """What ``openssl s_client`` says with these flags, and what it is told."""

    def run(*flags: str, told: Sequence[str] = (), seconds: float = 0.5) -> str:
        command = [need_program("openssl"), "s_client", "-connect"]
        process = subprocess.Popen(
            [*command, f"127.0.0.1:{gateway.ports[0]}", "-CAfile", certificate[0], *flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
        assert process.stdin is not None
        try:
            # It ends as soon as nobody has anything more to tell it.
            for word in told:
                time.sleep(seconds / 2)
                process.stdin.write(word)
                process.stdin.flush()
            time.sleep(seconds)
            return process.communicate(timeout=PATIENCE)[0]
        except BrokenPipeError:
            return process.communicate(timeout=PATIENCE)[0]

    return run


# one client after the other


@VERSIONS
def test_pythons_client(connect, version):
    client = connect(**version)
    for _ in range(3):
        assert client.ask(get("/healthz")).body == b"OK"


@pytest.mark.parametrize("version", ["--tlsv1.2 --tls-max 1.2", "--tlsv1.3"])
@pytest.mark.parametrize(("spoken", "agreed"), [("--http1.1", "http/1.1"), ("--http2", "h2")])
def test_curl(gateway, certificate, version, spoken, agreed):
    port = gateway.ports[0]
    url = f"https://{NAME}:{port}/healthz"
    done = subprocess.run(
        [need_program("curl"), "-sv", spoken, *version.split(), "--cacert", certificate[0],
         "--resolve", f"{NAME}:{port}:127.0.0.1", url, url],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "OKOK"), done.stderr
    assert f"ALPN: server accepted {agreed}" in done.stderr
    assert "Re-using existing connection" in done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssls_client_agrees_with_alpn(s_client, version):
    said = s_client(version, "-alpn", "h2,http/1.1", seconds=0)
    assert "ALPN protocol: h2" in said
    assert "Verify return code: 0 (ok)" in said
    assert "No ALPN negotiated" in s_client(version, "-alpn", "spdy/1", seconds=0)


@VERSIONS
def test_who_offers_nothing_that_we_speak_is_served_all_the_same(connect, certificate, version):
    context = client_context(certificate[0])
    context.set_alpn_protocols(["spdy/1"])
    client = connect(context, **version)
    assert client.socket.selected_alpn_protocol() is None
    assert client.ask(get("/healthz")).body == b"OK"


def test_openssls_client_resumes_its_session(s_client, tmp_path):
    said = s_client("-tls1_2", "-reconnect", seconds=0)
    assert said.count("Reused, TLSv1.2") == 5
    file = str(tmp_path / "session")
    ask = f"GET /healthz HTTP/1.1\r\nHost: {NAME}\r\n\r\n"
    assert "New, TLSv1.3" in s_client("-tls1_3", "-sess_out", file, told=[ask])
    assert "Reused, TLSv1.3" in s_client("-tls1_3", "-sess_in", file, seconds=0)


@pytest.mark.parametrize(
    "flags",
    [
        "-tls1_1 -cipher DEFAULT:@SECLEVEL=0",
        "-tls1 -cipher DEFAULT:@SECLEVEL=0",
        "-tls1_2 -cipher AES128-SHA",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",
        "-tls1_2 -cipher aNULL:@SECLEVEL=0",
    ],
)
def test_what_is_old_is_refused_with_an_alert(s_client, flags):
    said = s_client(*flags.split(), seconds=0)
    assert "alert handshake failure" in said or "alert protocol version" in said
    assert "Cipher is (NONE)" in said


@pytest.mark.parametrize(
    "flags",
    [
        "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",
        "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256",
        "-tls1_3 -groups P-384",
    ],
)
def test_what_is_good_is_agreed_to(s_client, flags):
    assert "Verify return code: 0 (ok)" in s_client(*flags.split(), seconds=0)


AES, LONGER_AES, CHACHA = (f"ECDHE-ECDSA-{name}" for name in (
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"))  # fmt: skip


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ([LONGER_AES, AES, CHACHA], AES),
        ([LONGER_AES, CHACHA], LONGER_AES),
        # Whose hardware is slow with AES says so.
        ([CHACHA, LONGER_AES, AES], CHACHA),
    ],
)
def test_the_cipher_that_costs_least_is_agreed_to(connect, certificate, offered, agreed):
    context = client_context(certificate[0])
    context.set_ciphers(":".join(offered))
    assert connect(context, **V12).socket.cipher()[0] == agreed


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    ],
)
def test_in_tls_1_3_too(s_client, offered, agreed):
    if not can_control():
        pytest.skip("this OpenSSL is out of reach")
    assert f"Cipher is {agreed}" in s_client("-tls1_3", "-ciphersuites", offered, seconds=0)


def test_a_first_request_does_not_wait_for_an_acknowledgement(connect):
    waits = []
    for _ in range(5):
        client = connect(**V13)
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        with Stopwatch() as watch:
            client.ask(get("/healthz"))
        waits.append(watch.seconds)
    assert min(waits) < 0.03


def test_renegotiation_is_refused(s_client):
    assert "no renegotiation" in s_client("-tls1_2", told=["R\n"])


def test_new_keys_on_the_way_are_agreed_to(s_client):
    ask = f"GET /healthz HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
    said = s_client("-tls1_3", told=["k\n", "K\n", ask])
    assert said.count("KEYUPDATE") == 2
    assert "HTTP/1.1 200 OK" in said


# large bodies


@VERSIONS
def test_a_hundred_megabytes_both_ways_in_little_memory(gateway, connect, origin, version):
    size = 100 * MEGABYTE
    body = random.Random(1).randbytes(MEGABYTE) * 100
    client = connect(**version)
    assert client.ask(get("/healthz")).body == b"OK"
    before = gateway.memory
    head = post("/api/x", b"").replace(b"Content-Length: 0", b"Content-Length: %d" % size)
    sender = threading.Thread(target=lambda: (client.send(head), client.send(body)))
    sender.start()
    far = origin.accept()
    assert far.head().value(b"content-length") == b"%d" % size
    assert digest_of(far, size) == hashlib.sha256(body).digest()
    sender.join()
    sender = threading.Thread(target=far.send, args=(answer(200, body),))
    sender.start()
    assert client.head().status == 200
    assert digest_of(client, size) == hashlib.sha256(body).digest()
    sender.join()
    assert gateway.memory - before < 8 * MEGABYTE
    assert client.ask(get("/healthz")).body == b"OK"


def digest_of(stream, size):
    """Read ``size`` bytes and keep none."""
    found = hashlib.sha256(stream.buffer)
    left, stream.buffer = size - len(stream.buffer), b""
    while left:
        piece = stream.socket.recv(min(left, MEGABYTE))
        assert piece, f"closed with {left} bytes to come"
        found.update(piece)
        left -= len(piece)
    return found.digest()


# clients that are none


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("said", [0, 1, 100, 1000], ids="{} bytes".format)
def test_a_handshake_that_stops_is_cut(gateway, said):
    hello = client_hello()[:said]
    with Stopwatch() as watch:
        client = gateway.connect()
        client.send(hello)
        client.rest()
    assert 0.9 < watch.seconds < 3


def test_a_handshake_that_drips_is_cut(gateway):
    hello = client_hello()
    with Stopwatch() as watch:
        client = gateway.connect()
        for at in range(40):
            client.send(hello[at : at + 1])
            if client.ending is not None or not client.says_nothing(0.1):
                break
        client.rest()
    assert 0.9 < watch.seconds < 3


def test_a_handshake_byte_by_byte(gateway, certificate):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(certificate[0]).wrap_bio(incoming, outgoing, server_hostname=NAME)
    client = gateway.connect()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def work(step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    client.send(bytes([byte]))
                assert client.more()
                incoming.write(client.buffer)
                client.buffer = b""

    work(tls.do_handshake)
    tls.write(get("/healthz"))
    assert work(lambda: tls.read(65536)).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PRI"])
def test_plain_http_is_told_what_to_write(gateway, method):
    client = gateway.connect()
    client.send(f"{method} / HTTP/1.1\r\nHost: x\r\n".encode() + b"A: b\r\n" * 20_000)
    got = client.rest()
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"https://" in got


def test_a_scan_does_not_fill_the_log(gateway):
    before = gateway.output
    for number in range(60):
        client = gateway.connect()
        client.send((b"\x00\xff garbage", b"GET / HTTP/1.0\r\n\r\n")[number % 2])
        if number % 3:
            client.rest()
        client.close()
    new = gateway.output[len(before) :]
    assert new.count("\n") <= 2
    assert "Traceback" not in new


def test_an_end_without_a_goodbye_breaks_the_upload(connect, origin):
    client = connect()
    client.send(post("/api/x", b"x" * 1000)[:-10])
    far = origin.accept()
    far.head()
    client.socket.shutdown(socket.SHUT_RDWR)
    far.rest()
    assert far.ending is not None


def test_many_connections_leave_nothing_behind(gateway, connect, certificate):
    folder = Path(f"/proc/{gateway.process.pid}/fd")
    context = client_context(certificate[0])

    def descriptors() -> int:
        return sum(1 for _ in folder.iterdir())

    def one_of_each() -> None:
        for end in (Client.close, Client.reset, lambda client: client.socket.unwrap()):
            client = connect(context)
            assert client.ask(get("/healthz")).body == b"OK"
            end(client)
        for said in (b"", client_hello(), client_hello()[:50], b"garbage", b"\x16\x03\x01"):
            client = gateway.connect()
            client.send(said)
            client.close()
        gateway.forget_clients()

    before = descriptors()
    for _ in range(40):
        one_of_each()
    until(lambda: descriptors() <= before, what="the descriptors' return")
    memory = gateway.memory
    for _ in range(160):
        one_of_each()
    until(lambda: descriptors() <= before, what="the descriptors' return")
    assert gateway.memory - memory < 2 * MEGABYTE


def test_a_drain_does_not_wait_for_handshakes(tmp_path, certificate):
    cert, key = certificate
    listen = [f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"]
    gateway = GatewayProcess(tmp_path, "gateway: {access_log: off}\n", listen=listen)
    try:
        client = gateway.connect()
        client.send(client_hello())
        client.more()
        tls = gateway.connect_tls(0, client_context(cert), NAME)
        assert tls.ask(get("/healthz")).body == b"OK"
        with Stopwatch() as watch:
            gateway.terminate()
            assert gateway.exit_code() == 0
        assert watch.seconds < 2
        assert tls.rest() == b"" and tls.ending == "closed"
    finally:
        gateway.kill()

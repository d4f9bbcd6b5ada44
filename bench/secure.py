"""TLS 1.3 with a certificate on P-256: small answers, new handshakes, 1 MB answers."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

from bench.origin import MEGABYTE, SMALL
from bench.peers import Ground, Peer
from bench.processes import HOST, Running
from bench.raw_client import BrokenError
from bench.works import Effort, Work, check_small_requests, small_cost, wrk

_THREADS = 4


class Secure(Work):
    """What all kinds of work over TLS have in common."""

    def obstacle(self, ground: Ground) -> str:
        """Without a certificate there is no TLS."""
        return "" if ground.certificate else "no certificate could be made (apt install openssl)"

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """Those that were set up with TLS."""
        return peer.has_tls and super().takes(peer, effort)

    def check(self, proxy: Running, ground: Ground) -> None:
        """It is TLS 1.3, and the answer comes from the origin."""
        if not proxy.tls_port:
            raise BrokenError("it did not start with its TLS endpoint")
        if handshake(proxy, _context()) != "TLSv1.3":
            raise BrokenError("not TLS 1.3")


class SecureGet(Secure):
    """As the small GET, over TLS."""

    name = "TLS small GET"
    unit = "µs"

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Load by wrk, proved by the log of the origin."""
        return (small_cost(proxy, ground, effort.seconds, effort.quick, secure=True),)


class SecureMegabyte(Secure):
    """1 MB from the origin on 8 connections."""

    name = "TLS 1 MB answer"
    unit = "µs"

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Load by wrk, which counts the bytes."""
        before = proxy.processor_seconds()
        done = wrk(proxy, effort.seconds, "/bench/megabyte", 8, secure=True)
        spent = proxy.processor_seconds() - before
        if done["bytes"] < done["requests"] * MEGABYTE:
            raise BrokenError(f"too few bytes for the requests: {done}")
        return (spent / done["requests"],)


class Handshake(Secure):
    """A new connection with a full handshake, one small GET, and the end of it."""

    name = "TLS handshake + GET"
    unit = "µs"

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """The client need not be fast: what it takes is in nobody's figure."""
        ground.origin.forget_requests()
        before = proxy.processor_seconds()
        end = time.monotonic() + effort.seconds
        context = _context()

        def shake() -> int:
            count = 0
            while time.monotonic() < end:
                handshake(proxy, context)
                count += 1
            return count

        with ThreadPoolExecutor(_THREADS) as pool:
            count = sum(each.result() for each in [pool.submit(shake) for _ in range(_THREADS)])
        spent = proxy.processor_seconds() - before
        check_small_requests(proxy, ground.origin, count, count, secure=True)
        return (spent / count,)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whom it speaks to is not the question here: the certificate is self-signed.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def handshake(proxy: Running, context: ssl.SSLContext) -> str | None:
    """One connection from its first to its last byte; returns the version of TLS."""
    request = (
        f"GET /bench/small HTTP/1.1\r\nHost: {HOST}:{proxy.tls_port}\r\nConnection: close\r\n\r\n"
    )
    with (
        socket.create_connection((HOST, proxy.tls_port), timeout=10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        if secure.session_reused:
            raise BrokenError("the handshake was a resumed one")
        secure.sendall(request.encode())
        received = b""
        while piece := secure.recv(65536):
            received += piece
        if not received.startswith(b"HTTP/1.1 200") or not received.endswith(SMALL):
            raise BrokenError(f"an odd answer: {received[:200]!r}")
        return secure.version()

"""HTTP/2 over TLS: small answers and 1 MB answers, several at a time on each connection."""

import re
import subprocess

from bench.origin import MEGABYTE, SMALL
from bench.peers import Ground, Peer
from bench.processes import HOST, NotStartedError, Running, program
from bench.raw_client import BrokenError
from bench.secure import Secure
from bench.works import CONNECTIONS, Effort, check_small_requests

_STREAMS = 8


class _Multiplexed(Secure):
    def obstacle(self, ground: Ground) -> str:
        """The client is nghttp2's."""
        try:
            program("h2load")
        except NotStartedError as error:
            return f"{error} (apt install nghttp2-client)"
        return super().obstacle(ground)

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """Those that were set up with it."""
        return peer.has_http2 and super().takes(peer, effort)


class MultiplexedGet(_Multiplexed):
    """As the small GET: 64 at a time, on 8 connections."""

    name = "HTTP/2 small GET"
    unit = "µs"

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Load by h2load, proved by the log of the origin."""
        if not effort.quick:
            h2load(proxy, 1, "/bench/small", len(SMALL))
        ground.origin.forget_requests()
        before = proxy.processor_seconds()
        count = h2load(proxy, effort.seconds, "/bench/small", len(SMALL))
        spent = proxy.processor_seconds() - before
        check_small_requests(proxy, ground.origin, count, count + CONNECTIONS, secure=True)
        return (spent / count,)


class MultiplexedMegabyte(_Multiplexed):
    """1 MB from the origin, 8 at a time on 8 connections."""

    name = "HTTP/2 1 MB answer"
    unit = "µs"

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Load by h2load, which counts the bytes."""
        before = proxy.processor_seconds()
        count = h2load(proxy, effort.seconds, "/bench/megabyte", MEGABYTE, streams=1)
        return ((proxy.processor_seconds() - before) / count,)


_DONE = re.compile(
    r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, .*\n"
    r"status codes: (\d+) 2xx.*\n"
    r"traffic: .*\((\d+)\) data"
)


def h2load(proxy: Running, seconds: float, path: str, size: int, streams: int = _STREAMS) -> int:
    """How many requests were answered. Raises BrokenError when one was answered wrongly."""
    # It takes whole seconds only, and a window that nobody has to wait for.
    command = [
        program("h2load"), "-c8", f"-m{streams}", f"-D{max(1, round(seconds))}", "-w20", "-W24",
        f"https://{HOST}:{proxy.tls_port}{path}",
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    told = _DONE.search(ran.stdout)
    if ran.returncode or told is None:
        raise BrokenError(f"h2load: {ran.stdout[-500:]}{ran.stderr[-500:]}")
    done, succeeded, fine, data = (int(number) for number in told.groups())
    # Those in flight at the end are in the statuses and bytes, and not in the count.
    if not done or done != succeeded or fine < done or data < done * size:
        raise BrokenError(f"h2load saw {told[0]}")
    return done

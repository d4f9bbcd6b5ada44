"""1 GB up and 1 GB down with a slow peer on either side: constant memory, nothing on disk.

The slow peer takes or gives its first megabytes in bursts at a limited rate: far longer than any
buffer would hide. Then it runs at full speed, so that the test ends.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.real.footprint import Footprint, footprint
from tests.real.installed import PEERS
from tests.real.peers.stream import blocks
from tests.real.proxies import Proxy
from tests.real.running import Running, accepts, free_port, running, until

MEGABYTE = 1 << 20
GIGABYTE = 1 << 30
WARM_UP = 64 * MEGABYTE

# 48 MB at 8 MB/s, so that a proxy that does not push back is seen to swell by hundreds of MB.
SLOW = f"{8 * MEGABYTE}:{48 * MEGABYTE}"
SLOW_SECONDS = 48 / 8 * 0.8

MAY_GROW_BY = 20 * MEGABYTE
# Lines of the log, not bodies.
MAY_WRITE = MEGABYTE

STREAM = PEERS / "stream.py"


@cache
def sha256_of(total: int) -> str:
    digest = hashlib.sha256()
    for block in blocks(total):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def upstream(folder: Path, pace: str) -> Iterator[int]:
    """Port of a streaming upstream with this pace."""
    port = free_port()
    argv = [sys.executable, STREAM, "upstream", str(port), pace]
    with running(argv, folder / f"upstream-{port}.log", ready=lambda: accepts(port)):
        yield port


@pytest.fixture
def front(proxy, tmp_path: Path) -> Iterator[Proxy]:
    """The proxy, warm, with a fast upstream behind /fast/ and a slow one behind /slow/."""
    with upstream(tmp_path, "fast") as fast, upstream(tmp_path, SLOW) as slow:
        routes = {
            "/fast/": {"to": f"http://127.0.0.1:{fast}", "max_body": 0},
            "/slow/": {"to": f"http://127.0.0.1:{slow}", "max_body": 0},
        }
        front = proxy(routes)
        for method in ("put", "get"):
            moved = transfer(front, method, "/fast", WARM_UP, "fast", tmp_path)[0]
            assert moved["sha256"] == sha256_of(WARM_UP)
        yield front


def transfer(
    front: Proxy, method: str, under: str, total: int, pace: str, folder: Path
) -> tuple[dict[str, object], list[Footprint]]:
    """One exchange; what arrived, and the footprints of the proxy meanwhile."""
    url = f"{front.url}{under}/{total}"
    log = folder / f"client-{method}{under.replace('/', '-')}-{total}.log"
    client = Running([sys.executable, STREAM, method, url, str(total), pace], log)
    seen: list[Footprint] = []

    def look() -> bool:
        seen.append(footprint(front.process.family()))
        return client.popen.poll() is not None

    try:
        until(look, 150, f"{method} of {total} bytes has ended", every=0.05)
    finally:
        client.stop()
    assert client.popen.returncode == 0, client.tail()
    return json.loads(client.tail(1)), seen


EXCHANGES = {
    "up, slow upstream": ("put", "/slow", "fast"),
    "up, slow client": ("put", "/fast", SLOW),
    "up in chunks, slow upstream": ("put", "/slow/chunked", "fast"),
    "down, slow client": ("get", "/fast", SLOW),
    "down, slow upstream": ("get", "/slow", "fast"),
    "down in chunks, slow client": ("get", "/fast/chunked", SLOW),
}


@pytest.mark.slow
@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES.keys())
def test_a_gigabyte_passes_in_constant_memory(
    front: Proxy, tmp_path: Path, exchange: tuple[str, str, str]
) -> None:
    method, under, pace = exchange
    warm = footprint(front.process.family())

    moved, seen = transfer(front, method, under, GIGABYTE, pace, tmp_path)

    assert (moved["bytes"], moved["sha256"]) == (GIGABYTE, sha256_of(GIGABYTE))
    assert len(seen) > 20
    grown = max(look.resident for look in seen) - warm.resident
    assert grown < MAY_GROW_BY, f"resident memory grew by {grown / MEGABYTE:.1f} MB"
    assert_nothing_on_disk(front, warm, seen)


def assert_nothing_on_disk(front: Proxy, warm: Footprint, seen: list[Footprint]) -> None:
    assert max(look.written for look in seen) - warm.written < MAY_WRITE
    assert max(look.in_open_files for look in seen) - warm.in_open_files < MAY_WRITE
    assert [path for path in front.temp.rglob("*") if path.is_file()] == []


def test_the_slow_peer_is_slow(tmp_path: Path) -> None:
    """Without a proxy: the limited part takes its time, so the other side does have to wait."""
    with upstream(tmp_path, SLOW) as port:
        argv = [
            sys.executable,
            STREAM,
            "put",
            f"http://127.0.0.1:{port}/",
            str(48 * MEGABYTE),
            "fast",
        ]
        moved = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert moved["seconds"] > SLOW_SECONDS

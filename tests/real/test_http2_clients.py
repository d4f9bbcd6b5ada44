"""100 MB up and down over HTTP/2 with curl, h2load and Chromium: whole, in constant memory.

What they carry passes through TLS on the near side and plain HTTP/1.1 on the far one; nothing of
it may be kept on its way. Chromium also sends a stream whose length it does not know.
"""

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.browser import Page, chromium, new_page
from tests.real.footprint import footprint
from tests.real.installed import PEERS, need_program
from tests.real.peers.stream import blocks
from tests.real.running import accepts, free_port, running, until
from tests.real.test_streaming import sha256_of
from tests.support.certificates import make_certificate
from tests.support.gateway import GatewayProcess

pytestmark = pytest.mark.usefixtures("gateway_only")

MEGABYTE = 1 << 20
SIZE = 100 * MEGABYTE
MAY_GROW_BY = 20 * MEGABYTE
MAY_WRITE = MEGABYTE
WITHIN = 120


class Front:
    """A gateway that speaks HTTP/2, with a server behind /api/ that sends and takes."""

    def __init__(self, gateway: GatewayProcess, certificate: Path) -> None:
        self.gateway = gateway
        self.certificate = certificate
        self.url = f"https://127.0.0.1:{gateway.ports[0]}"

    def up(self, *words: str) -> dict[str, Any]:
        """What the server says that it got when curl sends it something."""
        return json.loads(self.curl("-T", *words, f"{self.url}/api/up"))

    def curl(self, *words: str) -> bytes:
        """What curl writes. It has to be HTTP/2."""
        program = need_program("curl")
        told = ["--write-out", "%{stderr}%{http_code} %{http_version}"]
        common = [program, "-sS", "--http2", "--cacert", str(self.certificate), *told]
        done = subprocess.run([*common, *words], capture_output=True, timeout=WITHIN, check=False)
        assert done.stderr == b"200 2", done.stderr
        return done.stdout

    def entries(self, target: str, count: int) -> list[dict[str, Any]]:
        """So many lines of the access log with this target, or none as long as there are fewer."""
        found = [entry for entry in self.gateway.entries() if entry["target"] == target]
        return found if len(found) >= count else []

    @contextlib.contextmanager
    def stays_small(self) -> Iterator[None]:
        """What is done within leaves no body in memory or on disk, at no time."""
        pids = [self.gateway.process.pid]
        before, seen, ended = footprint(pids), [], threading.Event()

        def look() -> None:
            while not ended.wait(0.01):
                seen.append(footprint(pids))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        assert len(seen) > 2, "it was looked at meanwhile"
        grown = max(each.resident for each in seen) - before.resident
        assert grown < MAY_GROW_BY, f"resident memory grew by {grown / MEGABYTE:.1f} MB"
        assert max(each.written for each in seen) - before.written < MAY_WRITE


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("http2")
    cert, key = make_certificate(folder)
    port = free_port()
    argv = [sys.executable, PEERS / "stream.py", "upstream", str(port), "fast"]
    config = {
        "gateway": {"access_log": {"format": "json", "file": "access.log"}},
        "routes": {"/api/": {"to": f"http://127.0.0.1:{port}", "max_body": 0}},
    }
    with running(argv, folder / "upstream.log", ready=lambda: accepts(port)):
        listen = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
        gateway = GatewayProcess(folder, json.dumps(config), listen=[listen])
        try:
            front = Front(gateway, cert)
            # Warm: what a first large body costs for good is no part of what is measured.
            front.curl("-o", "/dev/null", f"{front.url}/api/{8 * MEGABYTE}")
            yield front
            gateway.stop()
        finally:
            gateway.kill()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 100 MB."""
    file = tmp_path_factory.mktemp("large") / "body"
    with file.open("wb") as out:
        for block in blocks(SIZE):
            out.write(block)
    return file


# curl


@pytest.mark.parametrize("how", ["", "chunked/"])
def test_curl_gets_it(front: Front, tmp_path: Path, how: str) -> None:
    file = tmp_path / "got"
    with front.stays_small():
        front.curl("-o", str(file), f"{front.url}/api/{how}{SIZE}")
    digest = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True)
    assert digest.stdout.split()[0] == sha256_of(SIZE)


def test_curl_sends_it(front: Front, large: Path) -> None:
    with front.stays_small():
        got = front.up(str(large))
    assert (got["bytes"], got["sha256"]) == (SIZE, sha256_of(SIZE))


def test_a_slow_curl_holds_the_server_back(front: Front, tmp_path: Path) -> None:
    """It takes 40 MB in a second, and what is to come does not wait in the gateway."""
    with front.stays_small():
        begun = time.monotonic()
        front.curl("--limit-rate", "40M", "-o", "/dev/null", f"{front.url}/api/{SIZE}")
        assert time.monotonic() - begun > 1.5


# h2load


def h2load(front: Front, *words: str) -> str:
    """What it tells of requests that must all have succeeded."""
    done = subprocess.run(
        [need_program("h2load"), *words], capture_output=True, text=True, timeout=WITHIN, check=True
    )
    assert "Application protocol: h2" in done.stdout, done.stdout
    found = re.search(r"requests: (\d+) total.* (\d+) succeeded, 0 failed, 0 errored", done.stdout)
    assert found is not None and found[1] == found[2], done.stdout
    return done.stdout


def test_h2load_gets_it_in_many_streams(front: Front) -> None:
    with front.stays_small():
        told = h2load(front, "-n100", "-c4", "-m8", f"{front.url}/api/{MEGABYTE}")
    found = re.search(r"\((\d+)\) data", told)
    assert found is not None and int(found[1]) == SIZE


def test_h2load_sends_it_in_many_streams(front: Front, tmp_path: Path) -> None:
    file = tmp_path / "piece"
    file.write_bytes(next(blocks(MEGABYTE)))
    with front.stays_small():
        url = f"{front.url}/api/up?h2load"
        h2load(front, "-n100", "-c4", "-m8", "-H:method: PUT", f"-d{file}", url)
    entries = until(lambda: front.entries("/api/up?h2load", 100), WITHIN, "the log")
    assert sum(entry["bytes_received"] for entry in entries) == SIZE


# Chromium

DOWN = """
(async () => {
  const answer = await fetch("/api/SIZE");
  const reader = answer.body.getReader();
  let size = 0, pieces = 0;
  for (let piece; !(piece = await reader.read()).done; pieces++) size += piece.value.length;
  return [size, pieces > 100];
})()
"""
UP = """
(async () => {
  const block = new Uint8Array(1 << 20).fill(117);
  let left = SIZE;
  const body = new ReadableStream({pull(sink) {
    if (!left) return sink.close();
    left -= block.length;
    sink.enqueue(block.slice());
  }}, {highWaterMark: 1});
  const answer = await fetch("/api/up", {method: "PUT", body, duplex: "half"});
  return await answer.json();
})()
"""
PROTOCOLS = """
[...new Set(performance.getEntriesByType("resource")
  .filter(entry => entry.name.includes("/api/")).map(entry => entry.nextHopProtocol))]
"""


@pytest.fixture
def page(front: Front, tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path) as url, new_page(url) as page:
        page.call("Security.enable")
        page.call("Security.setIgnoreCertificateErrors", ignore=True)
        # Not the start page: it would ask the server, which knows sizes only.
        page.go(f"{front.url}/healthz")
        page.wait_for("document.readyState == 'complete'")
        yield page


def test_chromium_gets_it_and_sends_it(front: Front, page: Page) -> None:
    with front.stays_small():
        assert page.run(DOWN.replace("SIZE", str(SIZE))) == [SIZE, True]
    with front.stays_small():
        got = page.run(UP.replace("SIZE", str(SIZE)))
    assert got["bytes"] == SIZE
    assert page.run(PROTOCOLS) == ["h2"]
    assert [error for error in page.errors if "/api/" in error] == []

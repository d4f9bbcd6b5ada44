"""An hour of mixed traffic, compressed: memory is flat, no descriptor leaks, no timer is left.

DAARION_SOAK_SECONDS says how long (`make soak`: fifteen minutes); it is half a minute by itself.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.real.installed import PEERS
from tests.real.load import Load
from tests.real.mixed_traffic import Mixed
from tests.real.numbered import Numbered, lasting_port, numbered
from tests.real.plain_http import ask
from tests.real.running import accepts, free_port, running
from tests.real.without import LEAKING
from tests.support.certificates import make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("gateway_only")

SECONDS = float(os.environ.get("DAARION_SOAK_SECONDS", "27"))
MEGABYTE = 1 << 20
# Between the medians of the second and the last third, whatever their length.
MAY_GROW_BY = 3 * MEGABYTE
# Descriptors of the pipes that large answers pass through, which are kept: 32 pairs, and a few
# of the process itself.
KEPT_PIPES = 2 * 32 + 6


@dataclass
class Seen:
    """Of one run: resident memory over time in bytes, and (before, after) of the rest."""

    memory: list[int] = field(default_factory=list)
    descriptors: tuple[list[str], list[str]] = ((), ())
    timers: tuple[list[str], list[str]] = ((), ())
    wrong: list[str] = field(default_factory=list)

    def memory_is_flat(self) -> None:
        third = len(self.memory) // 3
        second, last = self.memory[third : 2 * third], self.memory[2 * third :]
        more = statistics.median(last) - statistics.median(second)
        print(f"{statistics.median(last) / MEGABYTE:.1f} MB, {more / MEGABYTE:+.2f} MB")
        assert more < MAY_GROW_BY, f"memory: {more / MEGABYTE:.1f} MB more in the last third"

    def no_descriptor_leaked(self) -> None:
        before, after = self.descriptors
        rest = without_pipes(after)
        assert rest <= without_pipes(before), f"descriptors: {before} before, {after} after"
        assert len(after) - rest <= KEPT_PIPES, f"pipes: {after}"

    def no_timer_is_left(self) -> None:
        before, after = self.timers
        assert len(after) <= len(before), f"timers: {before} before, {after} after"


def without_pipes(descriptors: list[str]) -> int:
    """How many there are beside those of pipes."""
    return sum(1 for name in descriptors if not name.startswith("pipe:"))


class Site:
    """The gateway and all that stands behind it."""

    def __init__(self, folder: Path, server: Numbered, echo: int, without: str) -> None:
        self._server = server
        self._echo = echo
        self._dead = lasting_port()
        certificate, key = make_certificate(folder)
        secure = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
        code = [sys.executable, str(PEERS / "open_gateway.py"), "gateway.yaml", without]
        self.gateway = GatewayProcess(folder, self._written(0), command=[*code, ANYWHERE, secure])

    def _written(self, turn: int) -> str:
        """The configuration; each one has a route that the others lack."""
        return json.dumps(
            {
                "gateway": {
                    "access_log": {"format": "json", "file": "access.log"},
                    "keep_alive": 2,
                },
                "routes": {
                    "/app/": {"to": "app"},
                    "/ws/": {"to": f"http://127.0.0.1:{self._echo}"},
                    "/dead/": {"to": f"http://127.0.0.1:{self._dead}"},
                    f"/turn{turn}/": {"to": "app"},
                },
                "upstreams": {
                    "app": {
                        "servers": [self._server.url],
                        "health_check": {"path": "/app/1", "interval": "1s"},
                    }
                },
            }
        )

    def reload(self, turn: int) -> None:
        self.gateway.file.write_text(self._written(turn))
        self.gateway.process.send_signal(signal.SIGHUP)

    def descriptors(self) -> list[str]:
        """What each of them is."""
        found = []
        for entry in Path(f"/proc/{self.gateway.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(entry.readlink()))
        return sorted(found)

    def timers(self) -> list[str]:
        return ask("GET", f"http://127.0.0.1:{self.gateway.ports[0]}/look").json()["timers"]


@contextlib.contextmanager
def site(folder: Path, without: str = "") -> Iterator[tuple[Site, contextlib.ExitStack]]:
    """The site, and what stands behind it as a stack that can be closed before it."""
    port = free_port()
    with contextlib.ExitStack() as behind:
        server = behind.enter_context(numbered(folder, journal=False))
        argv = [sys.executable, PEERS / "ws_echo.py", str(port)]
        behind.enter_context(running(argv, folder / "echo.log", ready=lambda: accepts(port)))
        site = Site(folder, server, port, without)
        try:
            yield site, behind
            site.gateway.stop()
        finally:
            site.gateway.kill()


def over_http2(port: int) -> subprocess.Popen | None:
    """h2load, where it is installed."""
    if not (h2load := shutil.which("h2load")):
        return None
    size = ["-n", "200", "-c", "4", "-m", "10"]
    return subprocess.Popen(
        [h2load, *size, f"https://127.0.0.1:{port}/app/1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def soak(folder: Path, seconds: float, without: str = "", settle: float = 10) -> Seen:
    """Let everything happen for so long, then nothing any more, and look at the gateway.

    settle: how long what is left may take to go (seconds).
    """
    seen = Seen()
    with site(folder, without) as (looked_at, behind):
        plain, secure = looked_at.gateway.ports
        descriptors, timers = looked_at.descriptors(), looked_at.timers()
        with (
            Load(plain, clients=8, pause=0.01, renew=50) as gets,
            Load(plain, clients=4, pause=0.02, method="POST", body=b"x" * 20_000) as posts,
            Mixed(plain, secure) as mixed,
        ):
            keep_going(seen, looked_at, secure, seconds)
        for load in (gets, posts):
            if load.failures:
                seen.wrong.append(load.told())
        seen.wrong += [f"{count} × {what}" for what, count in mixed.wrong.items()]
        print(dict(mixed.done), len(gets.outcomes), len(posts.outcomes))
        # Connections that are kept to servers end with these.
        behind.close()
        with contextlib.suppress(AssertionError):
            until(
                lambda: without_pipes(looked_at.descriptors()) <= without_pipes(descriptors), settle
            )
        seen.descriptors = descriptors, looked_at.descriptors()
        with contextlib.suppress(AssertionError):
            until(lambda: len(looked_at.timers()) <= len(timers), settle)
        seen.timers = timers, looked_at.timers()
    return seen


def keep_going(seen: Seen, looked_at: Site, secure: int, seconds: float) -> None:
    """Reloads, HTTP/2, and a look at the memory four times a second."""
    began = time.monotonic()
    loading = over_http2(secure)
    turn = 0
    while (passed := time.monotonic() - began) < seconds:
        if passed > turn + 1:
            turn += 1
            looked_at.reload(turn)
        if loading is not None and loading.poll() is not None:
            said = loading.communicate()[0]
            if "200 succeeded, 0 failed, 0 errored" not in said:
                seen.wrong.append(f"h2load: {said[-600:]}")
            loading = over_http2(secure)
        seen.memory.append(looked_at.gateway.memory)
        time.sleep(0.25)
    if loading is not None:
        loading.communicate(timeout=30)


def test_after_an_hour_of_everything_it_is_as_it_was(tmp_path: Path) -> None:
    seen = soak(tmp_path, SECONDS)
    assert seen.wrong == []
    seen.memory_is_flat()
    seen.no_descriptor_leaked()
    seen.no_timer_is_left()


def test_it_is_not_where_each_connection_leaves_something_behind(tmp_path: Path) -> None:
    """So the test above can fail, for each of its reasons."""
    seen = soak(tmp_path, 6, LEAKING, settle=1)
    with pytest.raises(AssertionError, match="memory"):
        seen.memory_is_flat()
    with pytest.raises(AssertionError, match="descriptors"):
        seen.no_descriptor_leaked()
    with pytest.raises(AssertionError, match="timers"):
        seen.no_timer_is_left()

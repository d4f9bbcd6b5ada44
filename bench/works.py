"""The kinds of work that are measured. A new one is one class and one line in WORKS.

A work is checked once with everything looked at (`check`), then measured many times (`measure`);
a measurement that was not wholly done as asked raises BrokenError instead of giving a number.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.origin import BIG, SMALL, Origin
from bench.peers import ACCESS_LOG
from bench.processes import HOST, Running
from bench.raw_client import Answer, BrokenError, Client, digest

_ANSWER_FIELDS = {
    "X-Content-Type-Options": ["nosniff"],
    "X-Frame-Options": ["DENY"],
    "Referrer-Policy": ["strict-origin-when-cross-origin"],
}
CONNECTIONS = 64


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of small requests, and large bodies in a row."""

    seconds: float
    bodies: int


class Work(Protocol):
    """One row of the table."""

    name: str
    unit: str

    def check(self, proxy: Running, origin: Origin) -> None:
        """Look at one answer from every side."""

    def measure(self, proxy: Running, origin: Origin, effort: Effort) -> float:
        """Return processor seconds of the proxy per unit of work."""


def _check_answer(answer: Answer, size: int | None) -> None:
    if answer.status != 200:
        raise BrokenError(f"status {answer.status}: {answer.body[:300]!r}")
    if size is not None and answer.size != size:
        raise BrokenError(f"{answer.size} bytes came, not {size}")
    for name, wanted in _ANSWER_FIELDS.items():
        if answer.all(name) != wanted:
            raise BrokenError(f"{name} is {answer.all(name)}, not {wanted}")


class SmallGet:
    """A 40-byte JSON answer on 64 kept-alive connections."""

    name = "small GET"
    unit = "µs"

    def check(self, proxy: Running, origin: Origin) -> None:
        """The body is the origin's and the fields are there."""
        client = Client(proxy.port)
        answer = client.get("/bench/small", keep=True)
        client.close()
        _check_answer(answer, len(SMALL))
        if answer.body != SMALL:
            raise BrokenError(f"another body: {answer.body!r}")

    def measure(self, proxy: Running, origin: Origin, effort: Effort) -> float:
        """Load by wrk; the origin's own log says whether each request got there whole."""
        _wrk(proxy, min(1.0, effort.seconds / 2))
        origin.forget_requests()
        logged = _lines(proxy)
        before = proxy.processor_seconds()
        done = _wrk(proxy, effort.seconds)
        spent = proxy.processor_seconds() - before
        if done["wrong"] or not done["requests"]:
            raise BrokenError(f"wrk saw {done}")
        if done["bytes"] < done["requests"] * len(SMALL):
            raise BrokenError(f"too few bytes for the requests: {done}")
        # Those in flight when wrk stops reach the origin and are in nobody's count.
        count = done["requests"]
        origin.check_requests("/small", count, count + CONNECTIONS, f"{HOST}:{proxy.port}")
        _check_log(proxy, logged + count)
        self.check(proxy, origin)
        return spent / count


def _lines(proxy: Running) -> int:
    """How many lines the proxy's access log has now, 0 when it writes none."""
    path = proxy.log.with_name(ACCESS_LOG)
    if not path.exists():
        return 0
    with path.open("rb") as log:
        return sum(1 for _ in log)


def _check_log(proxy: Running, at_least: int) -> None:
    """A proxy that logs has to have logged every request, a second later at most."""
    if not proxy.log.with_name(ACCESS_LOG).exists():
        return
    deadline = time.monotonic() + 3
    while (found := _lines(proxy)) < at_least:
        if time.monotonic() > deadline:
            raise BrokenError(f"{found} lines are in the access log, not {at_least}")
        time.sleep(0.05)


def _wrk(proxy: Running, seconds: float) -> dict[str, int]:
    script = Path(__file__).with_name("report.lua")
    # wrk takes whole seconds only.
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{whole}s", "-s", str(script)]
    address = f"http://{HOST}:{proxy.port}/bench/small"
    ran = subprocess.run([*command, address], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


class Download:
    """100 MB from the origin to one client, several in a row on one connection."""

    name = "100 MB answer"
    unit = "ms"

    def check(self, proxy: Running, origin: Origin) -> None:
        """The bytes are those of the file."""
        client = Client(proxy.port)
        answer = client.get("/bench/big", keep=True)
        client.close()
        _check_answer(answer, BIG)
        if digest(answer.body) != digest((origin.folder / "files" / "big").read_bytes()):
            raise BrokenError("100 MB came, but not those of the origin")

    def measure(self, proxy: Running, origin: Origin, effort: Effort) -> float:
        """Every byte is counted, and the origin has to have served each file."""
        client = Client(proxy.port)
        client.get("/bench/big")
        origin.forget_requests()
        before = proxy.processor_seconds()
        for _ in range(effort.bodies):
            _check_answer(client.get("/bench/big"), BIG)
        spent = proxy.processor_seconds() - before
        client.close()
        origin.check_requests("/big", effort.bodies, effort.bodies, client.authority)
        return spent / effort.bodies


class Upload:
    """100 MB from one client to the sink, several in a row on one connection."""

    name = "100 MB upload"
    unit = "ms"

    def check(self, proxy: Running, origin: Origin) -> None:
        """The sink got all bytes, and the fields that a proxy adds."""
        client = Client(proxy.port)
        _upload(client)
        client.close()

    def measure(self, proxy: Running, origin: Origin, effort: Effort) -> float:
        """The sink says for each body how many bytes came."""
        client = Client(proxy.port)
        _upload(client)
        before = proxy.processor_seconds()
        for _ in range(effort.bodies):
            _upload(client)
        spent = proxy.processor_seconds() - before
        client.close()
        return spent / effort.bodies


def _upload(client: Client) -> None:
    answer = client.upload("/sink/file", BIG)
    _check_answer(answer, None)
    said = json.loads(answer.body)
    fields = {name.lower(): value for name, value in said["head"]}
    wanted = {"host": client.authority, "x-real-ip": HOST, "x-forwarded-proto": "http"}
    if said["received"] != BIG or not wanted.items() <= fields.items():
        raise BrokenError(f"the sink got {said}")
    if len(fields.get("x-request-id", "")) < 8:
        raise BrokenError(f"the sink got no request id: {said}")


WORKS: tuple[Work, ...] = (SmallGet(), Download(), Upload())

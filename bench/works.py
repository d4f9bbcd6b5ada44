"""The plain kinds of work: small answers, large answers and uploads, and what a work is.

A work is checked once with everything looked at (`check`), then measured many times (`measure`);
a measurement that was not wholly done as asked raises BrokenError instead of giving a number.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.origin import BIG, SMALL, Origin
from bench.peers import Ground, Peer, peer_of
from bench.plan import ACCESS_LOG, ANSWER_FIELDS
from bench.processes import HOST, Running
from bench.raw_client import Answer, BrokenError, Client, digest

CONNECTIONS = 64


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of small requests, large bodies in a row, and whether to
    look only if it runs at all.
    """

    seconds: float
    bodies: int
    quick: bool = False


class Work:
    """One row of the table, or a few that are measured together."""

    name: str
    unit: str

    def rows(self, effort: Effort) -> tuple[str, ...]:
        """Names of the rows."""
        return (self.name,)

    def obstacle(self, ground: Ground) -> str:
        """Why it cannot be measured on this machine; empty when it can."""
        return ""

    def takes(self, peer: Peer, effort: Effort) -> bool:
        """Whether this peer is measured at this work."""
        return peer.works is None or self.name in peer.works

    def check(self, proxy: Running, ground: Ground) -> None:
        """Look at one answer from every side."""

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Return one figure for each row: processor seconds per unit of work, if `unit` is one of
        time and nothing else is said.
        """
        raise NotImplementedError


def check_answer(answer: Answer, size: int | None) -> None:
    """Raise BrokenError unless it is a 200 with that size and the fields that a proxy adds."""
    if answer.status != 200:
        raise BrokenError(f"status {answer.status}: {answer.body[:300]!r}")
    if size is not None and answer.size != size:
        raise BrokenError(f"{answer.size} bytes came, not {size}")
    for name, wanted in ANSWER_FIELDS.items():
        if answer.all(name) != [wanted]:
            raise BrokenError(f"{name} is {answer.all(name)}, not {wanted}")


def check_small(port: int, path: str = "/bench/small") -> None:
    """The body is the origin's and the fields are there."""
    client = Client(port)
    answer = client.get(path, keep=True)
    client.close()
    check_answer(answer, len(SMALL))
    if answer.body != SMALL:
        raise BrokenError(f"another body: {answer.body!r}")


class SmallGet(Work):
    """A 40-byte JSON answer on 64 kept-alive connections."""

    name = "small GET"
    unit = "µs"

    def check(self, proxy: Running, ground: Ground) -> None:
        """One answer, byte by byte."""
        check_small(proxy.port)

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Load by wrk; the origin's own log says whether each request got there whole."""
        return (small_cost(proxy, ground, effort.seconds, effort.quick),)


def small_cost(
    proxy: Running,
    ground: Ground,
    seconds: float,
    cold: bool = False,
    path: str = "/bench/small",
    secure: bool = False,
) -> float:
    """Processor seconds per small request, each of them proved by the log of the origin."""
    if not cold:
        wrk(proxy, 1, path, secure=secure)
    origin = ground.origin
    origin.forget_requests()
    logged = _lines(proxy)
    before = proxy.processor_seconds()
    done = wrk(proxy, seconds, path, secure=secure)
    spent = proxy.processor_seconds() - before
    if done["bytes"] < done["requests"] * len(SMALL):
        raise BrokenError(f"too few bytes for the requests: {done}")
    # Those in flight when wrk stops reach the origin and are in nobody's count.
    count = done["requests"]
    check_small_requests(proxy, origin, count, count + CONNECTIONS, secure)
    _check_log(proxy, logged + count)
    return spent / count


def check_small_requests(
    proxy: Running, origin: Origin, at_least: int, at_most: int, secure: bool
) -> None:
    """Raise BrokenError unless the origin saw that many small requests, each with its fields."""
    port, proto = (proxy.tls_port, "https") if secure else (proxy.port, "http")
    own_ids = peer_of(proxy).own_ids
    origin.check_requests("/small", at_least, at_most, f"{HOST}:{port}", proto, own_ids)


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


def wrk(
    proxy: Running,
    seconds: float,
    path: str = "/bench/small",
    connections: int = CONNECTIONS,
    secure: bool = False,
) -> dict[str, int]:
    """Return what wrk counted. Raises BrokenError when an answer was wrong or none came."""
    script = Path(__file__).with_name("report.lua")
    # wrk takes whole seconds only.
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "-s", str(script)]
    start = f"https://{HOST}:{proxy.tls_port}" if secure else f"http://{HOST}:{proxy.port}"
    ran = subprocess.run([*command, start + path], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BrokenError(f"wrk: {ran.stderr.strip()}")
    done: dict[str, int] = json.loads(ran.stdout.splitlines()[-1])
    if done["wrong"] or not done["requests"]:
        raise BrokenError(f"wrk saw {done}")
    return done


class Download(Work):
    """100 MB from the origin to one client, several in a row on one connection."""

    name = "100 MB answer"
    unit = "ms"

    def check(self, proxy: Running, ground: Ground) -> None:
        """The bytes are those of the file."""
        client = Client(proxy.port)
        answer = client.get("/bench/big", keep=True)
        client.close()
        check_answer(answer, BIG)
        if digest(answer.body) != digest((ground.origin.folder / "files" / "big").read_bytes()):
            raise BrokenError("100 MB came, but not those of the origin")

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Every byte is counted, and the origin has to have served each file."""
        client = Client(proxy.port)
        client.get("/bench/big")
        ground.origin.forget_requests()
        before = proxy.processor_seconds()
        for _ in range(effort.bodies):
            check_answer(client.get("/bench/big"), BIG)
        spent = proxy.processor_seconds() - before
        client.close()
        own_ids = peer_of(proxy).own_ids
        ground.origin.check_requests(
            "/big", effort.bodies, effort.bodies, client.authority, own_ids=own_ids
        )
        return (spent / effort.bodies,)


class Upload(Work):
    """100 MB from one client to the sink, several in a row on one connection."""

    name = "100 MB upload"
    unit = "ms"

    def check(self, proxy: Running, ground: Ground) -> None:
        """The sink got all bytes, and the fields that a proxy adds."""
        client = Client(proxy.port)
        _upload(client)
        client.close()

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """The sink says for each body how many bytes came."""
        client = Client(proxy.port)
        _upload(client)
        before = proxy.processor_seconds()
        for _ in range(effort.bodies):
            _upload(client)
        spent = proxy.processor_seconds() - before
        client.close()
        return (spent / effort.bodies,)


def _upload(client: Client) -> None:
    answer = client.upload("/sink/file", BIG)
    check_answer(answer, None)
    said = json.loads(answer.body)
    fields = {name.lower(): value for name, value in said["head"]}
    wanted = {"host": client.authority, "x-real-ip": HOST, "x-forwarded-proto": "http"}
    if said["received"] != BIG or not wanted.items() <= fields.items():
        raise BrokenError(f"the sink got {said}")
    if len(fields.get("x-request-id", "")) < 8:
        raise BrokenError(f"the sink got no request id: {said}")

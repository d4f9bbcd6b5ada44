"""Clients that ask on and on, and tell of each request what became of it.

wrk counts failures; here every request has a number, which the server (peers/numbered.py) gives
back, so that it is known which failed, when, why, and who answered the others. One request at a
time per client, on a kept-alive connection; a request is never repeated.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass

from tests.support.waiting import until

# A request without an answer for so long has failed, whatever becomes of it (seconds).
LOST = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. why: empty when all is well; by: pid of the server that answered;
    port: that of the client's connection, 0 without one; began, ended: on the monotonic clock.
    """

    number: int
    why: str
    began: float
    ended: float
    by: int
    port: int


class BadAnswerError(Exception):
    """An answer that is not the one that was asked for."""


class _Client:
    """One kept-alive connection at a time."""

    def __init__(self, port: int, method: str, path: str, body: bytes) -> None:
        self._to = port
        self._method = method
        self._path = path
        self._body = body
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.port = 0

    async def ask(self, number: int) -> int:
        """The pid of who answered. Raises OSError, EOFError or BadAnswerError."""
        if self._streams is None:
            self.port = 0
            self._streams = await asyncio.open_connection("127.0.0.1", self._to)
            self.port = self._streams[1].get_extra_info("sockname")[1]
        reader, writer = self._streams
        framing = f"Content-Length: {len(self._body)}\r\n" if self._method == "POST" else ""
        head = f"{self._method} {self._path}{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n"
        writer.write(head.encode() + self._body)
        status, fields, body = await _read_answer(reader)
        if fields.get("connection", "").lower() == "close":
            self.close()
        if status != 200:
            raise BadAnswerError(f"{status} {body[:200].decode(errors='replace')}")
        said, _, rest = body.partition(b" ")
        by, _, length = rest.partition(b" ")
        if said != str(number).encode() or int(length) != len(self._body):
            raise BadAnswerError(f"the answer to another request: {body[:80]!r}")
        return int(by)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    parts = (line.partition(":") for line in lines if line)
    fields = {name.lower(): value.strip() for name, _, value in parts}
    body = await reader.readexactly(int(fields["content-length"]))
    return int(first.split(" ", 2)[1]), fields, body


class Load:
    """`with Load(port, clients=16, pause=0.02) as load:` asks until the end of the block.

    pause: of each client after each answer, in seconds. renew: after how many requests a client
    makes a new connection. After the block all requests have ended.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int,
        pause: float,
        method: str = "GET",
        path: str = "/app/",
        body: bytes = b"",
        renew: int = 1_000_000,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._clients = [_Client(port, method, path, body) for _ in range(clients)]
        self._pause = pause
        self._renew = renew
        self._numbers = itertools.count(1)
        self._ending = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._ask_on(client) for client in self._clients))

    async def _ask_on(self, client: _Client) -> None:
        for asked in itertools.count(1):
            outcome = await self._ask_once(client, next(self._numbers))
            self.outcomes.append(outcome)
            if self._ending:
                break
            if asked % self._renew == 0:
                client.close()
            await asyncio.sleep(self._pause)
        client.close()

    async def _ask_once(self, client: _Client, number: int) -> Outcome:
        began = time.monotonic()
        by, why = 0, ""
        try:
            async with asyncio.timeout(LOST):
                by = await client.ask(number)
        except BadAnswerError as error:
            why = str(error)
        except (OSError, EOFError, TimeoutError) as error:
            why = type(error).__name__
            client.close()
        return Outcome(number, why, began, time.monotonic(), by, client.port)

    # what it has seen

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in list(self.outcomes) if outcome.why]

    @property
    def answered(self) -> list[Outcome]:
        return [outcome for outcome in list(self.outcomes) if not outcome.why]

    def answered_by(self, pid: int) -> list[Outcome]:
        return [outcome for outcome in self.answered if outcome.by == pid]

    def under_way(self, during: tuple[float, float]) -> set[int]:
        """Numbers of the requests that were begun and not ended at some time between these."""
        first, last = during
        return {one.number for one in self.outcomes if one.began <= last and first <= one.ended}

    def sees(self, count: int, pid: int, within: float = 20.0) -> None:
        """Wait until this server has given so many answers."""
        until(lambda: len(self.answered_by(pid)) >= count, within, f"{count} answers by {pid}")

    def goes_on_for_all(self, since: float, within: float = 20.0) -> None:
        """Wait until each client has begun a request after this time, and it has ended."""
        clients = len(self._clients)
        until(
            lambda: len({one.port for one in list(self.outcomes) if one.began > since}) >= clients,
            within,
            "an answer for each client",
        )

    def goes_on(self, count: int, within: float = 20.0) -> None:
        """Wait until so many more requests have ended."""
        wanted = len(self.outcomes) + count
        until(lambda: len(self.outcomes) >= wanted, within, f"{count} more requests")

    def lasts_until(self, at: float) -> None:
        """Go on until a request that began after this time has ended."""
        until(
            lambda: self.outcomes and self.outcomes[-1].began > at,
            at - time.monotonic() + 20,
            "the end of the load",
        )

    def told(self) -> str:
        """Which failures there were, for a message."""
        counts = Counter(one.why for one in self.failures)
        lines = (f"{count} × {why}" for why, count in counts.most_common(5))
        return f"{len(self.failures)} of {len(self.outcomes)} failed: " + "; ".join(lines)


def longest(outcomes: list[Outcome]) -> float:
    """Seconds that the slowest of them took."""
    return max(one.ended - one.began for one in outcomes)

"""Everything that clients do in an hour, at once: what is good, what is rude, what fails.

It speaks to a gateway with the routes of test_soak.py and counts what was not as it should be.
"""

import asyncio
import random
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

import websockets

from tests.real.peers.numbered import BIG

Speak = Callable[["Mixed"], Awaitable[None]]
PATIENCE = 20.0


class Mixed:
    """`with Mixed(plain, secure) as mixed:`, both ports of the gateway.

    done: how often each kind of traffic was; wrong: what went wrong, in words.
    """

    def __init__(self, plain: int, secure: int) -> None:
        self.plain = plain
        self.secure = secure
        self.done: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self._ending = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Mixed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._again_and_again(kind) for kind in KINDS))

    async def _again_and_again(self, kind: Speak) -> None:
        name = kind.__name__
        while not self._ending:
            try:
                async with asyncio.timeout(PATIENCE):
                    await kind(self)
            except Exception as error:
                self.wrong[f"{name}: {type(error).__name__} {error}"[:200]] += 1
            self.done[name] += 1
            await asyncio.sleep(0.02)

    async def fetch(self, target: str, secure: bool = False) -> tuple[int, bytes]:
        """Status and body of a GET on a connection of its own."""
        port, context = (self.secure, self.context) if secure else (self.plain, None)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
            return int(head.split()[1]), await reader.readexactly(length)
        finally:
            writer.close()


async def large_answers(mixed: Mixed) -> None:
    got = await mixed.fetch("/app/big/1")
    assert got == (200, BIG)


async def over_tls(mixed: Mixed) -> None:
    status, body = await mixed.fetch("/app/1", secure=True)
    assert (status, body[:2]) == (200, b"1 ")


async def large_answers_over_tls(mixed: Mixed) -> None:
    got = await mixed.fetch("/app/big/1", secure=True)
    assert got == (200, BIG)


async def dead_servers(mixed: Mixed) -> None:
    status, _ = await mixed.fetch("/dead/1")
    assert status in (502, 503)


async def what_is_not_there(mixed: Mixed) -> None:
    status, _ = await mixed.fetch("/nowhere")
    assert status == 404


async def clients_that_go_away(mixed: Mixed) -> None:
    """In the middle of a large answer, of a body, of a head, and before anything."""
    for sent, wanted in (
        (b"GET /app/big/1 HTTP/1.1\r\nHost: x\r\n\r\n", 20_000),
        (b"POST /app/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\nhalf", 0),
        (b"GET /app/1 HTTP/1.1\r\nHo", 0),
        (b"", 0),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", mixed.plain)
        writer.write(sent)
        await writer.drain()
        if wanted:
            await reader.readexactly(wanted)
        writer.transport.abort()


async def nonsense(mixed: Mixed) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mixed.plain)
    writer.write(b"G E T / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def websockets_that_echo(mixed: Mixed) -> None:
    url = f"ws://127.0.0.1:{mixed.plain}/ws/"
    async with websockets.connect(url, compression=None, max_size=None) as socket:
        for size in (1, 125, 4000, 70_000):
            message = random.randbytes(size)
            await socket.send(message)
            assert await socket.recv() == message


async def websockets_that_break(mixed: Mixed) -> None:
    url = f"ws://127.0.0.1:{mixed.plain}/ws/"
    socket = await websockets.connect(url, compression=None)
    await socket.send(b"x" * 1000)
    socket.transport.abort()
    await socket.wait_closed()


KINDS: tuple[Speak, ...] = (
    large_answers,
    over_tls,
    large_answers_over_tls,
    dead_servers,
    what_is_not_there,
    clients_that_go_away,
    nonsense,
    websockets_that_echo,
    websockets_that_break,
)

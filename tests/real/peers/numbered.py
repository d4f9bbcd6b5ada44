"""An upstream that says which request it answers: `numbered.py HOST PORT JOURNAL DELAY`.

`/…/N` is answered with `N PID LENGTH`, LENGTH of the request's body, after DELAY seconds;
`/…/big/N` with a megabyte, `/…/once/N` with the connection's end after it. JOURNAL gets a line
`begun METHOD N` when a request is whole and `answers METHOD N` before the answer goes out: it is
written at once, so that it outlives a kill. `-` is none.
"""

import asyncio
import os
import re
import socket
import sys

BIG = bytes(range(256)) * 4096
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Numbered(asyncio.Protocol):
    def __init__(self, journal: int | None, delay: float) -> None:
        self._journal = journal
        self._delay = delay
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        length = int(found[1]) if found else 0
        if not end or len(rest) < length:
            return
        self._data = rest[length:]
        method, target, _ = head.split(b" ", 2)
        self._note("begun", method, target)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._answer, method, target, length)
        else:
            self._answer(method, target, length)

    def _answer(self, method: bytes, target: bytes, length: int) -> None:
        if self._transport.is_closing():
            return
        *_, kind, number = target.split(b"/")
        body = BIG if kind == b"big" else b"%s %d %d" % (number, os.getpid(), length)
        more = b"Connection: close\r\n" if kind == b"once" else b""
        self._note("answers", method, target)
        # In one piece: an answer is there or it is not.
        self._transport.write(
            b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (more, len(body), body)
        )
        if more:
            self._transport.close()

    def _note(self, what: str, method: bytes, target: bytes) -> None:
        if self._journal is not None:
            number = target.rpartition(b"/")[2]
            os.write(self._journal, b"%s %s %s\n" % (what.encode(), method, number))


async def serve(host: str, port: int, journal: int | None, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Numbered(journal, delay), host, port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    host, port, name, delay = sys.argv[1:]
    flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
    journal = None if name == "-" else os.open(name, flags, 0o600)
    asyncio.run(serve(host, int(port), journal, float(delay)))


if __name__ == "__main__":
    main()

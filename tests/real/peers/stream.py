"""Both ends of a large transfer, with raw sockets and a pace of their own.

    stream.py upstream PORT PACE    serves: GET sends, PUT receives
    stream.py get URL BYTES PACE    fetches BYTES, prints what came as JSON
    stream.py put URL BYTES PACE    sends BYTES, prints what the upstream says that it got

PACE is `fast`, or `RATE:BYTES`: the first BYTES go in bursts at RATE bytes per second, the rest
as fast as it can. What is sent is `blocks()`, the same everywhere; what comes is hashed.
"""

import hashlib
import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

BLOCK = 1 << 20
BURSTS_PER_SECOND = 10
PATIENCE = 120.0


def blocks(total: int) -> Iterator[bytes]:
    """`total` bytes; every block begins with its number, so that none can take another's place."""
    noise = random.Random(1).randbytes(BLOCK - 8)
    for start in range(0, total, BLOCK):
        yield (start.to_bytes(8, "big") + noise)[: total - start]


class Pace:
    """Sleeps so that the first bytes go in bursts at a limited rate."""

    def __init__(self, words: str) -> None:
        rate, _, limited = words.partition(":")
        self._rate = 0 if rate == "fast" else int(rate)
        self._limited = int(limited or 0)
        self._passed = 0
        self._burst = 0

    def passed(self, count: int) -> None:
        """Count bytes; at the end of a burst wait for the next one."""
        self._passed += count
        self._burst += count
        if self._passed < self._limited and self._burst >= self._rate / BURSTS_PER_SECOND:
            time.sleep(self._burst / self._rate)
            self._burst = 0


class Incoming:
    """Reads heads and bodies from a socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._ahead = b""

    def head(self) -> tuple[list[str], dict[str, str]]:
        """Words of the first line, and the fields; an empty first line at the end."""
        while b"\r\n\r\n" not in self._ahead:
            data = self._link.recv(65536)
            if not data:
                return [], {}
            self._ahead += data
        head, self._ahead = self._ahead.split(b"\r\n\r\n", 1)
        first, *rest = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in rest)
        return first.split(" ", 2), {name.lower(): value.strip() for name, _, value in fields}

    def body(self, fields: dict[str, str], pace: Pace) -> dict[str, object]:
        """Take a body in at this pace: its length, hash and seconds."""
        begun = time.monotonic()
        digest, length = hashlib.sha256(), 0
        chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        for data in self._chunks(pace) if chunked else self._plain(fields, pace):
            digest.update(data)
            length += len(data)
        seconds = time.monotonic() - begun
        return {"bytes": length, "sha256": digest.hexdigest(), "seconds": round(seconds, 2)}

    def _plain(self, fields: dict[str, str], pace: Pace) -> Iterator[bytes]:
        yield from self._exactly(int(fields.get("content-length", 0)), pace)

    def _exactly(self, count: int, pace: Pace) -> Iterator[bytes]:
        while count:
            data = self._ahead[:count]
            self._ahead = self._ahead[len(data) :]
            if not data:
                data = self._link.recv(min(count, 1 << 18))
                if not data:
                    return
            count -= len(data)
            pace.passed(len(data))
            yield data

    def _chunks(self, pace: Pace) -> Iterator[bytes]:
        while size := int(self._line(), 16):
            yield from self._exactly(size, pace)
            self._line()
        self._line()

    def _line(self) -> bytes:
        while b"\r\n" not in self._ahead:
            data = self._link.recv(65536)
            if not data:
                raise ConnectionError("cut in the middle of a chunked body")
            self._ahead += data
        line, self._ahead = self._ahead.split(b"\r\n", 1)
        return line


def send_body(link: socket.socket, total: int, pace: Pace) -> None:
    for block in blocks(total):
        for start in range(0, len(block), 65536):
            piece = block[start : start + 65536]
            link.sendall(piece)
            pace.passed(len(piece))


def send_chunked(link: socket.socket, total: int, pace: Pace) -> None:
    for block in blocks(total):
        link.sendall(b"%x\r\n%s\r\n" % (len(block), block))
        pace.passed(len(block))
    link.sendall(b"0\r\n\r\n")


def serve(port: int, pace_words: str) -> None:
    """One connection after the other; `GET /COUNT` sends, `/chunked/COUNT` does so in chunks."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            link, _ = listener.accept()
            with link:
                link.settimeout(PATIENCE)
                serve_one(link, Incoming(link), pace_words)


def serve_one(link: socket.socket, incoming: Incoming, pace_words: str) -> None:
    words, fields = incoming.head()
    if not words:
        return
    if words[0] == "PUT":
        answer = json.dumps(incoming.body(fields, Pace(pace_words))).encode()
        link.sendall(head_of_answer(f"Content-Length: {len(answer)}") + answer)
        return
    _, *kind, count = words[1].split("/")
    if kind == ["chunked"]:
        link.sendall(head_of_answer("Transfer-Encoding: chunked"))
        send_chunked(link, int(count), Pace(pace_words))
    else:
        link.sendall(head_of_answer(f"Content-Length: {count}"))
        send_body(link, int(count), Pace(pace_words))


def head_of_answer(framing: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\n{framing}\r\nConnection: close\r\n\r\n".encode()


def ask(method: str, url: str, total: int, pace_words: str) -> dict[str, object]:
    """One exchange as the client; `/chunked/` in the URL asks for chunks in either direction."""
    parts = urlsplit(url)
    chunked = "/chunked/" in url
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
    head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as link:
        incoming = Incoming(link)
        link.sendall((head + (f"{framing}\r\n\r\n" if method == "PUT" else "\r\n")).encode())
        if method == "PUT":
            (send_chunked if chunked else send_body)(link, total, Pace(pace_words))
        words, fields = incoming.head()
        if method == "PUT" and words[1:2] == ["200"]:
            return json.loads(b"".join(incoming._plain(fields, Pace("fast"))))
        return {"status": words[1:2]} | incoming.body(fields, Pace(pace_words))


def main() -> None:
    match sys.argv[1:]:
        case ["upstream", port, pace]:
            serve(int(port), pace)
        case [("get" | "put") as method, url, total, pace]:
            print(json.dumps(ask(method.upper(), url, int(total), pace)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

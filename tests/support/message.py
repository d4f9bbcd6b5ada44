"""HTTP/1.1 as tests write and read it: bytes in full view, and no opinion about them."""

from dataclasses import dataclass

HOST = b"Host: gw.example\r\n"


@dataclass(frozen=True)
class Message:
    """A head as it came, and its body when somebody has read that too."""

    raw: bytes
    body: bytes = b""
    trailers: bytes = b""

    @property
    def line(self) -> bytes:
        return self.raw.partition(b"\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """(name, value) in order, the case of names kept."""
        lines = self.raw.split(b"\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (li.partition(b":") for li in lines)]

    def all(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.fields if found.lower() == name.lower()]

    def value(self, name: bytes) -> bytes | None:
        """The value of a field that stands there once, or None; twice is an error."""
        found = self.all(name)
        assert len(found) < 2, f"{name!r} stands there {len(found)} times: {self.raw!r}"
        return found[0] if found else None


def request(method: str, target: str, *lines: str, body: bytes = b"", host: bool = True) -> bytes:
    """A request: ``lines`` are its fields; a body gets its Content-Length unless they frame it."""
    fields = list(lines)
    framed = any(li.lower().startswith(("content-length:", "transfer-encoding:")) for li in lines)
    if body and not framed:
        fields.append(f"Content-Length: {len(body)}")
    head = f"{method} {target} HTTP/1.1\r\n".encode() + (HOST if host else b"")
    return head + "".join(f"{line}\r\n" for line in fields).encode("latin-1") + b"\r\n" + body


def get(target: str, *lines: str) -> bytes:
    return request("GET", target, *lines)


def post(target: str, body: bytes = b"", *lines: str) -> bytes:
    return request("POST", target, *lines, *(() if body else ("Content-Length: 0",)), body=body)


def old(method: str, target: str, *lines: str) -> bytes:
    """A request of an HTTP/1.0 client."""
    return "\r\n".join([f"{method} {target} HTTP/1.0", *lines, "", ""]).encode()


def answer(status: int = 200, body: bytes = b"", *lines: str, reason: str = "OK") -> bytes:
    """An answer with a Content-Length."""
    fields = (f"Content-Length: {len(body)}", *lines)
    head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{line}\r\n" for line in fields)
    return head.encode("latin-1") + b"\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"

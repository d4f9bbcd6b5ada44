"""One case of the comparison: bytes for the proxy, and a script for the upstream behind it."""

from dataclasses import dataclass

from tests.compare.recorder import Script

OK = Script()
HOST = b"app.example.test"


@dataclass(frozen=True)
class Case:
    """`methods` are those of the expected answers, in order; `then` follows an interim answer."""

    name: str
    raw: bytes
    script: Script = OK
    methods: tuple[bytes, ...] = (b"GET",)
    then: bytes = b""
    frames: bytes = b""


def ask(
    name: str,
    target: bytes = b"/api/x",
    *fields: bytes,
    method: bytes = b"GET",
    version: bytes = b"HTTP/1.1",
    host: bytes | None = HOST,
    body: bytes = b"",
    script: Script | None = None,
) -> Case:
    """One request; `fields` are whole lines without their end."""
    lines = [b"%b %b %b" % (method, target, version)]
    lines += [b"Host: " + host] if host is not None else []
    raw = b"\r\n".join([*lines, *fields, b"", b""]) + body
    return Case(name, raw, script or OK, (method,))


def answer(*lines: bytes, body: bytes = b"", close: bool = False) -> Script:
    """A script that answers with these lines."""
    return Script(b"\r\n".join([*lines, b"", b""]) + body, close=close)


def ok(*fields: bytes, body: bytes = b"ok") -> Script:
    length = b"Content-Length: %d" % len(body)
    return answer(b"HTTP/1.1 200 OK", b"Content-Type: text/plain", length, *fields, body=body)


def chunks(*pieces: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return framed + b"0\r\n" + trailers + b"\r\n"

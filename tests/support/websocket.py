"""WebSocket frames as bytes (RFC 6455 5), and the opening handshake from either side."""

import base64
import hashlib
from dataclasses import dataclass

from tests.support.message import Message, get
from tests.support.origin import Origin
from tests.support.stream import Client, Far, Stream

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def upgrade(target: str, *lines: str, key: str = KEY, version: str = "13") -> bytes:
    """A client's opening handshake."""
    fields = ["Connection: keep-alive, Upgrade", "Upgrade: WebSocket",
              f"Sec-WebSocket-Version: {version}", f"Sec-WebSocket-Key: {key}"]  # fmt: skip
    return get(target, *fields, *lines)


def agreed(*lines: str, key: str = KEY) -> bytes:
    """A server's 101."""
    fields = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
              f"Sec-WebSocket-Accept: {accept_of(key)}", *lines, "", ""]  # fmt: skip
    return "\r\n".join(fields).encode()


def frame(opcode: int, payload: bytes = b"", masked: bool = True, fin: bool = True, rsv: int = 0):
    """One frame; ``rsv`` 4 is RSV1."""
    first = bytes([(fin << 7) | (rsv << 4) | opcode])
    size = len(payload)
    if size < 126:
        length = bytes([size | masked << 7])
    elif size < 1 << 16:
        length = bytes([126 | masked << 7]) + size.to_bytes(2, "big")
    else:
        length = bytes([127 | masked << 7]) + size.to_bytes(8, "big")
    return first + length + (MASK + mask(payload) if masked else payload)


def mask(payload: bytes) -> bytes:
    return bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def close(code: int, reason: bytes = b"", masked: bool = True) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason, masked)


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes
    masked: bool
    fin: bool

    @property
    def code(self) -> int:
        """The code of a close frame."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big")


def read_frame(stream: Stream) -> Frame:
    """The next frame, unmasked."""
    first, second = stream.read(2)
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
    key = stream.read(4) if second & 0x80 else b""
    payload = stream.read(size)
    if key:
        payload = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return Frame(first & 15, payload, bool(key), bool(first & 0x80))


def open_websocket(
    client: Client, origin: Origin, target: str = "/ws/x", *lines: str, said: tuple[str, ...] = ()
) -> tuple[Far, Message, Message]:
    """The far end of a new WebSocket; the request that it saw and the answer that came."""
    client.send(upgrade(target, *lines))
    far = origin.accept()
    seen = far.request()
    far.send(agreed(*said))
    got = client.head()
    assert got.status == 101, got.raw
    return far, seen, got

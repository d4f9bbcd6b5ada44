"""What a client says first (RFC 8446 4.1.2): the name it wants, and the protocols it offers.

Python's ssl tells a listener's callback the name alone. Pure: bytes in, facts out. It looks no
closer than it must; what is wrong with a ClientHello is for OpenSSL to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME, _ALPN = 0, 16
_HEADER = 5
# The most that one record's header can announce (RFC 8446 5.2), and that is looked through.
_LONGEST_RECORD = 16 * 1024 + 256
AT_MOST = 64 * 1024


@dataclass(frozen=True, slots=True)
class ClientHello:
    """name: in lower case, None without one. protocols: offered by ALPN, as they stand there."""

    name: str | None
    protocols: tuple[bytes, ...]


def read(data: bytes) -> ClientHello | None:
    """The ClientHello at the beginning of ``data``; None as long as it is not whole.

    Raises ValueError when there is none.
    """
    message = bytearray()
    at = 0
    while True:
        if len(data) < at + _HEADER:
            break
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != _HANDSHAKE or data[at + 1] != 3 or not 0 < length <= _LONGEST_RECORD:
            raise ValueError("no record of a handshake")
        body = data[at + _HEADER : at + _HEADER + length]
        message += body
        if message and message[0] != _CLIENT_HELLO:
            raise ValueError("no ClientHello")
        if len(message) >= 4:
            end = 4 + int.from_bytes(message[1:4], "big")
            if len(message) >= end:
                return _parsed(bytes(message[4:end]))
        if len(body) < length:
            break
        at += _HEADER + length
    if len(data) > AT_MOST:
        raise ValueError("a ClientHello that does not end")
    return None


class _Reader:
    """Takes fields off the front; raises ValueError where there are too few bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            raise ValueError("a ClientHello that is cut short")
        return self._data[start : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """What stands behind its length of ``size`` bytes."""
        return self.take(self.number(size))


def _parsed(body: bytes) -> ClientHello:
    reader = _Reader(body)
    # Version and random; session id, cipher suites, compression methods.
    reader.take(2 + 32)
    for size in (1, 2, 1):
        reader.vector(size)
    name = None
    protocols: tuple[bytes, ...] = ()
    extensions = _Reader(reader.vector(2) if reader else b"")
    while extensions:
        kind, content = extensions.number(2), _Reader(extensions.vector(2))
        if kind == _SERVER_NAME:
            name = _name(_Reader(content.vector(2)))
        elif kind == _ALPN:
            protocols = tuple(_protocols(_Reader(content.vector(2))))
    return ClientHello(name, protocols)


def _protocols(names: _Reader) -> Iterator[bytes]:
    while names:
        yield names.vector(1)


def _name(names: _Reader) -> str | None:
    """Of the one type that there is, host_name (RFC 6066 3)."""
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name.decode("ascii", "replace").lower()
    return None

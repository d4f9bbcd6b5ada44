"""The PROXY protocol: who is at the far end of a connection, said before all else on it.

Versions 1 (a line of text) and 2 (binary) as in haproxy's doc/proxy-protocol.txt, both ways. Whose
word is believed is not known here, nor what is done with it.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Literal, NamedTuple

Address = IPv4Address | IPv6Address
Version = Literal["v1", "v2"]

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
# Section 2.1: what the longest line of version 1 needs, CRLF included.
LINE_AT_MOST: Final = 107
# Version 2 could have 64 KiB of TLVs; real ones have some hundred bytes. As nginx has it.
SIZE_AT_MOST: Final = 4096

_BEGINNING: Final = b"PROXY "
_PORT = rb"(0|[1-9][0-9]{0,4})"
_LINE: Final = re.compile(
    rb"PROXY (?:TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) %b %b|UNKNOWN(?: [ -~]*)?)\r\n"
    % (_PORT, _PORT)
)
# Signature, version and command, family, and the length of the rest (section 2.2).
_FIXED: Final = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6 = 0x00, 0x11, 0x21
# The size of both addresses for each family and transport that there is; UDP has the same ones.
_ADDRESSES: Final = {_UNSPEC: 0, _TCP4: 12, 0x12: 12, _TCP6: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_CRC32C: Final = 0x03


class ProxyHeaderError(Exception):
    """What came is no header, and will not become one: the message says why."""


class End(NamedTuple):
    """One end of a connection: of the client, or the one that it connected to."""

    address: Address
    port: int


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A header that was read: ``size`` is how many bytes it took.

    source, destination: None where it names nobody (LOCAL, UNKNOWN, UNSPEC, and what is not TCP):
    then the connection is the balancer's own.
    """

    size: int
    source: End | None = None
    destination: End | None = None


# Reading


def parse(data: bytes) -> ProxyHeader | None:
    """The header that ``data`` begins with; None when more of it has to come.

    Raises `ProxyHeaderError`.
    """
    if data[:1] == b"\r":
        return _parse_binary(data)
    if data[:6] != _BEGINNING[: len(data)]:
        raise ProxyHeaderError("there is no PROXY header")
    return _parse_line(data)


def _parse_line(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\n", 0, LINE_AT_MOST)
    if end < 0:
        if len(data) >= LINE_AT_MOST:
            raise ProxyHeaderError(f"its line has more than {LINE_AT_MOST} bytes")
        return None
    match = _LINE.fullmatch(data, 0, end + 1)
    if match is None:
        raise ProxyHeaderError("its line is not written as it should be")
    family, source, destination, source_port, destination_port = match.groups()
    if family is None:
        return ProxyHeader(end + 1)
    kind = IPv4Address if family == b"4" else IPv6Address
    return ProxyHeader(
        end + 1, _end(kind, source, source_port), _end(kind, destination, destination_port)
    )


def _end(kind: type[IPv4Address] | type[IPv6Address], address: bytes, port: bytes) -> End:
    number = int(port)
    if number > 0xFFFF:
        raise ProxyHeaderError("it has a port above 65535")
    try:
        return End(kind(address.decode("ascii")), number)
    except AddressValueError:
        name = "IPv4" if kind is IPv4Address else "IPv6"
        raise ProxyHeaderError(f"it has an address that is no {name}") from None


def _parse_binary(data: bytes) -> ProxyHeader | None:
    if data[:12] != SIGNATURE[: len(data)]:
        raise ProxyHeaderError("there is no PROXY header")
    if len(data) < _FIXED:
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError(f"its version and command are 0x{command:02x}")
    size = _FIXED + length
    if size > SIZE_AT_MOST:
        raise ProxyHeaderError(f"it has {size} bytes, of which {SIZE_AT_MOST} may come")
    if len(data) < size:
        return None
    if command == _LOCAL:
        # The balancer's own, for its probes: "must discard the protocol block".
        return ProxyHeader(size)
    return _parse_addresses(family, data[:size])


def _parse_addresses(family: int, header: bytes) -> ProxyHeader:
    needed = _ADDRESSES.get(family)
    if needed is None:
        raise ProxyHeaderError(f"its family and transport are 0x{family:02x}")
    size = len(header)
    if size < _FIXED + needed:
        raise ProxyHeaderError("it is shorter than the addresses of its family")
    if family == _UNSPEC:
        # What the addresses take is not known, so neither is where TLVs begin.
        return ProxyHeader(size)
    _check_tlvs(header, _FIXED + needed)
    block = header[_FIXED : _FIXED + needed]
    if family == _TCP4:
        source: Address = IPv4Address(block[:4])
        destination: Address = IPv4Address(block[4:8])
    elif family == _TCP6:
        source, destination = IPv6Address(block[:16]), IPv6Address(block[16:32])
    else:
        return ProxyHeader(size)
    source_port, destination_port = int.from_bytes(block[-4:-2]), int.from_bytes(block[-2:])
    return ProxyHeader(size, End(source, source_port), End(destination, destination_port))


def _check_tlvs(header: bytes, at: int) -> None:
    """They are skipped, but for the checksum, which holds where there is one (2.2.3)."""
    checksum = -1
    while at < len(header):
        kind, length = header[at], int.from_bytes(header[at + 1 : at + 3])
        value = at + 3
        at = value + length
        if at > len(header):
            raise ProxyHeaderError("a TLV in it goes beyond its end")
        if kind == _CRC32C:
            if length != 4 or checksum >= 0:
                raise ProxyHeaderError("its checksum is not one of four bytes")
            checksum = value
    if checksum < 0:
        return
    told = int.from_bytes(header[checksum : checksum + 4])
    if told != crc32c(header[:checksum] + bytes(4) + header[checksum + 4 :]):
        raise ProxyHeaderError("its checksum is wrong")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 9260 appendix A (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# Writing


def header_for(version: Version, source: End, destination: End) -> bytes:
    """The header of a connection that is made for the client at ``source``.

    Where one of both is IPv4 and the other IPv6 the former is written as IPv6 (``::ffff:…``).
    """
    if source.address.version != destination.address.version:
        source, destination = _as_ipv6(source), _as_ipv6(destination)
    family = source.address.version
    if version == "v1":
        return b"PROXY TCP%d %b %b %d %d\r\n" % (
            family,
            str(source.address).encode("ascii"),
            str(destination.address).encode("ascii"),
            source.port,
            destination.port,
        )
    block = b"".join(
        (
            source.address.packed,
            destination.address.packed,
            source.port.to_bytes(2),
            destination.port.to_bytes(2),
        )
    )
    return _binary(_PROXY, _TCP4 if family == 4 else _TCP6, block)


def own_header(version: Version) -> bytes:
    """The header of a connection that is made for nobody but the gateway itself."""
    return b"PROXY UNKNOWN\r\n" if version == "v1" else _binary(_LOCAL, _UNSPEC, b"")


def _as_ipv6(end: End) -> End:
    if isinstance(end.address, IPv6Address):
        return end
    return End(IPv6Address(b"\0" * 10 + b"\xff\xff" + end.address.packed), end.port)


def _binary(command: int, family: int, block: bytes) -> bytes:
    return b"%b%c%c%b%b" % (SIGNATURE, command, family, len(block).to_bytes(2), block)

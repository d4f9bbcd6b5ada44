"""Headers of the PROXY protocol: what is one, what is none, and how much of it has come."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire.proxy_header import (
    LINE_AT_MOST,
    SIGNATURE,
    SIZE_AT_MOST,
    End,
    ProxyHeader,
    ProxyHeaderError,
    crc32c,
    header_for,
    own_header,
    parse,
)

CLIENT = End(IPv4Address("203.0.113.9"), 40000)
HERE = End(IPv4Address("10.0.0.1"), 443)
CLIENT6 = End(IPv6Address("2001:db8::9"), 40000)
HERE6 = End(IPv6Address("2001:db8::1"), 443)
BLOCK = bytes([203, 0, 113, 9, 10, 0, 0, 1]) + (40000).to_bytes(2) + (443).to_bytes(2)


def binary(block: bytes = BLOCK, command: int = 0x21, family: int = 0x11) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2) + block


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2) + value


def with_checksum(block: bytes, wrong: int = 0) -> bytes:
    """As a sender does it: with zeros first, and then with the sum of that."""
    zeros = binary(block + tlv(0x03, bytes(4)) + tlv(0x05, b"behind"))
    total = crc32c(zeros) ^ wrong
    return binary(block + tlv(0x03, total.to_bytes(4)) + tlv(0x05, b"behind"))


def what_is_wrong(data: bytes) -> str:
    with pytest.raises(ProxyHeaderError) as wrong:
        parse(data)
    return str(wrong.value)


# Each as it is written → whom it names, if anybody.
HEADERS = {
    b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 443\r\n": (CLIENT, HERE),
    b"PROXY TCP6 2001:db8::9 2001:DB8::1 40000 443\r\n": (CLIENT6, HERE6),
    b"PROXY TCP6 ::ffff:203.0.113.9 ::1 0 65535\r\n": (
        End(IPv6Address("::ffff:203.0.113.9"), 0),
        End(IPv6Address("::1"), 65535),
    ),
    b"PROXY UNKNOWN\r\n": (None, None),
    b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n": (None, None),
    # The longest there can be.
    b"PROXY UNKNOWN %b ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
    % b":".join([b"ffff"] * 8): (None, None),
    binary(): (CLIENT, HERE),
    binary(CLIENT6.address.packed + HERE6.address.packed + BLOCK[-4:], family=0x21): (
        CLIENT6,
        HERE6,
    ),
    # A probe of the balancer's own: what stands there is thrown away, whatever it is.
    binary(b"", 0x20, 0x00): (None, None),
    binary(BLOCK, 0x20, 0x11): (None, None),
    binary(b"??", 0x20, 0xFF): (None, None),
    # Nobody, a datagram, a socket of the balancer's machine: the connection's own ends hold.
    binary(b"", family=0x00): (None, None),
    binary(b"anything", family=0x00): (None, None),
    binary(family=0x12): (None, None),
    binary(bytes(36), family=0x22): (None, None),
    binary(bytes(216), family=0x31): (None, None),
    binary(bytes(216), family=0x32): (None, None),
    # What else is said is skipped.
    binary(BLOCK + tlv(0x01, b"h2") + tlv(0x20, b"") + tlv(0xEE, bytes(300))): (CLIENT, HERE),
    binary(BLOCK + tlv(0x04, bytes(SIZE_AT_MOST - 28 - 3))): (CLIENT, HERE),
    with_checksum(BLOCK): (CLIENT, HERE),
    with_checksum(BLOCK + tlv(0x02, b"gw.example")): (CLIENT, HERE),
}

NONE_OF_THEM = {
    b"GET / HTTP/1.1\r\n": "there is no PROXY header",
    b"\x16\x03\x01\x02\x00": "there is no PROXY header",
    b"PROXX": "there is no PROXY header",
    b"PROXY\r\n": "there is no PROXY header",
    b"proxy TCP4": "there is no PROXY header",
    b"\r\n\r\nG": "there is no PROXY header",
    b"\r\nGET / HTTP/1.1\r\n": "there is no PROXY header",
    **dict.fromkeys(
        [
            b"PROXY \r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 443\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 443 \r\n",
            b"PROXY TCP4  203.0.113.9 10.0.0.1 40000 443\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 40000\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 040000 443\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 +1 443\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.1 400000 443\r\n",
            b"PROXY TCP5 203.0.113.9 10.0.0.1 40000 443\r\n",
            b"PROXY tcp4 203.0.113.9 10.0.0.1 40000 443\r\n",
            b"PROXY UDP4 203.0.113.9 10.0.0.1 40000 443\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
            b"PROXY UNKNOWNX\r\n",
            b"PROXY UNKNOWN \x00\r\n",
        ],
        "its line is not written as it should be",
    ),
    b"PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n": "it has a port above 65535",
    b"PROXY TCP4 203.0.113.9 10.0.0.256 1 443\r\n": "it has an address that is no IPv4",
    b"PROXY TCP4 203.0.113.09 10.0.0.1 1 443\r\n": "it has an address that is no IPv4",
    b"PROXY TCP4 ::1 10.0.0.1 1 443\r\n": "it has an address that is no IPv4",
    b"PROXY TCP6 ::1 10.0.0.1 1 443\r\n": "it has an address that is no IPv6",
    b"PROXY UNKNOWN " + b"x" * LINE_AT_MOST: "its line has more than 107 bytes",
    b"PROXY UNKNOWN " + b"x" * (LINE_AT_MOST - 15) + b"\r\n": "its line has more than 107 bytes",
    binary(command=0x11): "its version and command are 0x11",
    binary(command=0x22): "its version and command are 0x22",
    binary(family=0x41): "its family and transport are 0x41",
    binary(family=0x13): "its family and transport are 0x13",
    binary(family=0x10): "its family and transport are 0x10",
    binary(BLOCK[:-1]): "it is shorter than the addresses of its family",
    binary(family=0x21): "it is shorter than the addresses of its family",
    binary(BLOCK + b"\x01"): "a TLV in it goes beyond its end",
    binary(BLOCK + b"\x01\x00\x02h"): "a TLV in it goes beyond its end",
    binary(bytes(36) + b"\x01\x00\x01", family=0x22): "a TLV in it goes beyond its end",
    binary(BLOCK + tlv(0x03, bytes(3))): "its checksum is not one of four bytes",
    binary(BLOCK + tlv(0x03, bytes(4)) * 2): "its checksum is not one of four bytes",
    binary(BLOCK + tlv(0x03, bytes(4))): "its checksum is wrong",
    with_checksum(BLOCK, wrong=1): "its checksum is wrong",
    # Not all of it has to come for that.
    binary(bytes(SIZE_AT_MOST - 15))[:16]: "it has 4097 bytes, of which 4096 may come",
    SIGNATURE + b"\x21\x11\xff\xff": "it has 65551 bytes, of which 4096 may come",
}


@pytest.mark.parametrize("written", HEADERS)
def test_a_header_in_any_pieces_and_with_bytes_behind_it(written):
    source, destination = HEADERS[written]
    read = ProxyHeader(len(written), source, destination)
    for end in range(len(written)):
        assert parse(written[:end]) is None
    assert parse(written) == read
    assert parse(written + written) == read
    assert parse(written + b"GET / HTTP/1.1\r\n\r\n") == read


@pytest.mark.parametrize("written", NONE_OF_THEM)
def test_what_is_none_is_refused_and_stays_refused(written):
    assert what_is_wrong(written) == NONE_OF_THEM[written]
    assert what_is_wrong(written + b"more") == NONE_OF_THEM[written]


def test_the_checksum_is_that_of_the_rfc():
    # RFC 3720 B.4, which has the examples for the same sum.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


VERSIONS = ("v1", "v2")
PORTS = st.integers(0, 65535)
ENDS = st.builds(End, st.ip_addresses(), PORTS)


def as_ipv6(end: End) -> End:
    if end.address.version == 6:
        return end
    return End(ip_address(f"::ffff:{end.address}"), end.port)


@given(st.sampled_from(VERSIONS), ENDS, ENDS)
def test_what_is_written_is_read(version, source, destination):
    written = header_for(version, source, destination)
    if source.address.version != destination.address.version:
        source, destination = as_ipv6(source), as_ipv6(destination)
    assert parse(written) == ProxyHeader(len(written), source, destination)
    # The smallest segment that every host takes is larger: it comes whole.
    assert len(written) <= 536


def test_our_own_connections_are_nobodys():
    assert own_header("v1") == b"PROXY UNKNOWN\r\n"
    assert own_header("v2") == SIGNATURE + b"\x20\x00\x00\x00"
    for version in VERSIONS:
        assert parse(own_header(version)) == ProxyHeader(len(own_header(version)))


def outcome(data: bytes) -> ProxyHeader | str | None:
    try:
        return parse(data)
    except ProxyHeaderError as error:
        return str(error)


BEGUN = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY UNKNOWN ", SIGNATURE,
                         SIGNATURE + b"\x21\x11\x00", SIGNATURE + b"\x20\x00\x00"])  # fmt: skip
CHANGED = st.sampled_from(sorted(HEADERS))


@st.composite
def nearly(draw) -> bytes:
    """A header with some bytes of it changed."""
    data = bytearray(draw(CHANGED))
    for _ in range(draw(st.integers(1, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data) + draw(st.binary(max_size=20))


@given(st.one_of(st.builds(bytes.__add__, BEGUN, st.binary(max_size=300)), nearly()))
def test_any_bytes_need_more_and_then_are_one_thing_for_good(data):
    seen = [outcome(data[:end]) for end in range(len(data) + 1)]
    assert seen[0] is None
    # Once it is decided, what comes behind changes nothing.
    decided = [one for one in seen if one is not None]
    assert len(set(decided)) <= 1
    assert seen == [None] * (len(seen) - len(decided)) + decided
    if decided and isinstance(decided[0], ProxyHeader):
        # It is decided with its last byte, neither before that nor after it.
        assert decided[0].size == len(seen) - len(decided) <= SIZE_AT_MOST

"""What is read of a ClientHello: that of Python's ssl, whole, in pieces, and none at all."""

import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.tls.client_hello import AT_MOST, ClientHello, read


def said(name: str | None = "gw.example", protocols: tuple[str, ...] = ("acme-tls/1",)) -> bytes:
    """What a client of Python's begins with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    nothing, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(nothing, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def in_records(data: bytes, size: int) -> bytes:
    """The same message in records of ``size`` bytes (RFC 8446 5.1)."""
    message = data[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(data[:3] + struct.pack(">H", len(piece)) + piece for piece in pieces)


def test_the_name_and_the_protocols():
    assert read(said()) == ClientHello("gw.example", (b"acme-tls/1",))
    assert read(said("GW.example", ("h2", "http/1.1"))) == ClientHello(
        "gw.example", (b"h2", b"http/1.1")
    )


def test_neither_of_them():
    assert read(said(None, ())) == ClientHello(None, ())


def test_no_beginning_of_it_is_all_of_it():
    whole = said()
    assert all(read(whole[:length]) is None for length in range(1, len(whole)))


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_it_may_come_in_several_records(size):
    cut = in_records(said(), size)
    assert read(cut) == ClientHello("gw.example", (b"acme-tls/1",))
    assert read(cut[:-1]) is None


def test_what_comes_behind_it_is_not_looked_at():
    assert read(said() + b"\xff" * 100) == ClientHello("gw.example", (b"acme-tls/1",))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x15\x03\x01\x00\x02\x01\x00", "no record"),
        (b"\x16\x02\x01\x00\x02\x01\x00", "no record"),
        (b"\x16\x03\x01\x00\x00", "no record"),
        (b"\x16\x03\x01\xff\xff\x01", "no record"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "no ClientHello"),
        (b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", "cut short"),
    ],
)  # fmt: skip
def test_what_is_none(data, why):
    with pytest.raises(ValueError, match=why):
        read(data)


def test_one_that_does_not_end_is_given_up():
    record = b"\x16\x03\x01\x40\x00"
    endless = record + b"\x01\xff\xff\xff" + b"x" * (0x4000 - 4)
    while len(endless) <= AT_MOST:
        assert read(endless) is None
        endless += record + b"x" * 0x4000
    with pytest.raises(ValueError, match="does not end"):
        read(endless)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_are_read_or_refused(noise, at):
    whole = said()
    for data in (noise, whole[:at] + noise, whole[:at] + noise + whole[at + len(noise) :]):
        try:
            found = read(data)
        except ValueError:
            continue
        assert found is None or isinstance(found, ClientHello)

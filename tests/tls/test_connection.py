"""TLS without sockets: what goes in at one end comes out at the other, and how it ends."""

import contextlib
import random
import resource
import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from zope.interface import implementer

from daarion_gw.net.transport import backlog
from daarion_gw.tls.connection import PLAIN_ANSWER, SMALL_RECORD
from tests.tls.in_memory import V12, V13, VERSIONS, Pair, Plain, record_sizes

MEGABYTE = 1 << 20


@VERSIONS
def test_what_is_said_is_heard(pair_of, version):
    pair = pair_of(**version)
    pair.feed(pair.sealed(b"GET / HTTP/1.1\r\n\r\n"))
    assert pair.plain.received == [b"GET / HTTP/1.1\r\n\r\n"]
    pair.near.writeSequence([b"HTTP/1.1 ", b"204 No Content\r\n\r\n"])
    assert pair.heard() == b"HTTP/1.1 204 No Content\r\n\r\n"


@VERSIONS
def test_nothing_written_is_nothing_sent(pair_of, version):
    pair = pair_of(**version)
    pair.below.write = pytest.fail
    pair.near.write(b"")
    pair.near.writeSequence([])


@VERSIONS
def test_byte_by_byte(listening, certificate, version):
    pair = Pair(listening, certificate[0], **version)
    pair.shake(size=1)
    pair.feed(pair.sealed(b"hello"), size=1)
    pair.feed(pair.sealed(b", world"), size=1)
    assert pair.plain.text == b"hello, world"
    pair.feed(pair.goodbye(), size=1)
    assert pair.below.disconnecting


@VERSIONS
@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 40_000), max_size=6),
    cuts=st.lists(st.one_of(st.integers(1, 40), st.integers(1, 70_000)), min_size=1, max_size=30),
)
def test_any_cut_of_the_bytes_gives_the_same_text(listening, certificate, version, sizes, cuts):
    pair = Pair(listening, certificate[0], **version)
    wire, text, at = b"", b"", 0
    pair.shake(size=cuts[0])
    for size in sizes:
        piece = random.Random(size).randbytes(size)
        text += piece
        wire += pair.sealed(piece)
    wire += pair.goodbye()
    turn = 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        pair.near.dataReceived(wire[at : at + size])
        assert not listening.incoming.pending
        at, turn = at + size, turn + 1
    assert pair.plain.text == text
    assert pair.below.disconnecting


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5000)), max_size=40))
@settings(max_examples=40)
def test_connections_that_take_turns_do_not_mix(listening, certificate, turns):
    pairs = [Pair(listening, certificate[0], **version) for version in (V12, V13, V13)]
    for pair in pairs:
        pair.shake(size=100)
    wires = [pair.sealed(bytes([number]) * 50_000) for number, pair in enumerate(pairs)]
    taken = [0, 0, 0]
    for number, size in [*turns, *((number, 10**6) for number in range(3))]:
        pairs[number].near.dataReceived(wires[number][taken[number] :][:size] or b"")
        taken[number] += size
    assert [pair.plain.text for pair in pairs] == [bytes([n]) * 50_000 for n in range(3)]


# the handshake


def test_what_the_wrapped_protocol_sees_of_its_transport(pair_of):
    pair = pair_of()
    assert ISSLTransport.providedBy(pair.near)
    assert pair.near.negotiatedProtocol == b"http/1.1"
    assert pair.near.getPeer().host == "192.0.2.7"
    assert pair.near.getPeerCertificate() is None
    pair.below.waiting = 17
    assert backlog(pair.near) == 17


def test_it_is_connected_before_the_handshake_and_told_after(listening, certificate):
    seen = []

    @implementer(IHandshakeListener)
    class Listener(Plain):
        def connectionMade(self):
            seen.append(("connected", self.transport.negotiatedProtocol))

        def handshakeCompleted(self):
            seen.append(("agreed", self.transport.negotiatedProtocol))

    pair = Pair(listening, certificate[0], wrapped=Listener())
    assert seen == [("connected", None)]
    pair.shake()
    assert seen == [("connected", None), ("agreed", b"http/1.1")]


@VERSIONS
def test_what_is_written_before_the_handshake_waits_for_it(listening, certificate, version):
    pair = Pair(listening, certificate[0], **version)
    pair.near.write(b"220 ")
    pair.near.write(b"welcome")
    assert pair.below.taken() == b""
    pair.shake()
    assert pair.heard() == b"220 welcome"


def test_in_1_3_a_ticket_is_sent_before_anything_is_asked(listening, certificate):
    """A client's first request may wait until something comes (Nagle)."""
    pair = Pair(listening, certificate[0], **V13)
    for _ in range(2):
        with contextlib.suppress(ssl.SSLWantReadError):
            pair.client.do_handshake()
        wire = pair.from_client.read()
        pair.feed(wire)
        said = pair.below.taken()
        pair._to_client.write(said)
    assert len(record_sizes(said)) == 1
    assert pair.heard() == b""
    assert pair.client.session.has_ticket


@VERSIONS
def test_a_session_is_resumed(pair_of, version):
    first = pair_of(**version)
    first.near.write(b"x")
    first.heard()
    assert not first.client.session_reused
    assert pair_of(before=first).client.session_reused


def test_plain_http_gets_a_plain_answer(listening, certificate):
    pair = Pair(listening, certificate[0])
    pair.feed(b"DELETE / HTTP/1.1\r\n", size=1)
    assert pair.below.value() == PLAIN_ANSWER
    assert pair.below.half_closed
    pair.lose()
    assert pair.plain.received == []
    assert pair.plain.lost.check(ConnectionLost)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"x" * 70000,
        b"\x80\x2e\x01\x03\x01" + b"\x00" * 60,
        b"ssh-2.0-scan\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x10" + b"y" * 16,
    ],
)
@pytest.mark.parametrize("size", [1, 65536])
def test_garbage_ends_the_connection_and_nothing_else(listening, certificate, garbage, size):
    pair = Pair(listening, certificate[0])
    pair.feed(garbage, size)
    assert pair.below.disconnecting
    assert not listening.incoming.pending
    pair.lose()
    assert pair.plain.lost.check(ConnectionLost)
    other = Pair(listening, certificate[0])
    other.shake()
    other.feed(other.sealed(b"fine"))
    assert other.plain.text == b"fine"


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=300))
def test_no_garbage_raises(listening, certificate, garbage):
    pair = Pair(listening, certificate[0])
    pair.feed(garbage)
    pair.feed(b"\x16\x03\x01" + garbage)
    pair.lose()


@pytest.mark.parametrize("version", [V12, V13])
@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_ends_the_connection(listening, certificate, version, at, change):
    pair = Pair(listening, certificate[0], **version)
    pair.shake()
    wire = bytearray(pair.sealed(b"good") + pair.sealed(b"bad" * 100))
    good = len(pair.sealed(b"good"))
    at = good + at % (len(wire) - good)
    wire[at] ^= change
    pair.feed(bytes(wire))
    pair.near.write(b"never sent")
    assert pair.plain.text == b"good"
    assert not listening.incoming.pending
    # A length that has grown is still waited for.
    assert pair.below.disconnecting or at - good in (3, 4)


# writing


def test_records_are_small_first_and_large_after(pair_of):
    pair = pair_of()
    pair.near.write(b"x")
    pair.below.clear()
    pair.near.write(b"y" * MEGABYTE)
    sizes = record_sizes(pair.below.value())
    overhead = 17
    assert sizes[:11] == [SMALL_RECORD + overhead] * 10 + [16384 + overhead]
    assert set(sizes[11:-1]) == {16384 + overhead}
    pair.below.clear()
    pair.near.write(b"z" * 20_000)
    assert len(record_sizes(pair.below.value())) == 2


def test_a_megabyte_arrives_whole(pair_of):
    pair = pair_of()
    body = random.Random(5).randbytes(MEGABYTE)
    pair.near.write(body)
    assert pair.heard() == body


def test_a_connection_does_not_keep_the_memory_that_a_large_answer_took(pair_of):
    pairs = [pair_of() for _ in range(100)]
    body = bytes(MEGABYTE)
    pairs[0].near.write(body)
    pairs[0].below.clear()
    before = resident()
    for pair in pairs[1:]:
        pair.near.write(body)
        pair.below.clear()
    assert resident() - before < 20 * MEGABYTE


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_what_openssl_does_not_take_ends_the_connection(pair_of):
    pair = pair_of()
    # After its goodbye OpenSSL takes nothing.
    with contextlib.suppress(ssl.SSLWantReadError):
        pair.near._tls.unwrap()
    pair.near.write(b"too late")
    assert pair.below.disconnecting
    pair.lose()
    assert pair.plain.lost.check(ConnectionLost)


def test_producers_are_the_transports_own(pair_of):
    pair = pair_of()
    pair.near.registerProducer(pair.plain, True)
    assert pair.below.producer is pair.plain
    pair.near.pauseProducing()
    assert pair.below.producerState == "paused"
    pair.near.resumeProducing()
    assert pair.below.producerState == "producing"

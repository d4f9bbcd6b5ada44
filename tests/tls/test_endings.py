"""How a TLS connection ends: by a goodbye of either side, by a fault, by nothing at all."""

import gc
import ssl
import weakref

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost

from daarion_gw.tls.tickets import can_set
from tests.tls.in_memory import V13, VERSIONS, Pair, Plain


@VERSIONS
def test_our_goodbye_comes_after_the_last_word(pair_of, version):
    pair = pair_of(**version)
    pair.near.write(b"last")
    pair.near.loseConnection()
    pair.near.write(b"too late")
    assert pair.heard() == b"last"
    assert pair.said_goodbye()
    assert pair.below.disconnecting
    pair.feed(pair.sealed(b"not read any more") if version is V13 else b"")
    pair.lose()
    assert pair.plain.lost.check(ConnectionDone)
    assert pair.plain.text == b""


def test_a_producer_may_finish_first(pair_of):
    pair = pair_of()
    pair.near.registerProducer(pair.plain, True)
    pair.near.loseConnection()
    assert not pair.below.disconnecting
    pair.near.write(b"the rest")
    pair.near.unregisterProducer()
    assert pair.heard() == b"the rest"
    assert pair.said_goodbye()
    assert pair.below.disconnecting


@VERSIONS
def test_the_clients_goodbye_is_answered_after_what_it_asked(pair_of, version):
    pair = pair_of(**version)
    pair.plain.answer = b"answer"
    pair.feed(pair.sealed(b"question") + pair.goodbye())
    pair._to_client.write(pair.below.taken())
    assert pair.below.disconnecting
    pair.lose()
    assert pair.plain.lost.check(ConnectionDone)


@VERSIONS
@pytest.mark.parametrize("after", [b"", b"x" * 100], ids=["nothing", "more"])
def test_the_shared_buffer_is_empty_whenever_somebody_is_called(
    listening, certificate, version, after
):
    class Watchful(Plain):
        def dataReceived(self, data):
            assert not listening.incoming.pending
            super().dataReceived(data)

    pair = Pair(listening, certificate[0], wrapped=Watchful(), **version)
    pair.shake()
    pair.feed(pair.sealed(b"last") + pair.goodbye() + after)
    assert pair.plain.text == b"last"
    assert not listening.incoming.pending


def test_an_end_without_a_goodbye_is_a_lost_connection(pair_of):
    pair = pair_of()
    pair.lose()
    assert pair.plain.lost.check(ConnectionLost)


def test_a_client_that_takes_nothing_is_cut_when_it_breaks_the_rules(pair_of):
    pair = pair_of()
    pair.below.waiting = 100
    pair.feed(b"\x17\x03\x03\x00\x20" + b"z" * 32)
    assert pair.below.aborted


@pytest.mark.skipif(not can_set(), reason="this Python's OpenSSL is out of reach")
def test_a_client_that_makes_us_speak_and_does_not_listen_is_cut(pair_of):
    pair = pair_of(**V13)
    for _ in range(3000):
        pair.feed(pair.ask_for_new_keys())
    assert not pair.below.aborted, "it has heard all of it"
    pair.below.clear()
    pair.below.waiting = 1
    for _ in range(3000):
        pair.feed(pair.ask_for_new_keys())
    assert pair.below.aborted
    assert len(pair.below.value()) < 66_000


def test_an_abort_says_nothing(pair_of):
    pair = pair_of()
    pair.near.abortConnection()
    assert pair.below.value() == b""
    assert pair.below.aborted


def test_lost_in_the_handshake(listening, certificate):
    pair = Pair(listening, certificate[0])
    try:
        pair.client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    pair.feed(pair.from_client.read()[:-1])
    pair.near.loseConnection()
    assert pair.below.disconnecting
    pair.lose()
    assert pair.plain.lost.check(ConnectionLost)
    pair.near.write(b"to nobody")
    pair.near.loseConnection()


def test_openssls_memory_is_given_back_at_the_end_at_once(pair_of):
    pair = pair_of()
    tls = weakref.ref(pair.near._tls)
    gc.disable()
    try:
        pair.lose()
        assert tls() is None
    finally:
        gc.enable()

"""Ticket keys: who may resume what, and for how long."""

import ssl

import pytest

from daarion_gw.tls.tickets import PERIOD, SIZE, TicketKeys, can_set, set_keys
from tests.support.certificates import make_certificate
from tests.tls.in_memory import VERSIONS, Pair, listening_with

needs_keys = pytest.mark.skipif(not can_set(), reason="this Python's OpenSSL is out of reach")


class Clock:
    now = 100.0 * PERIOD

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def session_of(listening, cert_file, before=None, **version):
    pair = Pair(listening, cert_file, before=before, **version)
    pair.shake()
    pair.near.write(b"x")
    pair.heard()
    return pair


def test_the_same_secret_gives_the_same_keys_in_every_period(clock):
    one = TicketKeys(clock=clock)
    other = TicketKeys(one.state, clock)
    first = one.keys(b"a")
    assert other.keys(b"a") == first and len(first) == SIZE
    clock.now += 3 * PERIOD
    assert one.keys(b"a") == other.keys(b"a") != first


def test_a_worker_that_starts_later_gets_there_too(clock):
    one = TicketKeys(clock=clock)
    old = one.state
    clock.now += 5 * PERIOD
    assert TicketKeys(old, clock).keys(b"a") == one.keys(b"a")


def test_keys_differ_between_secrets_and_labels(clock):
    one = TicketKeys(clock=clock)
    assert len({one.keys(b"a"), one.keys(b"b"), TicketKeys(clock=clock).keys(b"a")}) == 3


def test_a_clock_that_is_put_back_changes_nothing(clock):
    one = TicketKeys(clock=clock)
    now = one.keys(b"a")
    clock.now -= 10 * PERIOD
    assert one.keys(b"a") == now


def test_keys_of_another_size_are_not_taken():
    assert not set_keys(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), b"short")


@needs_keys
def test_this_python_can_set_them():
    assert set_keys(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), bytes(SIZE))


@needs_keys
@VERSIONS
def test_two_workers_resume_each_others_sessions(certificate, clock, version):
    one = TicketKeys(clock=clock)
    here = listening_with(*certificate, ticket_keys=one)
    there = listening_with(*certificate, ticket_keys=TicketKeys(one.state, clock))
    elsewhere = listening_with(*certificate, ticket_keys=TicketKeys(clock=clock))
    first = session_of(here, certificate[0], **version)
    assert session_of(there, certificate[0], before=first).client.session_reused
    assert not session_of(elsewhere, certificate[0], before=first).client.session_reused


@needs_keys
@VERSIONS
def test_after_a_period_the_keys_are_others(certificate, clock, version):
    listening = listening_with(*certificate, ticket_keys=TicketKeys(clock=clock))
    first = session_of(listening, certificate[0], **version)
    clock.now += PERIOD
    second = session_of(listening, certificate[0], before=first)
    assert not second.client.session_reused
    assert session_of(listening, certificate[0], before=second).client.session_reused


@needs_keys
def test_another_certificate_has_other_keys(certificate, clock, tmp_path):
    keys = TicketKeys(clock=clock)
    first = session_of(listening_with(*certificate, ticket_keys=keys), certificate[0])
    other = make_certificate(tmp_path)
    # It would not believe the second one.
    first.context.check_hostname = False
    first.context.verify_mode = ssl.CERT_NONE
    again = session_of(listening_with(*other, ticket_keys=keys), other[0], before=first)
    assert not again.client.session_reused


def test_whoever_takes_over_the_state_of_another_has_its_keys(clock):
    one, other = TicketKeys(clock=clock), TicketKeys(clock=clock)
    assert one.keys(b"a") != other.keys(b"a")
    other.take(one.state)
    assert one.keys(b"a") == other.keys(b"a")
    clock.now += PERIOD
    assert one.keys(b"a") == other.keys(b"a")

"""A connection that the gateway closes ends, whatever its client does: over TCP and both TLS."""

import select
import socket
import sys
from pathlib import Path

import pytest

from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import get
from tests.support.waiting import PATIENCE, Stopwatch

CONFIG = "gateway: {access_log: off}\n"
# Seconds; a minute where no test sets it.
SEND_TIMEOUT = 1.0
# More than the kernel keeps for such a client, on both sides together.
MUCH = 8 << 20
KINDS = ["tcp", "ssl", "daarion-tls"]
# A limit is met at most half a second late, and up to three meet here; a busy machine adds to it.
LATE = 2.5


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, certificate):
    cert, key = certificate
    files = f"0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    script = str(Path(__file__).with_name("closing_site.py"))
    gateway = GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        CONFIG,
        command=[sys.executable, script, "gateway.yaml", str(SEND_TIMEOUT), str(MUCH),
                 ANYWHERE, *(f"{kind}:{files}" for kind in KINDS[1:])],
    )  # fmt: skip
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture(params=KINDS)
def client(request, gateway, certificate):
    index = KINDS.index(request.param)
    if index == 0:
        client = gateway.connect(0)
    else:
        client = gateway.connect_tls(index, client_context(certificate[0]), NAME)
    # It would grow by itself, to more than the whole answer.
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return client


def is_over(client, within):
    """Whether the connection ends in ``within`` seconds; nothing is read from it meanwhile."""
    watched = select.poll()
    watched.register(client.socket, select.POLLRDHUP)
    return bool(watched.poll(within * 1000))


def test_the_end_of_an_answer_that_nobody_takes_is_cut(client):
    client.send(get("/much", "Connection: close"))
    with Stopwatch() as watch:
        assert is_over(client, PATIENCE)
    # It may have taken a little at first: then it gets the time once more.
    assert SEND_TIMEOUT - 0.1 < watch.seconds < 2 * SEND_TIMEOUT + LATE
    assert len(client.rest()) < MUCH
    assert client.ending == "reset"


def test_so_is_one_that_takes_no_answer_and_has_asked_for_more(client):
    client.send(get("/much") * 3)
    with Stopwatch() as watch:
        assert is_over(client, PATIENCE)
    # After the limit the gateway says goodbye, and waits a second for the other one.
    assert SEND_TIMEOUT - 0.1 < watch.seconds < 2 * SEND_TIMEOUT + 1 + LATE
    client.rest()
    assert client.ending == "reset"


def test_a_client_that_takes_it_all_in_time_gets_it_all(client):
    client.send(get("/much", "Connection: close"))
    assert not is_over(client, SEND_TIMEOUT / 2)
    assert len(client.answer().body) == MUCH
    assert client.rest() == b"" and client.ending == "closed"


def test_who_never_says_goodbye_is_not_waited_for(client):
    """TLS's own end is said by both: Twisted's waits for the client's, for as long as it takes."""
    assert client.ask(get("/healthz", "Connection: close")).body == b"OK"
    assert client.rest() == b"" and client.ending == "closed"
    assert is_over(client, SEND_TIMEOUT + LATE)

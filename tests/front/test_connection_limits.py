"""How many clients may be connected, in all and from one address."""

import math
import socket
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from daarion_gw.config.protection import ClientLimits
from daarion_gw.config.settings import Gateway
from daarion_gw.front.admission import Admission, most_of, told_of
from daarion_gw.front.machine import clients_at_most
from daarion_gw.front.turned_away import LINGERING_AT_MOST
from daarion_gw.observe.counters import FrontCounters
from daarion_gw.wire.client import Peer, Trust
from tests.support.admin_pages import AdminPages
from tests.support.certificates import make_certificate
from tests.support.gateway import ANYWHERE, GatewayProcess, twistd
from tests.support.message import get, post
from tests.support.stream import Client
from tests.support.waiting import Stopwatch, until

# This machine's own addresses play the clients: one is limited, one is a trusted proxy.
LIMITED, OTHER, PROXY = "127.0.0.1", "127.0.0.2", "127.0.0.3"
CONFIG = """
gateway:
  access_log: off
  trusted_proxies: 127.0.0.3
  limits: {LIMITS}
routes: {}
"""
IN_ALL = "connections: 3"
EACH = "per_client: 2"
MEGABYTE = 1 << 20


class Limited(AdminPages, GatewayProcess):
    """It has an admin listener."""

    def connect_from(self, address: str, index: int = 0) -> Client:
        sock = socket.create_connection(
            ("127.0.0.1", self.ports[index]), source_address=(address, 0)
        )
        return self._kept(sock)

    @property
    def open(self) -> int:
        return self.status()["connections"]["open"]

    def full(self, count: int) -> list[Client]:
        clients = [self.connect() for _ in range(count)]
        until(lambda: self.open == count, what=f"{count} open connections")
        return clients


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def started(tmp_path):
    """Start a gateway with such limits, and with further listeners."""
    running = []

    def start(limits: str, *more: str, shell: str = "") -> Limited:
        listen = [word for place in (ANYWHERE, *more) for word in ("--listen", place)]
        command = twistd("--config", "gateway.yaml", "--admin", ANYWHERE, *listen)
        if shell:
            command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
        gateway = Limited(tmp_path, CONFIG.replace("LIMITS", limits), command=command)
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        try:
            gateway.stop()
        finally:
            gateway.kill()


def is_turned_away(client: Client) -> bool:
    got = client.answer()
    assert (got.status, got.value(b"retry-after")) == (503, b"1")
    assert got.value(b"connection") == b"close"
    assert got.value(b"content-type") == b"application/problem+json"
    assert b'"status": 503' in got.body
    return client.rest() == b"" and client.ending == "closed"


# in all


def test_one_too_many_hears_so_before_it_has_said_anything(started):
    gateway = started(IN_ALL)
    first, *_ = gateway.full(3)
    assert is_turned_away(gateway.connect())
    assert first.ask(get("/healthz")).status == 200, "who is there is served"
    status = gateway.status()["connections"]
    assert (status["open"], status["refused"]) == (3, {"503": 1})
    gateway.says("connections turned away: 1, open: 3; gateway.limits")


def test_when_one_goes_another_may_come(started):
    gateway = started(IN_ALL)
    first, *_ = gateway.full(3)
    first.close()
    until(lambda: gateway.open == 2)
    assert gateway.connect().ask(get("/healthz")).status == 200


def still_listens(client: Client) -> bool:
    """Whether what is sent to the other end is taken, and does not bring a reset."""
    client.send(b"x")
    client.send(b"x")
    return client.ending != "reset"


def test_one_that_is_still_sending_sees_why(started):
    gateway = started(IN_ALL)
    gateway.full(3)
    for _ in range(3):
        client = gateway.connect()
        sender = threading.Thread(target=client.send, args=(post("/x", b"x" * MEGABYTE),))
        sender.start()
        assert client.answer().status == 503
        sender.join()
        assert still_listens(client)


def test_one_that_is_still_sending_sees_why_after_many_others(started):
    gateway = started(IN_ALL)
    gateway.full(3)
    for _ in range(LINGERING_AT_MOST + 5):
        client = gateway.connect()
        assert is_turned_away(client)
        client.close()
    client = gateway.connect()
    assert client.answer().status == 503
    assert still_listens(client)


def test_those_who_stay_are_not_waited_for_and_few_at_a_time(started):
    """Each that lingers has a file, and files are what there may be too few of."""
    gateway = started(IN_ALL)
    gateway.full(3)
    before = files_of(gateway)
    staying = [gateway.connect() for _ in range(LINGERING_AT_MOST + 20)]
    assert all(each.answer().status == 503 for each in staying)
    assert files_of(gateway) <= before + LINGERING_AT_MOST
    until(lambda: files_of(gateway) <= before, what="the end of those who stay")
    assert is_turned_away(gateway.connect())


def files_of(gateway: Limited) -> int:
    return int(gateway.numbers()["process_open_fds",])


@pytest.mark.parametrize("kind", ["ssl", "daarion-tls"])
def test_over_tls_it_is_closed_before_the_handshake(started, certificate, kind):
    cert, key = certificate
    place = f"{kind}:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    gateway = started(IN_ALL, place)
    gateway.full(3)
    taken = []
    for _ in range(3):
        client = gateway.connect(1)
        with Stopwatch() as watch:
            assert client.rest() == b"" and client.ending in ("closed", "reset")
        taken.append(watch.seconds)
    assert min(taken) < 0.5, "nobody lingers"
    assert gateway.status()["connections"]["refused"] == {"503": 3}
    gateway.forget_clients()
    until(lambda: gateway.open == 0)
    assert gateway.connect(1).says_nothing(0.3), "now it is waited for"


def test_off_is_no_limit(started):
    gateway = started("connections: off", shell="ulimit -n 100")
    gateway.says("any number of connections of clients")
    assert all(each.ask(get("/healthz")).status == 200 for each in gateway.full(40))


def test_by_itself_it_takes_as_many_as_it_has_files_for(started):
    gateway = started("", shell="ulimit -n 100")
    gateway.says("at most 18 connections of clients")
    gateway.full(18)
    assert is_turned_away(gateway.connect())


@pytest.mark.parametrize(
    ("files", "clients"), [(1024, 480), (65536, 32736), (64, 1), (10, 1), (None, math.inf)]
)
def test_each_takes_two_files_and_some_are_the_gateway_s_own(files, clients):
    assert clients_at_most(files) == clients


def test_what_is_said_is_shared_and_what_a_process_has_is_its_own():
    assert [most_of(ClientLimits(connections=7), share) for share in (1, 2, 3, 9)] == [7, 4, 3, 1]
    assert most_of(ClientLimits(connections=None), 2) == math.inf
    assert most_of(ClientLimits(), 4) == most_of(ClientLimits(), 1)


@pytest.mark.parametrize(
    ("most", "words"),
    [(480, "at most 480"), (10**9, "at most 1000000000"), (math.inf, "any number of")],
)
def test_the_number_is_told_whole(most, words):
    assert told_of(most) == words


# from one address


def test_an_address_has_its_own_limit_and_others_have_theirs(started):
    gateway = started(EACH)
    gateway.full(2)
    assert is_turned_away(gateway.connect())
    other = gateway.connect_from(OTHER)
    assert other.ask(get("/healthz")).status == 200
    gateway.forget_clients()
    until(lambda: gateway.open == 0)
    assert gateway.connect().ask(get("/healthz")).status == 200, "it may come again"


def test_a_trusted_proxy_has_many_clients_and_no_limit(started):
    gateway = started(EACH)
    clients = [gateway.connect_from(PROXY) for _ in range(5)]
    named = "X-Forwarded-For: 192.0.2.1"
    assert [each.ask(get("/healthz", named)).status for each in clients] == [200] * 5


def test_nor_has_a_peer_on_this_machine_s_own_socket(started, tmp_path):
    gateway = started(EACH, f"unix:{tmp_path}/socket")
    clients = [gateway.connect_unix(tmp_path / "socket") for _ in range(5)]
    assert [each.ask(get("/healthz")).status for each in clients] == [200] * 5


def test_who_claims_another_address_is_still_who_it_is(started):
    gateway = started(EACH)
    for each in gateway.full(2):
        assert each.ask(get("/healthz", "X-Forwarded-For: 192.0.2.1")).status == 200
    assert is_turned_away(gateway.connect())


def test_behind_a_balancer_it_is_the_client_whom_that_names(started):
    gateway = started(EACH, f"haproxy:{ANYWHERE}")

    def through(address: str) -> Client:
        client = gateway.connect_from(PROXY, 1)
        client.send(f"PROXY TCP4 {address} 127.0.0.1 40000 80\r\n".encode() + get("/healthz"))
        return client

    clients = [through("192.0.2.1") for _ in range(2)]
    assert [each.answer().status for each in clients] == [200, 200]
    assert is_turned_away(through("192.0.2.1"))
    assert through("192.0.2.2").answer().status == 200
    clients[0].close()
    until(lambda: gateway.open == 2)
    assert through("192.0.2.1").answer().status == 200


def test_a_reload_counts_those_who_are_there(started):
    gateway = started("per_client: off")
    gateway.full(3)
    gateway.file.write_text(CONFIG.replace("LIMITS", EACH))
    gateway.reload()
    assert is_turned_away(gateway.connect())
    assert gateway.open == 3, "nobody is sent away for having been there before"
    for limits in ("per_client: 4", "connections: 4"):
        gateway.file.write_text(CONFIG.replace("LIMITS", limits))
        gateway.reload()
        client = gateway.connect()
        assert client.ask(get("/healthz")).status == 200
        assert is_turned_away(gateway.connect())
        client.close()
        until(lambda: gateway.open == 3)


def test_who_is_made_a_trusted_proxy_has_no_limit_from_then_on(started):
    gateway = started(EACH)
    gateway.full(2)
    assert is_turned_away(gateway.connect())
    text = gateway.file.read_text()
    gateway.file.write_text(
        text.replace("trusted_proxies: 127.0.0.3", "trusted_proxies: 127.0.0.1")
    )
    gateway.reload()
    clients = [gateway.connect() for _ in range(3)]
    assert [each.ask(get("/healthz")).status for each in clients] == [200] * 3


def test_one_that_is_not_counted_makes_no_room_when_it_goes():
    admission = Admission(FrontCounters(), 1)
    nobody = Trust(())
    admission.settle(ClientLimits(per_client=1), nobody, ())
    admission.enter(Peer(b"127.0.0.1", nobody, b"http"))
    at_a_socket = Peer(b"127.0.0.1", nobody, b"http", trusted=True)
    admission.enter(at_a_socket)
    admission.leave(at_a_socket)
    assert not admission.has_room(seen_by_twisted("127.0.0.1"))


TRUST = Trust(Gateway().trusted_proxies)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1")


def seen_by_twisted(address: str):
    kind = IPv6Address if ":" in address else IPv4Address
    return kind("TCP", address, 1)


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans()), max_size=60))
def test_the_book_is_as_long_as_there_are_clients(steps):
    """Against a model: what is open is a list of addresses."""
    admission = Admission(FrontCounters(), 1)
    admission.settle(ClientLimits(per_client=3), TRUST, ())
    there: list[Peer] = []
    for address, comes in steps:
        if comes and admission.has_room(seen_by_twisted(address)):
            there.append(Peer(address.encode(), TRUST, b"http"))
            admission.enter(there[-1])
        elif not comes and there:
            admission.leave(there.pop(0))
        counts = Counter(each.address for each in there)
        for each in ADDRESSES:
            room = each == "127.0.0.1" or counts[each.encode()] < 3
            assert admission.has_room(seen_by_twisted(each)) is room
        assert admission.addresses == len({each.address for each in there if not each.trusted})
    assert admission.has_room(UNIXAddress(b"/x"))

"""Requests that are held while no server can be reached (`wait_for`), and what ends the wait."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, post, request
from tests.support.origin import Origin
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import agreed, upgrade

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
upstreams:
  patient: {servers: ["${ORIGIN}"], eject: off, wait_for: 30s}
  both: {servers: ["${ORIGIN}", "${SECOND}"], balance: first, eject: off, wait_for: 30s}
  hasty: {servers: ["http://127.0.0.1:1"], wait_for: 1s}
  nowhere: {servers: ["http://nowhere.invalid:1"], wait_for: 500ms}
routes:
  /patient/: {to: patient}
  /both/: {to: both}
  /hasty/: {to: hasty}
  /nowhere/: {to: nowhere}
"""
# Longer than the longest pause between two looks.
A_LOOK = 1.3


@pytest.fixture
def down(origin):
    """The server is not there; the test lets it come."""
    origin.stop()
    is_back = False

    def come_back() -> None:
        nonlocal is_back
        origin.listen()
        is_back = True

    yield come_back
    if not is_back:
        origin.listen()


# until the server is back


def test_a_request_is_held_until_its_server_is_back(client, origin, down):
    client.send(get("/patient/x"))
    assert client.says_nothing(0.3)
    down()
    far = origin.accept()
    assert far.request().target == b"/x"
    far.send(answer(200, b"back"))
    assert client.answer().body == b"back"


def test_so_is_one_that_may_not_be_repeated_as_it_was_never_sent(client, origin, down):
    client.send(post("/patient/x", b"pay"))
    assert client.says_nothing(0.3)
    down()
    far = origin.accept()
    assert far.request().body == b"pay"
    far.send(answer(200))
    assert client.answer().status == 200


def test_and_a_handshake(client, origin, down):
    client.send(upgrade("/patient/x"))
    assert client.says_nothing(0.2)
    down()
    far = origin.accept()
    far.request()
    far.send(agreed())
    assert client.answer().status == 101


def test_whichever_comes_back_first(client, origin, second, down):
    second.stop()
    try:
        client.send(get("/both/x"))
        assert client.says_nothing(0.3)
    finally:
        second.listen()
    far = second.accept()
    far.request()
    far.send(answer(200, b"the second"))
    assert client.answer().body == b"the second"


def test_several_wait_and_all_are_served(gateway, origin, down):
    clients = [gateway.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.send(get(f"/patient/{number}"))
    assert clients[-1].says_nothing(0.3)
    down()
    for far in [origin.accept() for _ in clients]:
        far.send(answer(200, far.request().target))
    bodies = [client.answer().body for client in clients]
    assert bodies == [b"/%d" % number for number in range(20)]


def test_whom_the_server_answers_first_brings_all_others(gateway, origin, down):
    clients = [gateway.connect() for _ in range(12)]
    for client in clients:
        client.send(get("/patient/held"))
    # By now each looks about once a second, by itself.
    assert clients[-1].says_nothing(4.0)
    down()
    first = origin.accept()
    first.request()
    first.send(answer(200, b"", "Connection: close"))
    with Stopwatch() as watch:
        others = [origin.accept() for _ in clients[1:]]
    assert watch.seconds < 0.3
    for far in others:
        far.request()
        far.send(answer(200))
    assert [client.answer().status for client in clients] == [200] * 12


def test_what_accepts_and_has_no_server_behind_it_is_no_reason_to_hurry(gateway, origin):
    clients = [gateway.connect() for _ in range(12)]
    for client in clients:
        client.send(get("/patient/held"))
    # As what forwards a port to a container that is being restarted.
    looks, end = 0, time.monotonic() + 3.0
    while (left := end - time.monotonic()) > 0:
        with contextlib.suppress(AssertionError):
            origin.accept(left).close()
            looks += 1
    assert 12 * 4 < looks < 12 * 12


# a connection that dies


def test_a_server_that_goes_before_it_has_answered_may_be_on_its_way_back(client, origin):
    client.send(get("/patient/x"))
    for _ in range(3):
        far = origin.accept()
        assert far.request().target == b"/x"
        far.close()
    far = origin.accept()
    far.request()
    far.send(answer(200, b"back"))
    assert client.answer().body == b"back"


def test_a_body_that_is_here_goes_again(client, origin):
    client.send(request("PUT", "/patient/x", body=b"again"))
    for _ in range(2):
        far = origin.accept()
        assert far.request().body == b"again"
        far.close()
    far = origin.accept()
    assert far.request().body == b"again"
    far.send(answer(200))
    assert client.answer().status == 200


def test_what_may_not_be_repeated_is_not(client, origin):
    client.send(post("/patient/x", b"pay"))
    far = origin.accept()
    far.request()
    far.close()
    assert client.answer().status == 502
    assert origin.is_untouched


def test_nor_a_request_to_a_server_that_answers_badly(client, origin):
    client.send(get("/patient/x"))
    far = origin.accept()
    far.request()
    far.send(b"220 mail.example ESMTP\r\n\r\n")
    assert client.answer().status == 502
    assert origin.is_untouched


# the end of the wait


@pytest.mark.parametrize("path", ["/hasty/x", "/nowhere/x"])
def test_when_the_time_is_over_it_is_a_503(gateway, client, path):
    with Stopwatch() as watch:
        client.send(get(path))
        got = client.answer()
    assert got.status == 503
    assert got.value(b"retry-after") == b"5"
    assert watch.seconds >= (1.0 if path == "/hasty/x" else 0.5)
    entry = gateway.entry(target=path)
    assert (entry["fault"], entry["status"]) == ("UPSTREAM_DOWN", 503)
    assert b"for 1 s" in got.body or path != "/hasty/x"


def test_a_client_that_leaves_ends_it(gateway, client, origin, down):
    client.send(get("/patient/leaves"))
    assert client.says_nothing(0.2)
    client.close()
    assert gateway.entry(target="/patient/leaves")["status"] == 0
    down()
    with pytest.raises(AssertionError, match="no connection came"):
        origin.accept(A_LOOK)


def test_what_a_held_client_sends_is_not_read(gateway, client, origin, down):
    size = 30_000_000
    client.send(request("PUT", "/patient/x", f"Content-Length: {size}"))
    assert client.says_nothing(0.2)
    sent = client.send_some(b"x" * size, within=1)
    assert sent < size
    assert gateway.memory < 200_000_000
    down()
    far = origin.accept()
    far.head()
    sender = threading.Thread(target=client.send, args=(b"x" * (size - sent),))
    sender.start()
    far.skip(size)
    sender.join()
    far.send(answer(200))
    assert client.answer().status == 200


@pytest.fixture
def own(tmp_path: Path):
    """Starts a gateway of the test's own before ``url``."""
    gateways: list[GatewayProcess] = []

    def start(url: str, wait_for: str, drain_timeout: str = "30s") -> GatewayProcess:
        upstream = f'{{servers: ["{url}"], wait_for: {wait_for}}}'
        gateway = f"{{access_log: off, drain_timeout: {drain_timeout}}}"
        text = f"gateway: {gateway}\nupstreams: {{app: {upstream}}}\n"
        gateways.append(GatewayProcess(tmp_path, text + "routes: {/: {to: app}}\n"))
        return gateways[-1]

    yield start
    for gateway in gateways:
        gateway.kill()


def test_the_gateway_does_not_wait_longer_than_its_drain_timeout(own):
    gateway = own("http://127.0.0.1:1", "1h", drain_timeout="1s")
    client = gateway.connect()
    client.send(get("/x"))
    assert client.says_nothing(0.3)
    gateway.terminate()
    assert gateway.exit_code() == 0
    assert "that did not end within 1 s" in gateway.output
    assert "Traceback" not in gateway.output and "Unhandled" not in gateway.output


def test_an_upstream_that_comes_back_while_the_gateway_stops_still_answers(own):
    origin = Origin()
    origin.stop()
    gateway = own(origin.url, "1h")
    client = gateway.connect()
    client.send(get("/x"))
    assert client.says_nothing(0.3)
    gateway.terminate()
    origin.listen()
    far = origin.accept()
    far.request()
    far.send(answer(200, b"in time"))
    assert client.answer().body == b"in time"
    gateway.stop()
    origin.close()


# under load

SERVER = """
import asyncio, sys

ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello"

async def serve(reader, writer):
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()

asyncio.run(main())
"""
RESTARTS = 20


def test_a_server_that_is_killed_and_started_twenty_times_loses_no_get(own):
    origin = Origin()
    origin.stop()
    command = [sys.executable, "-c", SERVER, str(origin.port)]
    server = subprocess.Popen(command)
    gateway = own(origin.url, "30s")
    done = threading.Event()
    statuses: list[int] = []

    def visit() -> None:
        client = gateway.connect()
        while not done.is_set():
            statuses.append(client.ask(get("/x")).status)

    visitors = [threading.Thread(target=visit) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(RESTARTS):
            before = len(statuses)
            until(lambda at=before: len(statuses) > at + 50, 30, "50 more answers")
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            server = subprocess.Popen(command)
    finally:
        done.set()
        for visitor in visitors:
            visitor.join(60)
        server.kill()
        server.wait()
    assert set(statuses) == {200}
    assert len(statuses) > RESTARTS * 50
    gateway.stop()

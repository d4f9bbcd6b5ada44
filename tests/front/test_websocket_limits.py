"""What a route may demand of its WebSockets, and what the end of the gateway means to them."""

import select
import time

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.waiting import PATIENCE, Stopwatch, until
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    open_websocket,
    read_frame,
)

CONFIG = """
gateway:
  access_log: off
routes:
  /idle/: {to: "${ORIGIN}", websocket: {idle_timeout: 600ms}}
  /pinged/: {to: "${ORIGIN}", websocket: {ping_interval: 1s}}
  /both/: {to: "${ORIGIN}", websocket: {ping_interval: 1s, idle_timeout: 2s}}
  /small/: {to: "${ORIGIN}", websocket: {max_message_size: 1000}}
  /stuck/: {to: "${ORIGIN}", timeouts: {send: 500ms}}
"""

MEGABYTE = 1 << 20


def test_silence_ends_both_with_1001(client, origin):
    far, _, _ = open_websocket(client, origin, "/idle/x")
    with Stopwatch() as watch:
        assert read_frame(client).code == 1001
    assert read_frame(far).code == 1001
    assert 0.5 < watch.seconds < 2.5
    client.send(close(1001))
    far.send(close(1001, masked=False))
    assert client.rest() == far.rest() == b""


@pytest.mark.parametrize("opcode", [TEXT, PING, PONG])
def test_anything_said_by_either_side_is_no_silence(client, origin, opcode):
    far, _, _ = open_websocket(client, origin, "/idle/x")
    for turn in range(6):
        data = frame(opcode, b"x", masked=turn % 2 == 0)
        talker, listener = (client, far) if turn % 2 == 0 else (far, client)
        talker.send(data)
        assert listener.read(len(data)) == data
        time.sleep(0.3)


def test_both_sides_are_pinged(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    near_ping, far_ping = read_frame(client), read_frame(far)
    assert (near_ping.opcode, near_ping.masked) == (PING, False)
    assert (far_ping.opcode, far_ping.masked) == (PING, True)
    client.send(frame(PONG, near_ping.payload))
    far.send(frame(PONG, far_ping.payload, masked=False))
    client.send(frame(TEXT, b"and it goes on"))
    seen = read_frame(far)
    while seen.opcode in (PING, PONG):
        seen = read_frame(far)
    assert seen.payload == b"and it goes on"


def test_sides_that_answer_stay(client, origin):
    far, _, _ = open_websocket(client, origin, "/both/x")
    asked = {client: 0, far: 0}
    sides = {side.socket: side for side in asked}
    while min(asked.values()) < 4:
        for ready in select.select(sides, [], [], PATIENCE)[0]:
            side = sides[ready]
            got = read_frame(side)
            assert got.opcode in (PING, PONG), "the other's answers pass"
            if got.opcode == PING:
                asked[side] += 1
                side.send(frame(PONG, got.payload, masked=side is client))
    client.send(frame(TEXT, b"still here"))
    while (got := read_frame(far)).opcode in (PING, PONG):
        pass
    assert got.payload == b"still here"


def test_a_side_is_asked_for_its_own_silence(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    for _ in range(8):
        time.sleep(0.25)
        far.send(frame(TEXT, b"news", masked=False))
    seen = [read_frame(client).opcode for _ in range(8)]
    assert PING in seen
    assert far.says_nothing(), "it says enough by itself"


def answer_pings(side, masked):
    """Answer a few pings; the first frame that is none."""
    for _ in range(5):
        got = read_frame(side)
        if got.opcode != PING:
            break
        side.send(frame(PONG, got.payload, masked))
    return got


def test_a_client_that_answers_no_ping_is_given_up(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    with Stopwatch() as watch:
        got = answer_pings(far, masked=False)
    assert (got.code, got.payload[2:]) == (1001, b"the client answered no ping")
    assert 1.5 < watch.seconds < 4
    client.rest()
    assert client.ending == "reset"
    far.send(close(1001, masked=False))
    assert far.rest() == b""


def test_a_server_that_answers_no_ping_is_given_up(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    got = answer_pings(client, masked=True)
    assert got.code == 1011
    far.rest()
    assert far.ending == "reset"


def test_who_is_not_read_from_is_not_asked(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    one = frame(BINARY, b"x" * 60_000)
    sent = client.send_some(one * 400, within=0.3)
    assert client.says_nothing(3), "the server is full: nothing of the client's can be heard"
    far.skip(sent)
    rest = one[sent % len(one) :]
    client.send(rest)
    assert far.read(len(rest)) == rest, "and it is open still"


def test_no_ping_stands_within_a_frame(client, origin):
    far, _, _ = open_websocket(client, origin, "/pinged/x")
    whole = frame(BINARY, b"x" * 100)
    client.send(whole[:50])
    assert far.read(50) == whole[:50]
    assert read_frame(client).opcode == PING, "the other direction is free"
    assert far.says_nothing(0.3)
    client.send(whole[50:])
    assert far.read(len(whole) - 50) == whole[50:]
    assert read_frame(far).opcode == PING


def test_a_message_of_just_that_size_passes(client, origin):
    far, _, _ = open_websocket(client, origin, "/small/x")
    data = frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 400)
    client.send(data)
    assert far.read(len(data)) == data


@pytest.mark.parametrize(
    "data",
    [frame(BINARY, b"x" * 1001),
     frame(TEXT, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 401),
     b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask"],
    ids=["at once", "in parts", "declared"],
)  # fmt: skip
def test_a_larger_one_closes_both_with_1009(client, origin, data):
    far, _, _ = open_websocket(client, origin, "/small/x")
    client.send(data)
    assert read_frame(client).code == 1009
    seen = read_frame(far)
    if seen.opcode != CLOSE:
        seen = read_frame(far)
    assert seen.code == 1009


def test_a_larger_one_of_the_servers_too(client, origin):
    far, _, _ = open_websocket(client, origin, "/small/x")
    far.send(frame(BINARY, b"x" * 1001, masked=False))
    assert read_frame(client).code == 1009
    assert read_frame(far).code == 1009


def test_a_side_that_takes_nothing_is_closed(client, origin):
    far, _, _ = open_websocket(client, origin, "/stuck/x")
    block = frame(BINARY, b"x" * 60000, masked=False) * 17
    while far.send_some(block, within=0.2) == len(block):
        pass
    assert read_frame(far).code == 1001


def test_sigterm_closes_them_with_1001(tmp_path, far_side):
    origin = far_side["ORIGIN"]
    origin.forget()
    gateway = GatewayProcess(tmp_path, CONFIG, ORIGIN=origin.url)
    try:
        client = gateway.connect()
        far, _, _ = open_websocket(client, origin, "/small/x")
        gateway.terminate()
        assert read_frame(client).code == 1001
        assert read_frame(far).code == 1001
        until(gateway.refuses_connections)
        client.send(close(1001))
        far.send(close(1001, masked=False))
        assert client.rest() == far.rest() == b""
        with Stopwatch() as watch:
            assert gateway.exit_code() == 0
        assert watch.seconds < 2
        assert "Traceback" not in gateway.output
    finally:
        gateway.kill()


def test_sigterm_does_not_wait_long_for_their_answer(tmp_path, far_side):
    origin = far_side["ORIGIN"]
    origin.forget()
    gateway = GatewayProcess(tmp_path, CONFIG, ORIGIN=origin.url)
    try:
        client = gateway.connect()
        open_websocket(client, origin, "/small/x")
        gateway.terminate()
        with Stopwatch() as watch:
            assert gateway.exit_code(12) == 0
        assert watch.seconds < 8
        assert "Traceback" not in gateway.output
    finally:
        gateway.kill()


def test_a_reload_leaves_them_open(tmp_path, far_side):
    origin = far_side["ORIGIN"]
    origin.forget()
    gateway = GatewayProcess(tmp_path, CONFIG, ORIGIN=origin.url)
    try:
        client = gateway.connect()
        far, _, _ = open_websocket(client, origin, "/small/x")
        gateway.file.write_text("gateway: {access_log: off}\nroutes: {}\n")
        gateway.reload()
        data = frame(TEXT, b"still here")
        client.send(data)
        assert far.read(len(data)) == data
        far.send(frame(TEXT, b"so am I", masked=False))
        assert read_frame(client).payload == b"so am I"
        client.reset()
        assert read_frame(far).code == 1001
        far.close()
        gateway.stop()
    finally:
        gateway.kill()

"""Open WebSockets through the gateway: messages, pings, ends (SPEC.md section 6)."""

import threading

import pytest

from tests.support.waiting import Stopwatch
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
  access_log: {format: json, file: access.log}
routes:
  /ws/: {to: "${ORIGIN}"}
"""

MEGABYTE = 1 << 20


# messages


@pytest.fixture
def far(client, origin):
    return open_websocket(client, origin)[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_passes_as_it_is_in_both_directions(client, far, opcode, size):
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    up, down = frame(opcode, payload), frame(opcode, payload, masked=False)
    client.send(up)
    assert far.read(len(up)) == up
    far.send(down)
    assert client.read(len(down)) == down


def test_a_message_passes_while_it_is_being_sent(client, far):
    whole = frame(BINARY, b"x" * 1000)
    client.send(whole[:500])
    assert far.read(500) == whole[:500]
    client.send(whole[500:])
    assert far.read(len(whole) - 500) == whole[500:]


def test_byte_by_byte(client, far):
    data = frame(TEXT, b"a") + frame(BINARY, b"b" * 130) + frame(PING, b"c")
    for at in range(len(data)):
        client.send(data[at : at + 1])
    assert far.read(len(data)) == data


def test_fragments_with_a_ping_between_them(client, far):
    data = (
        frame(TEXT, b"one", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"two", fin=False)
        + frame(CONTINUATION, b"")
    )  # fmt: skip
    client.send(data)
    assert far.read(len(data)) == data


def test_pings_are_the_ends_affair(client, far):
    far.send(frame(PING, b"are you there", masked=False))
    assert read_frame(client).payload == b"are you there"
    assert far.says_nothing(), "the gateway does not answer for the client"
    client.send(frame(PONG, b"are you there"))
    got = read_frame(far)
    assert (got.opcode, got.payload) == (PONG, b"are you there")


def test_much_in_both_directions_keeps_its_order(gateway, client, far):
    before = gateway.memory
    up = b"".join(frame(BINARY, b"%06d" % n + b"u" * 20000) for n in range(300))
    down = b"".join(frame(BINARY, b"%06d" % n + b"d" * 20000, masked=False) for n in range(300))
    seen = []
    threads = [
        threading.Thread(target=client.send, args=(up,)),
        threading.Thread(target=far.send, args=(down,)),
        threading.Thread(target=lambda: seen.append(far.read(len(up)) == up)),
    ]
    for thread in threads:
        thread.start()
    assert client.read(len(down)) == down
    for thread in threads:
        thread.join(20)
    assert seen == [True]
    assert gateway.memory - before < 16 * MEGABYTE


@pytest.mark.parametrize("direction", ["up", "down"])
def test_who_does_not_read_holds_the_other_back(gateway, client, far, direction):
    before = gateway.memory
    talker, listener = (client, far) if direction == "up" else (far, client)
    one = frame(BINARY, b"x" * 60000, masked=direction == "up")
    block = one * 17
    sent = 0
    while (taken := talker.send_some(block, within=0.3)) == len(block):
        sent += taken
        assert sent < 200 * MEGABYTE
    assert gateway.memory - before < 8 * MEGABYTE
    assert listener.read(len(one)) == one
    listener.skip(sent - len(one))


# ends


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_clients_close_and_its_answer_pass(client, far, code):
    client.send(close(code, b"bye"))
    seen = read_frame(far)
    assert (seen.code, seen.payload[2:], seen.masked) == (code, b"bye", True)
    far.send(close(code, b"bye bye", masked=False))
    got = read_frame(client)
    assert (got.code, got.payload[2:], got.masked) == (code, b"bye bye", False)
    far.close()
    assert client.rest() == b"" and client.ending == "closed"


def test_a_servers_close_and_its_answer_pass(client, far):
    far.send(close(1012, b"restart", masked=False))
    assert read_frame(client).code == 1012
    client.send(close(1012))
    assert read_frame(far).code == 1012
    client.close()
    assert far.rest() == b""


def test_a_close_without_a_code_passes_as_such(client, far):
    client.send(frame(CLOSE))
    assert read_frame(far).payload == b""


def test_a_client_that_dies_is_1001_to_the_server(client, far):
    client.reset()
    with Stopwatch() as watch:
        got = read_frame(far)
    assert (got.code, got.masked) == (1001, True)
    assert watch.seconds < 1
    far.send(close(1001, masked=False))
    assert far.rest() == b"" and far.ending == "closed"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_server_that_dies_is_1011_to_the_client(client, far, how):
    getattr(far, how)()
    got = read_frame(client)
    assert (got.code, got.masked) == (1011, False)
    client.send(close(1011))
    assert client.rest() == b"" and client.ending == "closed"


def test_a_server_that_dies_within_a_frame_cuts_the_client(client, far):
    far.send(frame(BINARY, b"x" * 1000, masked=False)[:500])
    client.read(500)
    far.close()
    assert client.rest() == b""
    assert client.ending == "reset", "no frame of ours could be told from its bytes"


def test_an_end_that_nobody_answers_ends_anyway(client, far):
    far.close()
    assert read_frame(client).code == 1011
    with Stopwatch() as watch:
        assert client.rest() == b""
    assert watch.seconds < 8


VIOLATIONS = {
    "not masked": frame(TEXT, b"x", masked=False),
    "a reserved bit": frame(TEXT, b"x", rsv=4),
    "another reserved bit": frame(TEXT, b"x", rsv=1),
    "an unknown kind": frame(3, b"x"),
    "an unknown control frame": frame(11, b"x"),
    "a ping in parts": frame(PING, b"x", fin=False),
    "a ping too long": frame(PING, b"x" * 126),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "a message within a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
    "a length not in its shortest form": b"\x81\xfe\x00\x05" + b"\0" * 9,
    "a length of 64 bits": b"\x82\xff\xff" + b"\0" * 11,
}


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_clients_violation_closes_both_with_1002(client, far, data):
    client.send(frame(BINARY, b"good") + data + frame(BINARY, b"after"))
    assert read_frame(far).payload == b"good"
    seen = read_frame(far)
    while seen.opcode != CLOSE:
        assert seen.payload == b"x" and not seen.fin, "the good first half of it"
        seen = read_frame(far)
    assert (seen.code, seen.masked) == (1002, True)
    got = read_frame(client)
    assert (got.code, got.masked) == (1002, False)
    far.send(close(1002, masked=False))
    assert far.rest() == b"", "the side that kept the rules ends at once"


def test_who_broke_the_rules_is_waited_for_a_few_seconds_only(client, far):
    client.send(frame(3, b"x"))
    assert read_frame(client).code == 1002
    assert client.gone_within(8)


def test_a_servers_violation_closes_both_with_1002(client, far):
    far.send(frame(TEXT, b"good", masked=False) + frame(TEXT, b"x", masked=True))
    assert read_frame(client).payload == b"good"
    assert read_frame(client).code == 1002
    assert read_frame(far).code == 1002


def test_a_web_socket_is_logged_when_it_ends(gateway, client, origin):
    far, _, got = open_websocket(client, origin, "/ws/logged")
    up, down = frame(TEXT, b"12345"), frame(TEXT, b"123", masked=False)
    client.send(up)
    far.read(len(up))
    far.send(down)
    client.read(len(down))
    client.reset()
    entry = gateway.entry(target="/ws/logged")
    assert (entry["status"], entry["bytes_received"], entry["bytes_sent"]) == (
        101, len(up), len(down),
    )  # fmt: skip
    assert entry["request_id"].encode() == got.value(b"x-request-id")

"""How a WebSocket ends for a side that is slow, or that still sends."""

import time
from pathlib import Path

from tests.support.gateway import GatewayProcess
from tests.support.stream import Stream
from tests.support.waiting import Stopwatch, until
from tests.support.websocket import BINARY, close, frame, open_websocket, read_frame

CONFIG = """
gateway:
  access_log: off
routes:
  /ws/: {to: "${ORIGIN}"}
  /small/: {to: "${ORIGIN}", websocket: {max_message_size: 1000}}
  /stuck/: {to: "${ORIGIN}", timeouts: {send: 2s}}
  /idle/: {to: "${ORIGIN}", websocket: {idle_timeout: 1s}}
"""

MEGABYTE = 1 << 20
# What Twisted keeps for a transport before it says that it is full.
FULL = 64 * 1024


def queues(stream: Stream) -> tuple[int, int]:
    """What the kernel holds between the two ends of ``stream``: (from here, to here) in bytes."""
    here, there = (sock[1] for sock in (stream.socket.getsockname(), stream.socket.getpeername()))
    found: dict[tuple[int, int], tuple[int, int]] = {}
    # proc(5): local and remote address, state, tx_queue:rx_queue, all in hexadecimal.
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, _, waiting = line.split()[1:5]
        ports = int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)
        sent, come = waiting.split(":")
        found[ports] = int(sent, 16), int(come, 16)
    mine, other = found[here, there], found[there, here]
    return mine[0] + other[1], other[0] + mine[1]


def fill(talker: Stream, listener: Stream, one: bytes, enough: int, count: int = 0) -> int:
    """Let the gateway itself keep more than ``enough`` bytes for a listener that reads none.

    ``talker`` sends ``one`` again and again, and each is taken whole; gives how many there are
    then, of which there were ``count`` before.
    """
    while count * len(one) - queues(listener)[1] <= enough:
        talker.send(one)
        count += 1
        until(lambda: not queues(talker)[0], what="the gateway takes a frame")
    return count


def test_a_slow_client_gets_all_that_was_said_before_the_end(client, origin):
    far, _, _ = open_websocket(client, origin)
    one = frame(BINARY, b"x" * 30_000, masked=False)
    count = fill(far, client, one, 0)
    far.send(close(1000, masked=False))
    far.close()
    # Longer than a side that has taken all may take to answer.
    time.sleep(7)
    assert client.read(count * len(one)) == one * count
    assert read_frame(client).code == 1000
    assert client.rest() == b"" and client.ending == "closed"


def test_what_does_not_move_is_silence(client, origin):
    far, _, _ = open_websocket(client, origin, "/idle/x")
    one = frame(BINARY, b"x" * 30_000)
    count = fill(client, far, one, FULL)
    assert read_frame(client).code == 1001, "not 1011: it may be full for longer than that"
    assert far.read(count * len(one)) == one * count
    assert read_frame(far).code == 1001


def test_a_side_that_was_slow_is_not_waited_for_longer(tmp_path, far_side):
    origin = far_side["ORIGIN"]
    origin.forget()
    gateway = GatewayProcess(tmp_path, CONFIG, ORIGIN=origin.url)
    try:
        client = gateway.connect()
        far, _, _ = open_websocket(client, origin)
        one = frame(BINARY, b"x" * 30_000)
        count = fill(client, far, one, FULL)
        gateway.terminate()
        assert read_frame(client).code == 1001
        assert far.read(count * len(one)) == one * count
        assert read_frame(far).code == 1001
        # Neither answers.
        with Stopwatch() as watch:
            assert gateway.exit_code(40) == 0
        assert watch.seconds < 9
    finally:
        gateway.kill()


def test_a_client_that_goes_on_sending_sees_why_it_was_closed(client, origin):
    far, _, _ = open_websocket(client, origin, "/small/x")
    client.send(frame(BINARY, b"x" * 4 * MEGABYTE))
    assert client.ending is None
    assert read_frame(client).code == 1009
    assert read_frame(far).code == 1009


def test_a_client_that_takes_nothing_is_1001_to_the_server(client, origin):
    far, _, _ = open_websocket(client, origin, "/stuck/x")
    fill(far, client, frame(BINARY, b"x" * 30_000, masked=False), FULL)
    assert read_frame(far).code == 1001
    assert client.gone_within(4) and client.ending == "reset"


def test_a_server_that_takes_nothing_is_1011_to_the_client(client, origin):
    far, _, _ = open_websocket(client, origin, "/stuck/x")
    fill(client, far, frame(BINARY, b"x" * 30_000), FULL)
    assert read_frame(client).code == 1011
    assert far.gone_within(4) and far.ending == "reset"


def test_one_that_takes_nothing_is_not_excused_by_the_other(client, origin):
    far, _, _ = open_websocket(client, origin, "/stuck/x")
    down, up = frame(BINARY, b"x" * 30_000, masked=False), frame(BINARY, b"x" * 30_000)
    ups = downs = 0
    for enough in (0, FULL):
        # What the kernels hold takes its time; then both are full at nearly once.
        ups = fill(client, far, up, enough, ups)
        downs = fill(far, client, down, enough, downs)
    # The server takes all then, and the client nothing.
    assert far.read(ups * len(up)) == up * ups
    assert read_frame(far).code == 1001

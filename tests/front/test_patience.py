"""Who is slow and who is gone: decisions about deadlines, with what they ask played by the test.

The same limits run in real time in `test_time_limits` and `test_slow_bodies`; here stand the
cases that the kernel's buffers hide from a socket.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from daarion_gw.config.settings import Timeouts
from daarion_gw.front.conversation import Why
from daarion_gw.front.patience import answer_late, request_late
from daarion_gw.front.upload import BODY_INTERVAL, SLOWEST_BODY, Upload
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.request import Known, parse_head

NOW = 1000.0


class Near:
    """A client's connection: what it is told, and what is waiting for it."""

    def __init__(self) -> None:
        self.deadline = NOW
        self.is_blocked = False
        self.request_complete = False
        self.paused_for = 0
        self.moved = False

    def is_moving(self) -> bool:
        return self.moved

    def pause_reading(self, why: Why) -> None:
        self.paused_for |= why

    def resume_reading(self, why: Why) -> None:
        self.paused_for &= ~why


class Far:
    """A server's connection with ``waiting`` bytes that it has not taken."""

    def __init__(self, waiting: int) -> None:
        self.transport = SimpleNamespace(dataBuffer=b"x" * waiting, offset=0, _tempDataLen=0)
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class Exchange:
    def __init__(self, near: Near) -> None:
        self.near = near
        group = SimpleNamespace(watches=False)
        self.proxy = SimpleNamespace(timeouts=Timeouts(first_byte=1, idle=2, send=3), group=group)
        # No other server is sought.
        self.seeking = self
        self.reception = SimpleNamespace(sweep=SimpleNamespace(now=NOW))
        self.ended: list[Any] = []

    def not_answered(self, fault: Any, detail: str, is_silent: bool) -> None:
        self.refuse(fault, detail)

    def refuse(self, fault: Any, detail: str) -> None:
        self.ended.append(fault.name)

    def cut(self, fault: Any, detail: str) -> None:
        self.ended.append(detail)


def uploading(near: Near, far: Far | None = None) -> Upload:
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    upload = Upload(near, parse_head(head, DEFAULT, Known()))
    upload.wait()
    if far is not None:
        upload.start(far, b"HEAD", True)
    return upload


@pytest.fixture
def near() -> Near:
    return Near()


def test_a_client_that_takes_a_little_is_given_more_time(near):
    near.is_blocked = near.moved = True
    exchange = Exchange(near)
    answer_late(exchange, None)
    assert (exchange.ended, near.deadline) == ([], NOW + 3)


def test_a_client_that_takes_nothing_is_cut(near):
    near.is_blocked = True
    exchange = Exchange(near)
    answer_late(exchange, None)
    assert exchange.ended == ["the client stopped taking the answer"]


def test_a_server_that_takes_a_little_is_given_more_time(near):
    far = Far(1000)
    upload, exchange = uploading(near, far), Exchange(near)
    upload.far_blocked()
    far.transport.dataBuffer = b"x" * 900
    request_late(exchange, upload)
    assert (exchange.ended, near.deadline) == ([], NOW + 3)
    request_late(exchange, upload)
    assert exchange.ended == ["UPSTREAM_TIMEOUT"], "and then it took nothing"


def test_a_body_is_sent_when_nothing_of_it_waits(near):
    assert uploading(near, Far(0)).is_sent
    assert not uploading(near, Far(1)).is_sent


def test_what_is_lost_on_the_way_is_not_still_to_come(near):
    skipped: list[int] = []
    near.receiver = SimpleNamespace(skip=skipped.append)
    upload = uploading(near, Far(0))
    upload.stop()
    assert skipped == []
    upload.splice = SimpleNamespace(stop=lambda: 500)
    upload.stop()
    assert skipped == [500]


def test_a_body_is_not_slow_while_the_server_is_full(near):
    upload = uploading(near, Far(1000))
    assert upload.await_more(NOW) == NOW + BODY_INTERVAL
    assert upload.is_too_slow
    upload.far_blocked()
    assert not upload.is_too_slow
    upload.far_drained()
    upload.body_received(b"x" * SLOWEST_BODY)
    assert not upload.is_too_slow


def test_nothing_is_read_while_the_server_is_full_or_not_there(near):
    upload = uploading(near)
    assert near.paused_for == Why.CONNECTING
    upload.start(Far(0), b"", True)
    assert near.paused_for == 0
    upload.far_blocked()
    assert near.paused_for == Why.UPSTREAM_FULL
    upload.far_drained()
    assert near.paused_for == 0


def test_a_full_server_that_died_does_not_hold_up_the_second_try(near):
    upload = uploading(near, Far(0))
    upload.body_received(b"body")
    upload.far_blocked()
    upload.wait()
    second = Far(0)
    upload.start(second, b"HEAD", False)
    upload.flush()
    assert near.paused_for == 0 and not upload.is_stuck
    assert second.written == b"HEADbody"


def test_the_end_of_an_answer_that_stops_depends_on_who_still_speaks(near):
    upload, exchange = uploading(near, Far(0)), Exchange(near)
    upload.body_received(b"x")
    answer_late(exchange, upload)
    assert (exchange.ended, near.deadline) == ([], NOW + 2), "the client does"
    answer_late(exchange, upload)
    assert exchange.ended == ["stopped in the middle of its answer"]

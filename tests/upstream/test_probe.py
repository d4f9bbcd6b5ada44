"""Probes on real sockets: what passes, what does not and why, and that none is left over."""

import random
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from twisted.internet.epollreactor import EPollReactor

from daarion_gw.config.resilience import HealthCheck
from daarion_gw.config.settings import Server
from daarion_gw.upstream.probe import BODY_AT_MOST, Probing
from tests.support.message import answer
from tests.support.origin import Origin
from tests.support.waiting import PATIENCE, until


class World:
    """A server that the test plays, and a reactor that runs in a thread of its own."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self.told: list[str | None] = []
        self.probing: Probing | None = None
        self._thread = threading.Thread(
            target=self.reactor.run, kwargs={"installSignalHandlers": False}
        )
        self._thread.start()

    def in_reactor(self, call) -> object:
        done: list[object] = []
        self.reactor.callFromThread(lambda: done.append((call(),)))
        return until(lambda: done, what="the reactor's turn")[0][0]

    def watch(self, server: Server, **said) -> None:
        """Probe ``server`` at once, and then every hour unless told otherwise."""
        check = HealthCheck(**{"path": "/health", "interval": "1h", "timeout": "9s", **said})
        self.probing = Probing(self.reactor, server, check, self.told.append, lambda: 0.0)
        self.in_reactor(self.probing.start)

    @property
    def told_first(self) -> str | None:
        until(lambda: self.told, what="a probe's end")
        return self.told[0]

    @property
    def timers(self) -> int:
        return self.in_reactor(lambda: len(self.reactor.getDelayedCalls()))

    def close(self) -> None:
        if self.probing is not None:
            self.in_reactor(self.probing.stop)
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(PATIENCE)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin()
    yield origin
    origin.close()


def server_at(origin: Origin, **said) -> Server:
    return Server(host="127.0.0.1", port=origin.port, **said)


def test_it_asks_below_the_servers_own_path_and_says_who_it_is(world, origin):
    world.watch(server_at(origin, path="/base"))
    far = origin.accept()
    seen = far.request()
    assert seen.line == b"GET /base/health HTTP/1.1"
    assert seen.value(b"host") == b"127.0.0.1:%d" % origin.port
    assert seen.value(b"user-agent") == b"daarion-gw health check"
    far.send(answer(200))
    assert world.told_first is None


def test_the_host_field_is_as_configured(world, origin):
    world.watch(server_at(origin), host="app.example.com")
    far = origin.accept()
    assert far.request().value(b"host") == b"app.example.com"
    far.send(answer(200))
    assert world.told_first is None


@pytest.mark.parametrize(
    ("status", "statuses", "wrong"),
    [
        (204, ((200, 399),), None),
        (399, ((200, 399),), None),
        (404, ((200, 399),), "status 404"),
        (500, ((200, 399),), "status 500"),
        (401, ((200, 200), (401, 401)), None),
        (201, ((200, 200), (401, 401)), "status 201"),
    ],
)
def test_the_status_must_be_one_of_those(world, origin, status, statuses, wrong):
    world.watch(server_at(origin), statuses=statuses)
    far = origin.accept()
    far.request()
    far.send(answer(status))
    assert world.told_first == wrong


def test_a_redirect_is_not_followed(world, origin):
    world.watch(server_at(origin), statuses=((302, 302),))
    far = origin.accept()
    far.request()
    far.send(answer(302, b"", f"Location: {origin.url}/elsewhere"))
    assert world.told_first is None
    assert origin.is_untouched


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"status": "ok"}', None),
        (b'{"status": "failing"}', "the answer has no match of the pattern body"),
        (b"x" * (BODY_AT_MOST - 16) + b'{"status": "ok"}', None),
        (b"x" * BODY_AT_MOST + b'{"status": "ok"}', "the answer has no match of the pattern body"),
        (b"", "the answer has no match of the pattern body"),
    ],
)
def test_the_body_must_have_the_pattern_in_its_first_64_kib(world, origin, body, wrong):
    world.watch(server_at(origin), body='"status": *"ok"')
    far = origin.accept()
    far.request()
    far.send(answer(200, body))
    assert world.told_first == wrong


def test_of_a_body_without_end_no_more_is_read(world, origin):
    world.watch(server_at(origin), body="never")
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 200 OK\r\n\r\n")
    sent = 0
    while far.ending is None:
        assert sent < 100 << 20, "it reads on"
        far.send(b"x" * 65536)
        sent += 65536
    assert world.told_first == "the answer has no match of the pattern body"


def test_one_that_refuses(world, origin):
    origin.stop()
    world.watch(server_at(origin))
    assert world.told_first == "refused the connection"
    origin.listen()


def test_one_that_hangs_up(world, origin):
    world.watch(server_at(origin))
    origin.accept().close()
    assert world.told_first == "hung up without an answer"


def test_one_that_does_not_speak_http(world, origin):
    world.watch(server_at(origin))
    far = origin.accept()
    far.request()
    far.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    far.close()
    assert world.told_first == "does not speak HTTP"


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_one_that_is_late_with_any_of_its_answer(world, origin, begun):
    world.watch(server_at(origin), timeout="300ms", body="x+y")
    far = origin.accept()
    far.request()
    far.send(begun)
    assert world.told_first == "silent for 0.3 s"
    assert far.rest() == b"", "the connection does not stay"


def test_a_unix_socket(world, tmp_path: Path):
    origin = Origin(unix=str(tmp_path / "app.sock"))
    world.watch(Server(host="localhost", port=0, unix=str(tmp_path / "app.sock")))
    far = origin.accept()
    assert far.request().value(b"host") == b"localhost"
    far.send(answer(200))
    assert world.told_first is None
    origin.close()


def test_a_name_of_a_server(world, origin):
    world.watch(Server(host="localhost", port=origin.port))
    far = origin.accept()
    assert far.request().value(b"host") == b"localhost:%d" % origin.port
    far.send(answer(200))
    assert world.told_first is None


# again and again


def test_it_asks_again_and_again(world, origin):
    world.watch(server_at(origin), interval="50ms")
    for number in range(4):
        far = origin.accept()
        far.request()
        far.send(answer(200 if number % 2 else 500))
    until(lambda: len(world.told) == 4, what="four probes")
    assert world.told == ["status 500", None, "status 500", None]


def test_one_at_a_time(world, origin):
    world.watch(server_at(origin), interval="20ms", timeout="500ms")
    far = origin.accept()
    far.request()
    until(lambda: world.told, what="its end")
    origin.accept().request()
    assert len(world.told) == 1


def test_stopped_it_leaves_no_timer_and_tells_nothing(world, origin):
    before = world.timers
    world.watch(server_at(origin), interval="50ms")
    far = origin.accept()
    far.request()
    world.in_reactor(world.probing.stop)
    assert far.rest() == b""
    until(lambda: world.timers == before, what="the end of all timers")
    assert world.told == []
    assert origin.is_untouched


def test_stopped_between_two_it_leaves_no_timer(world, origin):
    before = world.timers
    world.watch(server_at(origin))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert world.told_first is None
    assert world.timers > before
    world.in_reactor(world.probing.stop)
    until(lambda: world.timers == before, what="the end of all timers")


def test_several_do_not_begin_at_the_same_moment():
    reactor, chance = EPollReactor(), random.Random(1).random
    began = reactor.seconds()
    for _ in range(50):
        check = HealthCheck(path="/", interval="10s")
        Probing(reactor, Server(host="127.0.0.1", port=1), check, print, chance).start()
    delays = sorted(call.getTime() - began for call in reactor.getDelayedCalls())
    assert delays[0] < 0.2 and 0.8 < delays[-1] < 1.2
    assert all(later > sooner for sooner, later in pairwise(delays))

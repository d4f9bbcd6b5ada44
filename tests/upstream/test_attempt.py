"""The making of a connection, as far as names and time decide about it."""

import pytest
from twisted.internet.task import Clock

from daarion_gw.config.settings import Server
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import Counters
from daarion_gw.upstream.attempt import Attempt
from daarion_gw.upstream.names import Names
from daarion_gw.upstream.pool import Pool
from tests.upstream.test_names import Resolver


class Asked:
    """Who asked: notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Fault, str]] = []

    def far_failed(self, fault: Fault, detail: str) -> None:
        self.told.append((fault, detail))


class World:
    def __init__(self, timeout: float = 2.0) -> None:
        self.clock = Clock()
        self.resolver = Resolver()
        names = Names(self.resolver, self.clock.seconds)
        counters = Counters().server("app", "app:1")
        pool = Pool(self.clock, names, None, Server(host="app", port=1), counters)
        self.asker = Asked()
        self.attempt: Attempt = pool.connect(self.asker, timeout)


def test_a_name_that_is_not_resolved_in_time_is_a_504():
    world = World()
    world.clock.advance(1.9)
    assert world.asker.told == []
    world.clock.advance(0.2)
    [(fault, detail)] = world.asker.told
    assert fault is Fault.UPSTREAM_CONNECT_TIMEOUT and fault.status == 504
    assert detail == "the name app was not resolved in time"


def test_an_answer_that_comes_too_late_is_nobodys():
    world = World()
    world.clock.advance(3)
    world.resolver.answer("10.0.0.1")
    assert len(world.asker.told) == 1


def test_a_name_without_an_address_is_told_at_once_and_leaves_no_timer():
    world = World()
    world.resolver.answer()
    assert world.asker.told == [(Fault.UPSTREAM_UNRESOLVED, "the name app has no address")]
    assert world.clock.getDelayedCalls() == []


def test_who_does_not_wait_any_more_is_told_nothing():
    world = World()
    world.attempt.cancel()
    assert world.clock.getDelayedCalls() == []
    world.resolver.answer()
    assert world.asker.told == []


@pytest.mark.parametrize("seconds", [3, 3600])
def test_without_a_limit_it_takes_its_time(seconds):
    world = World(timeout=0)
    world.clock.advance(seconds)
    assert world.asker.told == []

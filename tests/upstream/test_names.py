"""Names: asked once, remembered for five seconds, and never when there is no address."""

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address

from daarion_gw.upstream.names import AVOID, REMEMBER, Names, is_address


class Resolver:
    """A reactor's name resolver whose answers the test gives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._receivers: list[Any] = []
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, host: str) -> None:
        self.asked.append(host)
        self._receivers.append(receiver)
        receiver.resolutionBegan(self)

    def answer(self, *addresses: str) -> None:
        receiver = self._receivers.pop(0)
        for address in addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, 0))
        receiver.resolutionComplete()


class World:
    """Names with a resolver and a time of the test's own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.resolver = Resolver()
        self.names = Names(self.resolver, lambda: self.now)
        self.told: list[list[str]] = []

    def find(self, host: str) -> None:
        self.names.find(host, self.told.append)


def test_an_address_needs_no_resolver():
    world = World()
    world.find("127.0.0.1")
    world.find("::1")
    assert world.told == [["127.0.0.1"], ["::1"]]
    assert world.resolver.asked == []


def test_a_name_is_asked_for_and_remembered_for_five_seconds():
    world = World()
    world.find("app")
    assert world.told == []
    world.resolver.answer("10.0.0.1", "fd00::1")
    world.now += REMEMBER - 0.1
    world.find("app")
    assert world.told == [["10.0.0.1", "fd00::1"]] * 2
    assert world.resolver.asked == ["app"]
    assert REMEMBER <= 5


def test_after_that_it_is_asked_for_again():
    world = World()
    world.find("app")
    world.resolver.answer("10.0.0.1")
    world.now += REMEMBER
    world.find("app")
    world.resolver.answer("10.0.0.2")
    assert world.told == [["10.0.0.1"], ["10.0.0.2"]]


def test_who_asks_meanwhile_waits_for_the_same_answer():
    world = World()
    for _ in range(3):
        world.find("app")
    world.find("other")
    assert world.resolver.asked == ["app", "other"]
    world.resolver.answer("10.0.0.1")
    assert world.told == [["10.0.0.1"]] * 3


def test_no_address_is_told_and_not_remembered():
    world = World()
    world.find("app")
    world.resolver.answer()
    assert world.told == [[]]
    world.find("app")
    assert world.resolver.asked == ["app", "app"]


def test_a_name_that_has_no_address_any_more_is_forgotten():
    world = World()
    world.find("app")
    world.resolver.answer("10.0.0.1")
    world.now += REMEMBER
    world.find("app")
    world.resolver.answer()
    world.find("app")
    assert world.told == [["10.0.0.1"], []]


def test_what_nobody_answers_at_is_asked_for_again():
    world = World()
    world.find("app")
    world.resolver.answer("10.0.0.1")
    world.names.forget("app")
    world.names.forget("never asked for")
    world.find("app")
    assert world.resolver.asked == ["app", "app"]


def test_an_address_comes_once_however_often_the_resolver_says_it():
    world = World()
    world.find("app")
    world.resolver.answer("10.0.0.1", "10.0.0.1", "10.0.0.2")
    assert world.told == [["10.0.0.1", "10.0.0.2"]]


def test_what_one_does_to_its_answer_does_not_change_the_next_ones():
    world = World()
    world.find("app")
    world.resolver.answer("10.0.0.1")
    world.told[0].clear()
    world.find("app")
    assert world.told[1] == ["10.0.0.1"]


def test_what_is_an_address():
    assert is_address("10.0.0.1") and is_address("::1")
    assert not is_address("app") and not is_address("10.0.0")


# several addresses


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        (["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"], "::1 10.0.0.1 ::2 10.0.0.2 ::3"),
        (["10.0.0.1", "10.0.0.2", "::1"], "10.0.0.1 ::1 10.0.0.2"),
        (["10.0.0.1", "::1", "10.0.0.2", "::2"], "10.0.0.1 ::1 10.0.0.2 ::2"),
        (["10.0.0.2", "10.0.0.1"], "10.0.0.2 10.0.0.1"),
    ],
)
def test_families_take_turns_and_the_systems_favourite_is_first(addresses, order):
    assert World().names.in_order(addresses, 80) == order.split()


def test_what_failed_lately_goes_last():
    world = World()
    world.names.failed("::1", 80)
    assert world.names.in_order(["::1", "10.0.0.1", "::2"], 80) == ["10.0.0.1", "::2", "::1"]
    assert AVOID == 10
    world.now += AVOID - 0.1
    assert world.names.in_order(["::1", "10.0.0.1", "::2"], 80)[-1] == "::1"
    world.now += 0.2
    assert world.names.in_order(["::1", "10.0.0.1", "::2"], 80)[0] == "::1"


def test_what_answers_again_has_its_place_again():
    world = World()
    world.names.failed("::1", 80)
    world.names.works("::1", 80)
    assert world.names.in_order(["::1", "10.0.0.1"], 80)[0] == "::1"


def test_another_port_is_another_server():
    world = World()
    world.names.failed("10.0.0.1", 80)
    assert world.names.in_order(["10.0.0.1", "10.0.0.2"], 81) == ["10.0.0.1", "10.0.0.2"]


def test_failures_are_not_kept_for_ever():
    world = World()
    for number in range(1000):
        world.now += 1
        world.names.failed(f"10.0.{number // 256}.{number % 256}", 80)
    assert len(world.names._failed) <= 256

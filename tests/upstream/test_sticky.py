"""The cookie that brings a client back: what it says, and whom it convinces."""

import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.resilience import Sticky
from tests.upstream.members import Asking, World


def world(secret: bytes = b"s" * 32, drain: tuple[int, ...] = (), **said) -> World:
    return World(secret=secret, sticky=Sticky(**said), drain=drain)


def line(
    world: World, number: int, *fields: bytes, path: str = "/api/", secure: bool = False
) -> bytes:
    head = Asking(b"192.0.2.1", *fields).head
    return world.group.sticky.line(head, world.members[number], path, secure)


def cookie(world: World, number: int) -> bytes:
    """What a client sends that was bound to a server."""
    found = re.match(rb"Set-Cookie: ([^;]*);", line(world, number))
    assert found is not None
    return b"Cookie: theme=dark; %b" % found[1]


def test_it_says_where_it_belongs_and_that_scripts_must_not_read_it():
    assert re.fullmatch(
        rb"Set-Cookie: daarion_server=[A-Za-z0-9_-]{43}; Path=/api/; HttpOnly; SameSite=Lax\r\n",
        line(world(), 1),
    )


def test_over_tls_it_is_for_tls_alone():
    assert line(world(), 1, secure=True).endswith(b"; SameSite=Lax; Secure\r\n")


def test_name_and_age_are_as_configured():
    said = line(world(cookie="srv", max_age="1h"), 1)
    assert said.startswith(b"Set-Cookie: srv=") and b"; Max-Age=3600; " in said


@pytest.mark.parametrize(
    ("path", "shown"), [("/", b"/"), ("/x", b"/x"), ("/a;v=1/b/", b"/"), ("/a/b;c/", b"/a/")]
)
def test_a_path_that_no_cookie_could_name_is_cut(path, shown):
    assert b"; Path=%b; " % shown in line(world(), 1, path=path)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_who_has_it_comes_back_and_is_not_told_again(number):
    there = world()
    held = cookie(there, number)
    assert {there.pick(request=Asking(b"192.0.2.9", held)) for _ in range(4)} == {number}
    assert line(there, number, held) == b""


def test_it_holds_in_another_process_with_the_same_secret():
    held = cookie(world(), 2)
    assert world().pick(request=Asking(b"192.0.2.1", held)) == 2


def test_it_means_nothing_under_another_secret():
    other = world(secret=b"t" * 32)
    held = cookie(world(), 2)
    assert [other.pick(request=Asking(b"192.0.2.1", held)) for _ in range(3)] == [0, 1, 2]
    assert line(other, 0, held) != b""


def test_a_secret_of_the_configuration_is_the_one():
    one = World(secret=b"1", sticky=Sticky(secret="as long as it must be"))
    other = World(secret=b"2", sticky=Sticky(secret="as long as it must be"))
    assert other.pick(request=Asking(b"192.0.2.1", cookie(one, 2))) == 2


@given(
    st.binary(max_size=60).filter(
        lambda sent: not set(sent) & set(range(33)) and b"\x7f" not in sent
    )
)
def test_a_forged_one_binds_to_nobody(forged):
    there = world()
    held = b"Cookie: daarion_server=" + forged
    assert [there.pick(request=Asking(b"192.0.2.1", held)) for _ in range(3)] == [0, 1, 2]
    assert line(there, 0, held) != b""


def test_nothing_of_the_server_can_be_read_in_it():
    there = world()
    values = [cookie(there, number).rpartition(b"=")[2] for number in range(3)]
    assert len(set(values)) == 3
    for number, value in enumerate(values):
        raw = urlsafe_b64decode(value + b"=")
        for word in (b"10.0.0", b"10.0.0.%d:80" % number, b"api"):
            assert word not in raw and word not in value


def test_one_that_is_not_up_loses_its_clients_until_it_is_back():
    there = world()
    held = cookie(there, 1)
    there.members[1].condition.is_ready = False
    found = there.pick(request=Asking(b"192.0.2.1", held))
    assert found in (0, 2)
    assert line(there, found, held) != b"", "it is bound to the one that it has now"
    there.members[1].condition.is_ready = True
    assert there.pick(request=Asking(b"192.0.2.1", held)) == 1


def test_one_that_was_tried_is_not_tried_again():
    there = world()
    assert there.pick(1, request=Asking(b"192.0.2.1", cookie(there, 1))) in (0, 2)


def test_a_drained_server_gets_those_who_are_bound_to_it_and_nobody_else():
    there = world(drain=(1,))
    held = cookie(there, 1)
    assert {there.pick() for _ in range(10)} == {0, 2}
    assert {there.pick(request=Asking(b"192.0.2.1", held)) for _ in range(3)} == {1}
    assert line(there, 1, held) == b""


def test_of_several_cookies_the_one_that_means_a_server_counts():
    """Paths that lie in each other bring one cookie each."""
    there = world()
    value = cookie(there, 2).rpartition(b"=")[2]
    held = b"Cookie: daarion_server=other; daarion_server=%b" % value
    assert there.pick(request=Asking(b"192.0.2.1", held)) == 2


def test_but_not_of_very_many():
    there = world()
    value = cookie(there, 2).rpartition(b"=")[2]
    held = b"Cookie: " + b"daarion_server=x; " * 8 + b"daarion_server=%b" % value
    assert there.pick(request=Asking(b"192.0.2.1", held)) == 0

"""What several processes say of the same upstreams, as one."""

import pytest

from daarion_gw.admin.described import together


def told(state: str, breaker: str = "closed", waiting: int = 0) -> dict:
    return {
        "api": {
            "servers": {"h:1": {"state": state, "reason": f"it is {state}"}},
            "breaker": {"state": breaker},
            "waiting": waiting,
        }
    }


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("up", "up", "up"),
        ("up", "draining", "draining"),
        ("ejected", "up", "ejected"),
        ("ejected", "down", "down"),
    ],
)
def test_the_worst_state_is_shown_with_its_reason(one, other, shown):
    for parts in ([told(one), told(other)], [told(other), told(one)]):
        server = together(parts)["api"]["servers"]["h:1"]
        assert server == {"state": shown, "reason": f"it is {shown}"}


def test_so_it_is_with_breakers():
    parts = [told("up", "closed"), told("up", "open"), told("up", "half-open")]
    assert together(parts)["api"]["breaker"] == {"state": "open"}


def test_numbers_are_added_up():
    assert together([told("up", waiting=2), told("up", waiting=3)])["api"]["waiting"] == 5


def test_what_only_one_knows_is_there():
    parts = [told("up"), {"other": {"servers": {}}}, {"api": {"servers": {"h:2": {"state": "up"}}}}]
    whole = together(parts)
    assert set(whole) == {"api", "other"}
    assert set(whole["api"]["servers"]) == {"h:1", "h:2"}
    assert whole["api"]["breaker"] == {"state": "closed"}


def test_of_nobody_there_is_nothing():
    assert together([]) == {}

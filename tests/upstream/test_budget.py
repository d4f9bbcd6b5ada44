"""How many second tries an upstream's traffic pays for."""

from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.upstream.budget import ALWAYS, WINDOW, Budget


def spent_at_once(budget: Budget, requests: int) -> int:
    spent = 0
    while budget.has_left(requests):
        budget.spend()
        spent += 1
        # A second try is a request too.
        requests += 1
    return spent


def test_ten_may_be_sent_again_however_little_is_asked():
    assert spent_at_once(Budget(0.0), 0) == ALWAYS
    assert spent_at_once(Budget(0.2), 5) == ALWAYS


def test_of_many_requests_it_is_their_share():
    assert spent_at_once(Budget(0.2), 1000) == 200
    assert spent_at_once(Budget(0.5), 1000) == 500


def test_what_was_asked_before_it_began_does_not_count():
    assert spent_at_once(Budget(0.2, requests=1000), 1000) == ALWAYS


def test_after_ten_seconds_all_is_forgotten():
    budget = Budget(0.2)
    spent_at_once(budget, 1000)
    for _ in range(WINDOW - 1):
        budget.tick(1200)
        assert not budget.has_left(1200)
    budget.tick(1200)
    assert spent_at_once(budget, 1200) == ALWAYS


def test_another_share_holds_at_once():
    budget = Budget(0.0)
    assert spent_at_once(budget, 1000) == ALWAYS
    budget.settle(0.5)
    assert budget.has_left(1000 + ALWAYS)


SECOND = st.tuples(st.integers(0, 300), st.integers(0, 100))


@given(st.floats(0, 1), st.lists(SECOND, max_size=30))
def test_a_model_that_keeps_all_agrees(share, seconds):
    """Each second so many first requests come, and so many want to be sent again."""
    budget = Budget(share)
    sent = 0
    firsts: list[int] = []
    agains: list[int] = []
    for asked, wanted in seconds:
        firsts.append(asked)
        agains.append(0)
        sent += asked
        for _ in range(wanted):
            allowed = max(ALWAYS, share * sum(firsts[-WINDOW:]))
            may = sum(agains[-WINDOW:]) < allowed
            assert budget.has_left(sent) == may
            if may:
                budget.spend()
                agains[-1] += 1
                sent += 1
        budget.tick(sent)

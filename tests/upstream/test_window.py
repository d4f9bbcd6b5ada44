"""The share of what failed within the last seconds, against a list of all that happened."""

from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.upstream.window import Window

steps = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0, 3.0, 10.0, 99.0]), st.booleans())
)


@given(steps)
def test_what_is_younger_is_counted_and_what_is_older_is_not(steps):
    """A window of ten seconds, kept in parts of one second."""
    window, now = Window(10.0), 5000.0
    happened: list[tuple[float, bool]] = []
    for pause, is_bad in steps:
        now += pause
        window.add(now, is_bad)
        happened.append((now, is_bad))
        young = [bad for at, bad in happened if int(at) > int(now) - 10]
        assert (window.seen, window.bad) == (len(young), sum(young))
        assert all(at > now - 10 for at, _ in happened[-window.seen :])


def test_cleared_it_is_empty():
    window = Window(10.0)
    window.add(7.0, True)
    window.clear()
    assert (window.seen, window.bad) == (0, 0)
    window.add(7.5, False)
    assert (window.seen, window.bad) == (1, 0)

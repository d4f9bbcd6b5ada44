"""How often a crowd that is refused is told of: a clock of the test's own, and what is logged."""

from twisted.logger import capturedLogs, formatEvent

from daarion_gw.front.crowds import Crowds


def told(crowds: Crowds, now: float) -> list[str]:
    with capturedLogs() as events:
        crowds.report(now)
    return [formatEvent(event) for event in events]


def test_the_first_is_told_and_the_others_are_counted():
    crowds = Crowds()
    assert [crowds.is_first("api", 5.0) for _ in range(4)] == [True, False, False, False]
    assert told(crowds, 5.9) == []
    assert told(crowds, 6.0) == ["upstream api had no place for 3 more within 1 s"]


def test_while_it_goes_on_it_is_told_every_ten_seconds():
    crowds = Crowds()
    lines = []
    for second in range(42):
        for number in range(100):
            assert crowds.is_first("api", second) is (second == number == 0)
        lines += told(crowds, second)
    assert lines == [
        "upstream api had no place for 199 more within 1 s",
        *["upstream api had no place for 1000 more within 10 s"] * 4,
    ]


def test_after_a_quiet_while_the_next_is_a_first_one():
    crowds = Crowds()
    assert crowds.is_first("api", 0)
    assert told(crowds, 1) == []
    assert crowds.is_first("api", 1.5)


def test_each_upstream_has_its_own():
    crowds = Crowds()
    assert crowds.is_first("api", 0) and crowds.is_first("web", 0)
    assert not crowds.is_first("web", 1)
    assert told(crowds, 1) == ["upstream web had no place for 1 more within 1 s"]

"""Each rule has a test that fails without it."""

import os

import pytest

from tests.wire import rules
from tests.wire.mutants import Mutant, all_mutants, survivors

FRAMES = "daarion_gw/wire/frames.py"
TEST = "tests/wire/test_frames.py::test_messages_are_counted_at_their_end"


def test_every_rule_of_the_wire_has_a_mutant():
    named = {mutant.rule for mutant in all_mutants()}
    assert set(rules.ALL) <= named


def test_a_mutant_that_nobody_notices_is_told():
    counted = "self.messages += not self._in_message"
    noticed = Mutant("frames", FRAMES, counted, "pass", TEST)
    harmless = Mutant("frames", FRAMES, counted, counted + "  # harmless", TEST)
    stale = Mutant("frames", FRAMES, "no such text", "", TEST)
    found = survivors([noticed, harmless, stale])
    assert len(found) == 2
    assert "1 passed" in found[0]
    assert "0 times" in found[1]


def test_a_mutant_without_a_test_proves_nothing():
    found = survivors([Mutant("frames", FRAMES, "pass", "", TEST + "_not")])
    assert len(found) == 1
    assert "do not pass without mutants" in found[0]


@pytest.mark.slow
def test_the_mutants_are_noticed():
    """One of each rule; all of them, which takes minutes, with MUTANTS=all (`make mutants`)."""
    mutants = all_mutants()
    if os.environ.get("MUTANTS") != "all":
        mutants = list({mutant.rule: mutant for mutant in mutants}.values())
    assert survivors(mutants) == []

"""The list of mutants is kept up: ``python -m tests.front.mutants`` runs them (ten minutes)."""

import pytest

from tests.front.mutants import ROOT, all_mutants


@pytest.mark.parametrize("mutant", all_mutants(), ids=str)
def test_its_text_stands_once_in_its_file_and_its_test_is_there(mutant):
    assert (ROOT / mutant.file).read_text("utf-8").count(mutant.old) == 1
    file, _, test = mutant.test.partition("::")
    name = test.partition("[")[0].rpartition("::")[2]
    text = (ROOT / file).read_text("utf-8")
    assert f"def {name}(" in text or f"{name} = " in text

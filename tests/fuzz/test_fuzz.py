"""Every check over the corpus, and a short run of each under atheris.

``make fuzz`` runs them for long. An input that breaks something goes to `found` once it is mended.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.checks import CHECKS, bytes_kept
from tests.fuzz.seeds import ALL, CORPUS, FOUND

ROOT = Path(__file__).parent.parent.parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "6"))
each_check = pytest.mark.parametrize("name", CHECKS)


def inputs(name: str) -> list[Path]:
    return sorted(path for folder in (CORPUS, FOUND) for path in (folder / name).glob("*"))


@each_check
def test_the_corpus_holds(name):
    assert len(inputs(name)) > 2
    for path in inputs(name):
        try:
            CHECKS[name](path.read_bytes())
        except Exception as error:
            error.add_note(f"{name}, {path.name}: {path.read_bytes().hex()}")
            raise


@each_check
def test_the_corpus_has_what_the_samples_have(name):
    there = {path.read_bytes() for path in inputs(name)}
    missing = [raw.hex() for raw in ALL[name]() if len(raw) <= 600 and raw not in there]
    assert not missing, "python -m tests.fuzz.seeds writes it anew"


def test_bytes_are_found_wherever_they_are_kept():
    class Keeping:
        __slots__ = ("pieces",)

    keeping = Keeping()
    keeping.pieces = [b"abc", {"x": (bytearray(4),)}]
    assert bytes_kept(keeping) == 7
    assert bytes_kept(keeping, keeping.pieces) == 0


@pytest.mark.slow
@each_check
def test_some_seconds_of_fuzzing_find_nothing(name, tmp_path):
    if importlib.util.find_spec("atheris") is None:
        missing = "atheris is not installed (it comes for Linux on x86_64, up to Python 3.13)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    # What atheris imports warns; that is no concern of ours, and its own process.
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.target", name,
               f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/",
               str(fresh), str(CORPUS / name)]  # fmt: skip
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace",
        timeout=SECONDS * 10 + 60,
    )  # fmt: skip
    found = [path.read_bytes().hex() for path in tmp_path.iterdir() if path.is_file()]
    told = run.stderr[-3000:]
    assert run.returncode == 0 and not found, f"input in hex: {found}\n{told}"
    assert "Done " in told, told

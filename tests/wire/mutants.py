"""Takes one rule at a time out of the code and sees the rule's test fail.

``python -m tests.wire.mutants`` does it for every mutant of `LISTS`, or for those whose rule
is named on the command line: it copies the package and the tests into a temporary folder,
checks that the named tests pass there as they are, then applies each mutant alone, runs its
test, and reports every test that passes all the same. Another folder's rules join by a list
of their own: a module with a tuple ``MUTANTS``, named in `LISTS`.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
LISTS: Final = (
    "tests.wire.body_mutants",
    "tests.wire.request_mutants",
    "tests.wire.passage_mutants",
    "tests.wire.answer_mutants",
    "tests.wire.websocket_mutants",
    "tests.wire.http2_mutants",
    "tests.fuzz.fuzz_mutants",
)
COPIED: Final = ("daarion_gw", "tests", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Mutant:
    """In ``file``, ``old`` (which stands there once) becomes ``new``; ``test`` must fail."""

    rule: str
    file: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.file}: {self.old.strip().splitlines()[0]}"


def all_mutants() -> list[Mutant]:
    return [mutant for name in LISTS for mutant in importlib.import_module(name).MUTANTS]


def run_tests(folder: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """pytest in ``folder``, which must not see the package that is installed."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        # A mutant may be as long, and as old to the second, as what was compiled before.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def why_it_survives(mutant: Mutant, folder: Path) -> str | None:
    """Apply ``mutant`` in ``folder`` and run its test; None when the test fails as it should."""
    path = folder / mutant.file
    source = path.read_text("utf-8")
    if source.count(mutant.old) != 1:
        return f"its text stands {source.count(mutant.old)} times in the file"
    path.write_text(source.replace(mutant.old, mutant.new), "utf-8")
    try:
        run = run_tests(folder, [mutant.test])
    finally:
        path.write_text(source, "utf-8")
    # 1: a test failed. Anything else proves nothing: no such test, an error on import.
    if run.returncode == 1 and " error" not in run.stdout.splitlines()[-1]:
        return None
    return f"pytest ended with {run.returncode}: {run.stdout.splitlines()[-1]}"


def copy_into(folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "real", "browser", "node_modules")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


def survivors(mutants: list[Mutant], say=lambda line: None) -> list[str]:
    """One line per mutant that no test noticed. As many at a time as there are processors."""
    at_once = len(os.sched_getaffinity(0))
    free: Queue[Path] = Queue()

    def judge(mutant: Mutant) -> str | None:
        folder = free.get()
        try:
            reason = why_it_survives(mutant, folder)
        finally:
            free.put(folder)
        say(f"{'noticed' if reason is None else 'SURVIVES'}  {mutant}  by {mutant.test}")
        return None if reason is None else f"{mutant}\n    {mutant.test}\n    {reason}"

    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        for number in range(at_once):
            folder = Path(name) / str(number)
            folder.mkdir()
            copy_into(folder)
            free.put(folder)
        healthy = run_tests(folder, sorted({mutant.test for mutant in mutants}))
        if healthy.returncode != 0:
            return [f"the tests do not pass without mutants:\n{healthy.stdout}{healthy.stderr}"]
        with ThreadPoolExecutor(at_once) as several:
            return [told for told in several.map(judge, mutants) if told is not None]


def main(rules: list[str]) -> int:
    mutants = [mutant for mutant in all_mutants() if not rules or mutant.rule in rules]
    found = survivors(mutants, lambda line: print(line, flush=True))
    print(f"{len(mutants)} mutants, {len(found)} survive")
    print("\n".join(found))
    return 1 if found or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

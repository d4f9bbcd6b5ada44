"""Takes one rule at a time out of front, upstream, net and service, and sees its test fail.

``python -m tests.front.mutants`` does it for all, or for those whose rule is named on the
command line. The copying, and what a mutant is, are `tests.wire.mutants`'.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import ignore_patterns

from tests.front import (
    acme_mutants,
    drain_mutants,
    front_mutants,
    http2_mutants,
    https_mutants,
    machine_mutants,
    overload_mutants,
    proxy_mutants,
    relay_mutants,
    reload_mutants,
    security_mutants,
    seeking_mutants,
    server_mutants,
    systemd_mutants,
    upstream_mutants,
)
from tests.tls import client_mutants
from tests.wire.mutants import ROOT, Mutant, copy_into, run_tests


def all_mutants() -> list[Mutant]:
    lists = (
        front_mutants.MUTANTS,
        relay_mutants.MUTANTS,
        upstream_mutants.MUTANTS,
        security_mutants.MUTANTS,
        seeking_mutants.MUTANTS,
        server_mutants.MUTANTS,
        client_mutants.MUTANTS,
        http2_mutants.MUTANTS,
        https_mutants.MUTANTS,
        machine_mutants.MUTANTS,
        overload_mutants.MUTANTS,
        reload_mutants.MUTANTS,
        drain_mutants.MUTANTS,
        proxy_mutants.MUTANTS,
        systemd_mutants.MUTANTS,
        acme_mutants.MUTANTS,
    )
    return [mutant for each in lists for mutant in each]


def why_it_survives(mutant: Mutant, folder: Path) -> str | None:
    """Apply ``mutant`` in ``folder`` and run its test; None when the test fails as it should.

    A gateway that fails may fail the end of its module too: one failed test is what counts.
    """
    path = folder / mutant.file
    source = path.read_text("utf-8")
    if source.count(mutant.old) != 1:
        return f"its text stands {source.count(mutant.old)} times in the file"
    path.write_text(source.replace(mutant.old, mutant.new), "utf-8")
    try:
        run = run_tests(folder, [mutant.test])
    finally:
        path.write_text(source, "utf-8")
    told = (run.stdout.splitlines() or [""])[-1]
    if run.returncode == 1 and " failed" in told:
        return None
    return f"pytest ended with {run.returncode}: {told}"


def survivors(mutants: list[Mutant]) -> Iterator[tuple[Mutant, str | None]]:
    """Each mutant with the reason why its test passes all the same, or None."""
    # A test that waits in vain should not do so for long.
    os.environ["TEST_PATIENCE"] = "4"
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copy_into(folder)
        for more in ("twisted", "bench", "tests/real"):
            shutil.copytree(ROOT / more, folder / more, ignore=ignore_patterns("__pycache__"))
        for mutant in mutants:
            yield mutant, why_it_survives(mutant, folder)


def main(rules: list[str]) -> int:
    mutants = [mutant for mutant in all_mutants() if not rules or mutant.rule in rules]
    found = 0
    for mutant, reason in survivors(mutants):
        print(f"{'noticed ' if reason is None else 'SURVIVES'}  {mutant}", flush=True)
        if reason is not None:
            found += 1
            print(f"    {mutant.test}\n    {reason}", flush=True)
    print(f"{len(mutants)} mutants, {found} survive")
    return 1 if found or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

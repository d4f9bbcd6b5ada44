"""One check of `checks` under atheris, in a process of its own.

``python -m tests.fuzz.target requests -max_total_time=600 tests/fuzz/corpus/requests``: the name
of a check, then options of libFuzzer and folders of inputs. What is new goes to the first folder.
The wire is instrumented when it is imported, so nothing here may import it before.
"""

import sys
from pathlib import Path

import atheris

DICTIONARY = Path(__file__).parent / "wire.dict"

with atheris.instrument_imports(include=["daarion_gw.wire"], enable_loader_override=False):
    from tests.fuzz.checks import CHECKS


def main(name: str, *options: str) -> None:
    check = CHECKS[name]

    def one_input(data: bytes) -> None:
        check(data)

    atheris.Setup(
        [sys.argv[0], f"-dict={DICTIONARY}", "-max_len=4096", "-timeout=10", *options], one_input
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

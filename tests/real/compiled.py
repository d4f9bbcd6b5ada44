"""Small C programs that make load: those of native/, and those of bench/native/."""

import json
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.real.installed import PROJECT, need_program

_SOURCES = (Path(__file__).with_name("native"), PROJECT / "bench" / "native")


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="daarion-native-"))


@cache
def program(name: str) -> Path:
    """Path of the program, built once per run."""
    compiler = need_program("cc", "gcc")
    (source,) = [folder / f"{name}.c" for folder in _SOURCES if (folder / f"{name}.c").exists()]
    built = _folder() / name
    includes = [word for folder in _SOURCES for word in ("-I", folder)]
    subprocess.run(
        [compiler, "-O2", "-Wall", *includes, "-o", built, source, "-lm"],
        check=True, capture_output=True,
    )  # fmt: skip
    return built


class Started:
    """A program that runs beside the test and says something in JSON at its end."""

    def __init__(self, name: str, *arguments: object) -> None:
        self._popen = subprocess.Popen(
            [program(name), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def said(self, within: float = 60) -> Any:
        """Wait for its end; what it said. AssertionError when it failed."""
        try:
            said, complaint = self._popen.communicate(timeout=within)
        finally:
            self._popen.kill()
        assert self._popen.returncode == 0, complaint
        return json.loads(said)


def run(name: str, *arguments: object, within: float = 60) -> Any:
    """What the program says at its end."""
    return Started(name, *arguments).said(within)

"""Compiled load: small C programs in native/, built on demand into a folder of the run."""

import json
import shutil
import subprocess
from pathlib import Path

from bench.processes import NotStartedError
from bench.raw_client import BrokenError

_SOURCES = Path(__file__).with_name("native")


class Builder:
    """Builds each program once. Raises NotStartedError where there is no compiler."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def build(self, name: str) -> Path:
        """Path of the program."""
        built = self._folder / name
        if built.exists():
            return built
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotStartedError(f"{name} cannot be built: no C compiler (apt install gcc)")
        source = _SOURCES / f"{name}.c"
        command = [compiler, "-O2", "-Wall", "-o", str(built), str(source), "-lm"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise NotStartedError(f"{name} cannot be built: {ran.stderr.strip()[:300]}")
        return built


def run(program: Path, *arguments: object, timeout: float = 120) -> dict[str, float]:
    """Return what the program says at its end. Raises BrokenError when it fails."""
    command = [str(program), *map(str, arguments)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise BrokenError(f"{program.name} was not done after {timeout:.0f} s") from error
    if ran.returncode:
        raise BrokenError(f"{program.name}: {ran.stderr.strip()}")
    said: dict[str, float] = json.loads(ran.stdout)
    if said["wrong"]:
        raise BrokenError(f"{program.name} saw {said}")
    return said

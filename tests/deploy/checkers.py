"""The checkers as commands, and where tests/deploy/install.sh put them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "deploy"
PYTHON = TOOLS / "python" / "bin"
COMPOSE_SCHEMA = TOOLS / "node" / "node_modules" / "dclint" / "schemas" / "compose.schema.json"
BASE = TOOLS / "base"

BASE_FILE = "docker-compose.yml"
OVERLAY = "docker-compose.host.yml"
FILES = (BASE_FILE, OVERLAY)

# Nothing else: a DATABASE_URL of the developer's own would win over .env.
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Stack:
    """A folder laid out like deploy/."""

    folder: Path

    @property
    def compose(self) -> Path:
        return self.folder / "compose"

    def replace(self, file: str, old: str, new: str) -> None:
        """Change one place of one file; it must be there."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r} any more: mend this test"
        path.write_text(text.replace(old, new, 1))


def missing(what: str) -> NoReturn:
    """A skip on somebody's laptop, a failure where the whole of the tests is asked for."""
    message = f"{what} is not installed: run tests/deploy/install.sh"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def tool(name: str | Path) -> str:
    """The path of a command or of a file of .tools."""
    found = shutil.which(name) if isinstance(name, str) else name if name.exists() else None
    return str(found) if found else missing(str(name))


def run(*command: str | Path, cwd: Path | None = None, **env: str) -> tuple[int, str]:
    """Exit code and all that the command said."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | env
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def compose_config(stack: Stack, files: tuple[str, ...], *options: str) -> tuple[int, str]:
    """`docker-compose -f ... config`, which resolves variables, anchors and overlays."""
    named = [word for file in files for word in ("-f", file)]
    return run(tool("docker-compose"), *named, "config", *options, cwd=stack.compose)


def resolved(stack: Stack, *files: str) -> dict[str, Any]:
    """The compose files as one, everything resolved."""
    code, said = compose_config(stack, files)
    assert code == 0, said
    return dict(YAML(typ="safe").load(said))


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of a YAML file."""
    return list(YAML(typ="safe").load_all(path.read_text()))

"""What is installed on this machine, and what to say when something is not.

It knows where `install.sh` puts things and nothing about how they are started.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / ".tools"
PEERS = Path(__file__).resolve().parent / "peers"

HOW_TO_INSTALL = "run tests/real/install.sh"


def missing(what: str) -> None:
    """End the test: a skip on a laptop, a failure where CI=true."""
    reason = f"{what} is not installed: {HOW_TO_INSTALL}"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need_program(*names: str) -> str:
    """Path of the first of `names` that is installed; /usr/sbin is looked into as well."""
    places = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in names:
        if found := shutil.which(name, path=places):
            return found
    missing(names[0])
    raise AssertionError("not reached")


def need_tool(*parts: str) -> Path:
    """A file under .tools/, as `need_tool("synapse", "bin", "python")`."""
    path = TOOLS.joinpath(*parts)
    if not path.exists():
        missing(parts[0])
    return path


def need_module(name: str) -> None:
    """A Python module in the environment that runs the tests."""
    if importlib.util.find_spec(name) is None:
        missing(f"the Python module {name}")

"""Fixtures: a copy of deploy/ that a test may break, ready to be checked."""

import shutil
from pathlib import Path

import pytest

from tests.deploy.checkers import ROOT, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A copy of deploy/, with .env made of .env.example as the README says."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns(".env"))
    copy = Stack(tmp_path / "deploy")
    shutil.copy(copy.compose / ".env.example", copy.compose / ".env")
    return copy

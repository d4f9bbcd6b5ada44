"""The Dockerfile as text, and the entry point as a program. The build is in test_image.py."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.checkers import PYTHON, ROOT, run, tool

DOCKERFILE = ROOT / "Dockerfile"
ENTRYPOINT = ROOT / "deploy" / "docker" / "entrypoint.sh"


def hadolint(path: Path) -> tuple[int, str]:
    return run(tool(PYTHON / "hadolint"), "--no-color", path)


def test_hadolint_has_nothing_to_say() -> None:
    assert hadolint(DOCKERFILE) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("WORKDIR /src", "WORKDIR src", "DL3000"),
        ('CMD ["--port", "8080"]', "CMD --port 8080", "DL3025"),
        ("EXPOSE 8080", "EXPOSE 80800", "DL3011"),
        ("USER 10001:10001", "USER root", "DL3002"),
        ("RUN python3", "RUN cd /tmp && python3", "DL3003"),
    ],
)
def test_hadolint_sees_what_is_broken(tmp_path: Path, old: str, new: str, rule: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    broken = tmp_path / "Dockerfile"
    broken.write_text(text.replace(old, new))

    code, said = hadolint(broken)

    assert code != 0
    assert rule in said


def enter(folder: Path, *arguments: str, **env: str) -> list[str]:
    """What the entry point starts: two programs stand in the PATH that say their own command."""
    for name in ("twistd", "daarion-gw"):
        program = folder / name
        program.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@"\n')
        program.chmod(0o755)
    done = subprocess.run(
        [str(ENTRYPOINT), *arguments],
        env={"PATH": f"{folder}{os.pathsep}/usr/bin:/bin"} | env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


GATEWAY = ["twistd", "-n", "--pidfile=", "daarion-gw"]


def test_options_go_to_the_gateway(tmp_path: Path) -> None:
    assert enter(tmp_path, "--port", "8080") == [*GATEWAY, "--port", "8080"]
    assert enter(tmp_path) == GATEWAY


def test_an_option_with_a_space_stays_one_word(tmp_path: Path) -> None:
    assert enter(tmp_path, "--config", "/a b.yaml") == [*GATEWAY, "--config", "/a b.yaml"]


def test_a_command_is_run_as_it_is(tmp_path: Path) -> None:
    assert enter(tmp_path, "daarion-gw", "routes") == ["daarion-gw", "routes"]


def test_the_variable_makes_a_stand_in_of_it(tmp_path: Path) -> None:
    started = enter(tmp_path, "--port", "8080", DAARION_STAND_IN="rag-service")

    assert started == ["daarion-gw", "stand-in", "rag-service"]
    assert enter(tmp_path, "--port", "1", DAARION_STAND_IN="") == [*GATEWAY, "--port", "1"]


def test_the_entry_point_is_executable_and_is_the_one_that_is_copied() -> None:
    assert os.access(ENTRYPOINT, os.X_OK)
    assert f"COPY {ENTRYPOINT.relative_to(ROOT)} " in DOCKERFILE.read_text()

"""Synapse's start from an empty volume, with a program in the place of the image's own start."""

import json
import subprocess
import sys
from pathlib import Path

from tests.deploy.checkers import BASE_FILE, ROOT, Stack, resolved

START = ROOT / "deploy" / "compose" / "synapse" / "start.py"
# Does what the image's /start.py does as far as start.py can see, and notes how it was called.
IMAGE_START = """#!/bin/sh
echo "$@" >> calls
[ "$1" = generate ] && echo "server_name: $SYNAPSE_SERVER_NAME" > homeserver.yaml
exit 0
"""
RUN = "run --config-path={0}/homeserver.yaml --config-path={0}/stack.yaml"


def start(folder: Path, password: str, **more: str) -> list[str]:
    """Run start.py over `folder`; how it called the image's start, so far."""
    program = folder / "image-start"
    program.write_text(IMAGE_START)
    program.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin",
        "SYNAPSE_SERVER_NAME": "daarion.city",
        "SYNAPSE_POSTGRES_PASSWORD": password,
        "SYNAPSE_DATA_DIR": str(folder),
        "SYNAPSE_IMAGE_START": str(program),
    }
    subprocess.run([sys.executable, str(START)], cwd=folder, env=environment | more, check=True)
    return (folder / "calls").read_text().splitlines()


def test_an_empty_volume_gets_a_configuration_once(tmp_path: Path) -> None:
    assert start(tmp_path, "secret") == ["generate", RUN.format(tmp_path)]

    (tmp_path / "homeserver.yaml").write_text("server_name: changed-by-hand\n")
    assert start(tmp_path, "secret")[2:] == [RUN.format(tmp_path)]
    assert (tmp_path / "homeserver.yaml").read_text() == "server_name: changed-by-hand\n"


def test_the_stack_s_settings_are_written_at_each_start(tmp_path: Path) -> None:
    start(tmp_path, "first")
    start(tmp_path, 'p"a: ss\\word', SYNAPSE_PUBLIC_BASEURL="https://app.daarion.city/")

    settings = json.loads((tmp_path / "stack.yaml").read_text())
    assert settings["database"]["args"]["password"] == 'p"a: ss\\word'
    assert settings["public_baseurl"] == "https://app.daarion.city/"
    (listener,) = settings["listeners"]
    assert (listener["port"], listener["x_forwarded"]) == (8008, True)


def test_the_password_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    start(tmp_path, "secret")

    assert (tmp_path / "stack.yaml").stat().st_mode & 0o777 == 0o600


def test_compose_gives_what_it_reads(stack: Stack) -> None:
    service = resolved(stack, BASE_FILE)["services"]["matrix-homeserver"]

    assert service["entrypoint"] == ["python3", "/stack/start.py"]
    assert {"SYNAPSE_SERVER_NAME", "SYNAPSE_REPORT_STATS", "SYNAPSE_POSTGRES_PASSWORD"} <= set(
        service["environment"]
    )
    assert f"{stack.compose}/synapse/start.py:/stack/start.py:ro" in service["volumes"]

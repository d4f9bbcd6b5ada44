"""The Dockerfile built for real, and its result started.

buildah builds and runs without a daemon (`--isolation chroot`: the host's network and processes,
the image's files and user). The base is Debian 12 out of debootstrap with its own Python 3.11, so
that no image registry is needed; the Dockerfile takes it as a build argument.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.deploy.checkers import BASE, ROOT, run, tool

pytestmark = pytest.mark.slow

IMAGE = "localhost/daarion-gw:trial"
STORE = "buildah-store"


class Buildah:
    """buildah with a storage of its own, gone with the test's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.container = ""

    def command(self, *words: str | Path) -> list[str]:
        return [
            tool("buildah"),
            f"--root={self._folder / 'root'}",
            f"--runroot={self._folder / 'runroot'}",
            "--storage-driver=vfs",
            *(str(word) for word in words),
        ]

    def __call__(self, *words: str | Path) -> str:
        code, said = run(*self.command(*words))
        assert code == 0, said
        return said.strip()

    def inside(self, *words: str) -> tuple[int, str]:
        """Run one command in the container."""
        return run(*self.command("run", "--isolation=chroot", self.container, "--", *words))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """The image of this checkout, and a container of it."""
    tool(BASE)
    buildah = Buildah(tmp_path_factory.mktemp(STORE))
    empty = buildah("from", "scratch")
    buildah("copy", "--quiet", empty, BASE, "/")
    buildah("commit", "--quiet", "--rm", empty, "localhost/base:trial")
    buildah(
        "build",
        "--isolation=chroot",
        "--format=docker",
        "--pull-never",
        "--build-arg=BASE_IMAGE=localhost/base:trial",
        # pip is to trust inside what the machine trusts outside.
        "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
        f"--tag={IMAGE}",
        ROOT,
    )
    buildah.container = buildah("from", "--pull-never", IMAGE)
    yield buildah
    buildah("rm", "--all")
    buildah("rmi", "--all", "--force")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def innermost(pid: int) -> int:
    """The program itself: buildah puts two processes of its own around it."""
    while children := [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]:
        pid = int(children[0])
    return pid


class Running:
    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def said(self) -> str:
        return self._output.read_text()

    def get(self, url: str, seconds: float = 30) -> tuple[int, bytes]:
        """GET, as soon as somebody answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urlopen(url, timeout=5) as answer:
                    return answer.status, answer.read()
            except (URLError, ConnectionError):
                over = self._process.poll() is not None or time.monotonic() > deadline
                assert not over, self.said
                time.sleep(0.1)

    def stop(self) -> int:
        """SIGTERM to the program; its exit code."""
        os.kill(innermost(self._process.pid), signal.SIGTERM)
        return self._process.wait(timeout=45)


@contextlib.contextmanager
def started(image: Buildah, folder: Path, *words: str) -> Iterator[Running]:
    output = folder / "output"
    command = image.command("run", "--isolation=chroot", image.container, "--", *words)
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            os.kill(innermost(process.pid), signal.SIGKILL)
            process.wait(timeout=15)


def health_check(image: Buildah, port: int) -> int:
    """The image's own HEALTHCHECK, asking another port than 8080."""
    config = json.loads(image("inspect", "--type=image", IMAGE))["Docker"]["config"]
    kind, *words = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return image.inside(*(word.replace(":8080/", f":{port}/") for word in words))[0]


def test_the_gateway_starts_answers_and_stops(image: Buildah, tmp_path: Path) -> None:
    port = free_port()
    config = json.loads(image("inspect", "--type=image", IMAGE))["Docker"]["config"]
    assert config["Cmd"] == ["--port", "8080"]
    assert health_check(image, port) != 0

    arguments = ("--port", str(port), "--admin", "off")
    with started(image, tmp_path, *config["Entrypoint"], *arguments) as gateway:
        assert gateway.get(f"http://127.0.0.1:{port}/healthz") == (200, b"OK")
        assert health_check(image, port) == 0
        assert gateway.stop() == 0, gateway.said

    assert "plugin cache" not in gateway.said


def test_a_stand_in_starts_from_the_same_image(image: Buildah, tmp_path: Path) -> None:
    """With its port given; in the compose file each has the address to itself."""
    port = free_port()
    words = ("daarion-gw", "stand-in", "microdao-api", "--port", str(port))
    with started(image, tmp_path, "daarion-entrypoint", *words) as stand_in:
        status, _body = stand_in.get(f"http://127.0.0.1:{port}/health")
        assert status == 200
        assert stand_in.stop() == 0, stand_in.said


def test_the_image_runs_as_nobody_in_particular(image: Buildah) -> None:
    config = json.loads(image("inspect", "--type=image", IMAGE))["Docker"]["config"]

    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert image.inside("id", "-u") == (0, "10001\n")
    assert image.inside("find", "/opt", "-writable", "-not", "-type", "l") == (0, "")


def test_the_image_holds_the_program_and_no_build_tool(image: Buildah) -> None:
    assert image.inside("daarion-gw", "--help")[0] == 0
    assert "daarion-gw" in image.inside("twistd", "--help")[1]
    assert image.inside("python3", "-m", "pip", "--version")[0] != 0
    assert image.inside("ls", "/src")[0] != 0

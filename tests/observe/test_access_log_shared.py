"""Several processes write one access log: no line is cut by another's, whatever it goes to."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tests.support.gateway import environment

LINES = 600
WRITERS = 3
# Some longer than what a pipe takes in one piece.
SIZES = (10, 300, 9000)

WRITER = """
import sys
from daarion_gw.observe.access_log import AccessLog
from tests.observe.test_access_log import an_entry

who, path, turns = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = AccessLog("json", path or None, lambda _: None, turns)
sys.stderr.write("ready\\n")
sys.stdin.read()
for number in range({lines}):
    size = {sizes}[number % len({sizes})]
    log.write(an_entry(target=b"/%d/%d" % (who, number), user_agent=b"x" * size))
    while log._lines:
        log.flush()
log.close()
"""


def write_together(output: int, path: str, turns: int) -> None:
    """Let several processes write at the same time, until all have written everything."""
    program = WRITER.format(lines=LINES, sizes=SIZES)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number), path, str(turns)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE,
            pass_fds=[turns],
            env=environment(),
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stderr.readline() == b"ready\n"
    for writer in writers:
        writer.stdin.close()
    for writer in writers:
        assert writer.wait(60) == 0
        assert writer.stderr.read() == b""
        writer.stderr.close()


def check(data: bytes) -> None:
    lines = [json.loads(line)["target"] for line in data.splitlines()]
    for writer in range(WRITERS):
        own = [target for target in lines if target.startswith(f"/{writer}/")]
        assert own == [f"/{writer}/{number}" for number in range(LINES)]
    assert len(lines) == WRITERS * LINES


@pytest.fixture
def turns():
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def test_lines_in_a_pipe_stay_whole(turns):
    reader, writer = os.pipe()
    read = bytearray()

    def drain() -> None:
        while piece := os.read(reader, 1 << 16):
            read.extend(piece)

    reading = threading.Thread(target=drain)
    reading.start()
    write_together(writer, "", turns)
    os.close(writer)
    reading.join()
    os.close(reader)
    check(bytes(read))


def test_lines_in_a_file_stay_whole(tmp_path: Path, turns):
    with (tmp_path / "output").open("wb") as output:
        write_together(output.fileno(), str(tmp_path / "access.log"), turns)
    check((tmp_path / "access.log").read_bytes())


def test_lines_on_standard_output_that_is_a_file_stay_whole(tmp_path: Path, turns):
    with (tmp_path / "output").open("wb") as output:
        write_together(output.fileno(), "", turns)
    check((tmp_path / "output").read_bytes())

"""When it is the gateway itself that cannot: no files are left, or it has a mistake."""

import resource
import sys
from pathlib import Path

import pytest

from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import answer, get

CONFIG = """
gateway: {access_log: off}
routes:
  /api/: ${ORIGIN}
"""
FLAGS = ["-n", "--pidfile=", "daarion-gw", "--admin", "off", "--listen", ANYWHERE]
# One request in the table below stands for whatever nobody has thought of.
MISTAKEN = """
import sys
from daarion_gw.front import reception
asks = reception.wants_websocket
def mistaken(head):
    raise RuntimeError("broken on purpose")
reception.wants_websocket = mistaken
from twisted.scripts.twistd import run
run()
"""


def started(folder, code, origin) -> GatewayProcess:
    command = [sys.executable, "-c", code, *FLAGS]
    return GatewayProcess(folder, CONFIG, command=command, ORIGIN=origin.url)


@pytest.fixture
def mistaken(tmp_path, origin):
    gateway = started(tmp_path, MISTAKEN, origin)
    yield gateway
    gateway.kill()


def test_a_mistake_is_a_500_and_its_traceback_is_logged(mistaken):
    client = mistaken.connect()
    client.send(get("/api/x", "Connection: Upgrade", "Upgrade: websocket"))
    got = client.answer()
    assert got.status == 500
    assert b"mistake in the gateway" in got.body and b"on purpose" not in got.body
    assert client.rest() == b""
    mistaken.says("RuntimeError: broken on purpose")
    mistaken.says(got.value(b"x-request-id").decode())


def test_and_others_are_served(mistaken, origin):
    mistaken.connect().send(get("/api/x", "Connection: Upgrade", "Upgrade: websocket"))
    client = mistaken.connect()
    client.send(get("/api/y"))
    far = origin.accept()
    assert far.request().target == b"/y"
    far.send(answer(200, b"fine"))
    assert client.answer().body == b"fine"


@pytest.fixture
def cramped(tmp_path, origin):
    """A gateway that may open five files more."""
    gateway = started(tmp_path, "from twisted.scripts.twistd import run; run()", origin)
    pid = gateway.process.pid
    limit = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 5
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
    yield gateway
    gateway.kill()


def test_without_a_file_for_the_server_it_is_a_503(cramped, origin):
    """Each of these clients takes one file for itself, and one for its server."""
    for _ in range(2):
        cramped.connect().send(get("/api/x"))
        origin.accept().request()
    got = cramped.connect().ask(get("/api/x"))
    assert (got.status, got.value(b"retry-after")) == (503, b"1")
    assert b"Too many open files" in got.body

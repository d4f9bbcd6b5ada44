"""A client that leaves while its server is still being connected to, and so is not read from."""

import socket

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import request

CONFIG = """
gateway: {{access_log: {{format: json, file: access.log}}}}
routes: {{/api/: "http://127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A gateway before a server that accepts nobody: the SYN is never answered."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(2)]
    for sock in waiting:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    config = CONFIG.format(port=full.getsockname()[1])
    gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), config)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()
        for sock in (full, *waiting):
            sock.close()


@pytest.mark.parametrize("how", ["close", "reset", "finish"])
def test_it_is_noticed_at_once(running, how):
    client = running.connect()
    client.send(request("POST", f"/api/{how}", "Content-Length: 100") + b"half")
    assert client.says_nothing(0.3)
    getattr(client, how)()
    entry = running.entry(target=f"/api/{how}")
    assert entry["status"] == 0, "nobody was there to be answered"
    # On a busy machine its clock may start later than ours.
    assert 0.2 < entry["seconds"] < 0.4

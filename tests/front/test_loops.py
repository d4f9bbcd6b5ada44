"""A route that leads back to the gateway ends at the second meeting: 508."""

import socket

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get

CONFIG = """
gateway:
  access_log: off
routes:
  /api/: {to: "${ORIGIN}"}
"""


def test_our_own_via_line_is_a_loop(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    ours = far.request().value(b"via").decode()
    far.send(answer(200))
    client.answer()

    got = client.ask(get("/api/x", f"Via: 1.0 fred, {ours}"))
    assert got.status == 508
    assert far.says_nothing() and origin.is_untouched


def test_another_gateways_via_line_is_none(client, origin):
    client.send(get("/api/x", "Via: 1.1 daarion (0123abcd)"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200


def test_a_route_that_leads_to_the_gateway_itself(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gateway = GatewayProcess(
        tmp_path,
        f"""
gateway: {{access_log: off}}
routes: {{/self/: {{to: "http://127.0.0.1:{port}/self"}}}}
""",
        listen=[f"tcp:{port}:interface=127.0.0.1"],
    )
    try:
        client = gateway.connect()
        got = client.ask(get("/self/x"))
        assert got.status == 508
        assert b"leads back to the gateway" in got.body
        gateway.stop()
    finally:
        gateway.kill()

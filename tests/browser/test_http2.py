"""Chromium speaks HTTP/2 with the gateway: pages, bodies in both directions, and a WebSocket."""

import pytest

from tests.support.certificates import make_certificate
from tests.support.gateway import GatewayProcess, twistd

MANY = """
const done = arguments[0];
const sizes = [...Array(40).keys()];
Promise.all(sizes.map(async place => {
  const asked = place % 2
    ? fetch("/api/echo?" + place, {method: "POST", body: new Uint8Array(place * 10000)})
    : fetch("/healthz?" + place);
  const answer = await asked;
  await answer.arrayBuffer();
  return answer.status;
})).then(statuses => done([
  [...new Set(statuses)],
  [...new Set(performance.getEntriesByType("resource")
    .filter(entry => entry.name.includes("?")).map(entry => entry.nextHopProtocol))],
  performance.getEntriesByType("navigation")[0].nextHopProtocol,
]));
"""
SOCKET = """
const done = arguments[0];
const socket = new WebSocket("wss://" + location.host + "/ws/");
socket.onopen = () => socket.send("hello");
socket.onmessage = () => socket.close();
socket.onclose = event => done(event.code);
"""


@pytest.fixture(params=["daarion-tls", "ssl"])
def demo(request, tmp_path):
    cert, key = make_certificate(tmp_path)
    gateway = GatewayProcess(
        tmp_path,
        "gateway: {access_log: {format: json, file: access.log}}",
        command=twistd(
            "--demo", "--admin", "off", "--listen",
            f"{request.param}:0:interface=127.0.0.1:privateKey={key}:certKey={cert}",
        ),
    )  # fmt: skip
    yield gateway
    gateway.stop()


def test_a_page_its_requests_and_a_websocket(browser, demo, screenshot):
    window = browser()
    window.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
    window.get(f"https://127.0.0.1:{demo.ports[0]}/")
    screenshot(window, "start-over-http2")
    statuses, protocols, of_page = window.execute_async_script(MANY)
    assert (protocols, of_page) == (["h2"], "h2")
    assert 200 in statuses and all(status < 500 for status in statuses)
    assert window.execute_async_script(SOCKET) in (1000, 1005)
    assert demo.entry(target="/")["version"] == "HTTP/2.0"
    assert demo.entry(target="/ws/")["version"] == "HTTP/1.1"

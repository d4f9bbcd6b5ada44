"""Who is not trusted learns the status and the request id, and nothing of what is behind."""

import json

import pytest

from tests.support.message import get, request

CONFIG = """
gateway:
  access_log: off
  trusted_proxies: [192.0.2.1]
routes:
  /down/: {to: "http://127.0.0.1:1"}
  /api/: {to: "${ORIGIN}", max_body: 1K, deny: [shut/]}
"""

REFUSED = {
    "no route": (get("/unknown"), 404),
    "a dead upstream": (get("/down/x"), 502),
    "a body too large": (request("POST", "/api/x", "Content-Length: 1025"), 413),
    "a shut path": (get("/api/shut/x"), 404),
    "malformed": (get("/api/#"), 400),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_only_the_status_and_the_id(client, data, status):
    got = client.ask(data)
    told = json.loads(got.body)
    assert got.status == told["status"] == status
    assert sorted(told) == ["request_id", "status", "title", "type"]
    assert told["request_id"].encode() == got.value(b"x-request-id")


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_a_page_says_no_more(client, data, status):
    got = client.ask(data.replace(b"\r\n", b"\r\nAccept: text/html\r\n", 1))
    assert got.status == status
    for word in (b"upstream", b"127.0.0.1", b"route", b"1024"):
        assert word not in got.body


def test_an_upstreams_nonsense_is_not_described(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"nonsense\r\n\r\n")
    got = client.answer()
    assert got.status == 502
    assert b"status line" not in got.body and b"detail" not in got.body

"""Behind a proxy that is trusted it is the client, and not the proxy, who is told and logged."""

import json

import pytest

from tests.support.message import get, request

CONFIG = """
gateway: {access_log: {format: json, file: access.log}}
routes:
  /down/: {to: "http://127.0.0.1:1"}
  /api/: {to: "${ORIGIN}", max_body: 1K}
"""
STRANGER = "X-Forwarded-For: 203.0.113.9"
OURS = "X-Forwarded-For: 127.0.0.3"


@pytest.mark.parametrize("path", ["/unknown", "/down/x"])
def test_a_stranger_is_told_nothing_of_what_is_behind(client, path):
    told = json.loads(client.ask(get(path, STRANGER)).body)
    assert sorted(told) == ["request_id", "status", "title", "type"]


@pytest.mark.parametrize("path", ["/unknown", "/down/x"])
def test_one_of_ours_is(client, path):
    assert "detail" in json.loads(client.ask(get(path, OURS)).body)


def test_nor_does_the_start_page_tell_a_stranger_where_servers_are(client):
    page = client.ask(get("/?format=json", STRANGER)).body
    assert b"127.0.0.1:1" not in page
    assert b"127.0.0.1:1" in client.ask(get("/?format=json", OURS)).body


@pytest.mark.parametrize(
    "data",
    [get("/stranger/none", STRANGER), get("/down/stranger", STRANGER), get("/api", STRANGER),
     request("POST", "/api/large", "Content-Length: 1025", STRANGER)],
    ids=["no route", "dead", "redirect", "too large"],
)  # fmt: skip
def test_it_is_the_stranger_who_is_logged(gateway, client, data):
    client.ask(data)
    target = data.split()[1].decode()
    assert gateway.entry(target=target)["client"] == "203.0.113.9"

"""What the gateway says itself: to peers that it trusts, and in which form (SPEC.md section 5)."""

import json

import pytest

from tests.support.message import get, old, post, request

CONFIG = """
gateway:
  access_log: off
routes:
  /down/: {to: "http://127.0.0.1:1"}
  /nowhere/: {to: "http://no-such-name.invalid:8000"}
  /api/: {to: "${ORIGIN}"}
"""

BROWSER = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
SECURITY = (b"x-content-type-options", b"x-frame-options", b"referrer-policy")


def test_a_refusal_is_problem_details(client):
    got = client.ask(get("/unknown"))
    told = json.loads(got.body)
    assert got.value(b"content-type") == b"application/problem+json"
    assert (told["status"], told["title"]) == (404, "Not Found")
    assert told["request_id"].encode() == got.value(b"x-request-id")
    assert told["detail"] == "no route leads there"
    assert got.value(b"cache-control") == b"no-store"


def test_a_browser_gets_a_page(client):
    got = client.ask(get("/unknown", BROWSER))
    assert got.value(b"content-type") == b"text/html; charset=utf-8"
    assert got.body.startswith(b"<!doctype html>")
    assert got.value(b"x-request-id") in got.body


def test_a_dead_upstream_is_a_502_that_names_it_and_says_what_to_look_at(client):
    told = json.loads(client.ask(get("/down/x")).body)
    assert told["status"] == 502
    assert told["detail"].startswith("route /down/: upstream /down/ at 127.0.0.1:1 refused the")
    assert "running" in told["hint"]


def test_a_name_without_an_address_is_a_502(client):
    told = json.loads(client.ask(get("/nowhere/x")).body)
    assert told["status"] == 502
    assert "the name no-such-name.invalid has no address" in told["detail"]


def test_the_same_with_a_body_and_the_connection_goes_on(client):
    assert client.ask(post("/down/x", b"hello")).status == 502
    assert client.ask(post("/nowhere/x", b"hello")).status == 502
    assert client.ask(get("/healthz")).body == b"OK"


def test_every_refusal_has_the_security_fields_once_and_a_date(client):
    got = client.ask(get("/down/x"))
    assert None not in [got.value(name) for name in (*SECURITY, b"date", b"content-length")]


def test_a_refusal_to_head_has_no_body(client):
    got = client.ask(request("HEAD", "/down/x"))
    assert got.status == 502 and int(got.value(b"content-length")) > 0
    assert client.ask(get("/healthz")).body == b"OK"


def test_a_refusal_to_a_1_0_client(client):
    client.send(old("GET", "/down/x"))
    got = client.head()
    assert got.status == 502 and got.value(b"connection") == b"close"
    assert json.loads(client.rest())["status"] == 502


def test_the_405_says_what_is_allowed(client):
    assert b"GET" in client.ask(request("TRACE", "/api/")).value(b"allow")


def test_what_cannot_be_read_is_not_repeated(client):
    got = client.ask(get("/api/<script>", "A: <b>\0</b>", BROWSER))
    assert got.status == 400
    assert b"<b>" not in got.body


def test_the_upstreams_own_error_is_not_touched(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    far.request()
    far.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nmine")
    got = client.answer()
    assert (got.line, got.body) == (b"HTTP/1.1 503 Busy", b"mine")
    assert got.value(b"retry-after") == b"7"


@pytest.mark.parametrize("target", ["/healthz", "/healthz?verbose"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_health_check(client, method, target):
    got = client.ask(request(method, target))
    assert got.status == 200
    assert got.value(b"content-type").startswith(b"text/plain")
    assert got.body == (b"OK" if method == "GET" else b"")
    assert got.value(b"content-length") == b"2"


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/healthz", "/"])
def test_the_gateways_own_pages_are_for_looking_at(client, path, method):
    got = client.ask(request(method, path))
    assert (got.status, got.value(b"allow")) == (405, b"GET, HEAD")
    assert got.value(b"content-type") == b"application/problem+json"


def test_below_the_health_check_is_nothing(client):
    assert client.ask(get("/healthz/x")).status == 404


def test_the_start_page(client):
    got = client.ask(get("/", BROWSER))
    assert got.status == 200
    assert got.value(b"content-type").startswith(b"text/html")
    assert b"/down/" in got.body
    assert None not in [got.value(name) for name in SECURITY]

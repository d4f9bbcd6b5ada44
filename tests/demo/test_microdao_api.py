"""The JSON stand-in: every path says what it got, streams wait for their reader."""

import hashlib
import json
import socket
import time
from pathlib import Path

import pytest


@pytest.fixture
def api(stand_in):
    return stand_in("microdao-api")


def test_the_index_names_its_paths(api):
    index = json.load(api.get("/"))
    assert index["service"] == "microdao-api"
    assert {"GET /health", "* /echo", "GET /slow", "GET /stream"} <= set(index["paths"])
    assert json.load(api.get("/health")) == {"status": "ok"}


def test_echo_shows_the_raw_request(api):
    answer = api.ask("PUT", "/echo/a%2Fb//c;d?x=%41&x=2", "кіт".encode(), {"X-Twice": "1"})
    echo = json.load(answer)
    assert (echo["method"], echo["path"], echo["query"]) == ("PUT", "/echo/a%2Fb//c;d", "x=%41&x=2")
    assert echo["body"]["text"] == "кіт"
    assert ["X-Twice", "1"] in echo["headers"]


def test_echo_keeps_repeated_headers(api):
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n"
        )
        answer = client.makefile("rb").read()
    echo = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert [value for name, value in echo["headers"] if name == "X-A"] == ["1", "2"]


def test_a_long_body_is_echoed_as_its_digest(api):
    body = bytes(range(256)) * 20_000
    found = json.load(api.ask("POST", "/echo", body))["body"]
    assert found == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_slow_takes_its_time(api):
    begun = time.monotonic()
    assert json.load(api.get("/slow?s=0.3")) == {"slept": 0.3}
    assert time.monotonic() - begun >= 0.3


def test_stream_comes_line_by_line(api):
    answer = api.get("/stream?n=3")
    assert answer.getheader("transfer-encoding") == "chunked"
    begun = time.monotonic()
    assert answer.readline() == b"line 1 of 3\n"
    first = time.monotonic() - begun
    assert answer.read() == b"line 2 of 3\nline 3 of 3\n"
    assert time.monotonic() - begun >= first + 0.3


def test_bytes_has_its_length(api):
    answer = api.get("/bytes?n=1000003")
    assert answer.getheader("content-length") == "1000003"
    assert len(answer.read()) == 1_000_003


@pytest.mark.parametrize(
    "path", ["/bytes?n=5", "/bytes?n=0", "/stream?n=3", "/health", "/status/204"]
)
def test_head_has_no_body(api, path):
    answer = api.ask("HEAD", path)
    assert answer.status in (200, 204)
    assert answer.read() == b""


def test_bytes_waits_for_a_reader_that_does_not_read(api, deadline):
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(b"GET /bytes?n=1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1000)
        statm = Path(f"/proc/{api.process.pid}/statm")
        before = int(statm.read_text().split()[1])
        # Another client is served while the first one stands still.
        for _ in range(20):
            assert api.get("/slow?s=0.02").status == 200
        grown = (int(statm.read_text().split()[1]) - before) * 4096
        assert grown < 10_000_000


@pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 418, 503, 599])
def test_status_is_the_one_asked_for(api, status):
    answer = api.get(f"/status/{status}")
    assert answer.status == status
    assert (answer.getheader("content-length") is None) == (status in (204, 304))


def test_redirect_and_cookie_are_relative_to_the_root(api):
    redirect = api.get("/redirect")
    assert (redirect.status, redirect.getheader("location")) == (302, "/health")
    assert "Path=/;" in api.get("/cookie").getheader("set-cookie")


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nope", 404, "There is no /nope here"),
        ("POST", "/slow", 405, "/slow takes GET, not POST"),
        ("GET", "/slow?s=x", 400, "s=x: expected a number from 0 to 3600"),
        ("GET", "/slow?s=nan", 400, "s=nan"),
        ("GET", "/bytes?n=-1", 400, "n=-1"),
        ("GET", "/status/999", 400, "999: expected a status"),
        ("GET", "/status/abc", 400, "abc: expected a status"),
    ],
)
def test_mistakes_are_explained_in_json(api, method, path, status, words):
    answer = api.ask(method, path)
    assert answer.status == status
    problem = json.load(answer)
    assert problem["status"] == status
    assert words in problem["detail"]
    assert status != 405 or answer.getheader("allow") == "GET"

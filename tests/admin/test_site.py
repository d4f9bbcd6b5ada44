"""The admin pages, asked over a real connection in memory with Twisted Web's own channel."""

import json
import os
import re

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python import log
from twisted.python.failure import Failure

from daarion_gw import __version__
from daarion_gw.admin.site import Workers, site
from daarion_gw.observe.counters import Counters


def a_site(workers=None, counters=None):
    counters = counters or Counters()
    counters.front.connections_accepted = 3
    counters.route("/api/", "microdao-api").requests = 5
    counters.route("/api/", "microdao-api").answers[2] = 4
    counters.server("microdao-api", "127.0.0.1:8000").retries = 1
    counters.upstream("microdao-api").waiting = 2

    def describe():
        return {
            "listeners": ["tcp:8080"],
            "source": "gateway.yaml",
            "routes": [
                {
                    "route": "/api/",
                    "upstream": "microdao-api",
                    "strip_prefix": True,
                    "servers": [{"server": "127.0.0.1:8000", "up": True}],
                },
                {"route": "/healthz", "upstream": None},
            ],
        }

    return site(counters, describe, workers)


def ask(
    path: str, method: str = "GET", accept: str = "*/*", factory=None
) -> tuple[int, dict, bytes]:
    """Return (status, fields in lower case, body) of one request."""
    factory = factory or a_site()
    factory.timeOut = None
    factory.startFactory()
    channel = factory.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
        "Connection: close\r\nContent-Length: 0\r\n\r\n".encode()
    )
    factory.stopFactory()
    head, _, body = transport.value().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), fields, body


def test_metrics_are_prometheus_text():
    status, fields, body = ask("/metrics")
    assert status == 200
    assert fields["content-type"].startswith("text/plain; version=0.0.4")
    assert b'daarion_requests_total{route="/api/",upstream="microdao-api"} 5.0\n' in body


def test_metrics_are_openmetrics_when_asked():
    _, fields, body = ask("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert fields["content-type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_status_puts_the_counters_beside_what_is_configured():
    status, fields, body = ask("/status")
    assert (status, fields["content-type"]) == (200, "application/json")
    shown = json.loads(body)
    assert shown["version"] == __version__
    assert shown["pid"] == os.getpid()
    assert shown["uptime_seconds"] >= 0
    assert shown["listeners"] == ["tcp:8080"]
    assert shown["connections"] == {"accepted": 3, "open": 0, "refused": {}}
    route, own = shown["routes"]
    assert route["strip_prefix"] is True
    assert route["counters"]["requests"] == 5
    assert route["counters"]["answers"]["2xx"] == 4
    assert route["servers"][0]["server"] == "127.0.0.1:8000"
    assert route["servers"][0]["up"] is True
    assert route["servers"][0]["counters"]["retries"] == 1
    assert route["upstream_counters"] == {"busy": 0, "waiting": 2}
    assert own == {"route": "/healthz", "upstream": None}


def test_health_and_index():
    assert ask("/healthz")[::2] == (200, b"OK")
    status, _, body = ask("/")
    assert status == 200
    assert b"/metrics" in body


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/metrics/x", "//", "/a/b/c"])
def test_what_does_not_exist_is_404_in_json(path):
    status, fields, body = ask(path)
    assert (status, fields["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["status"] == 404


@pytest.mark.parametrize("path", ["/", "/metrics", "/status", "/healthz", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(path, method):
    status, fields, body = ask(path, method)
    assert (status, fields["allow"]) == (405, "GET, HEAD")
    assert json.loads(body)["title"] == "Method Not Allowed"


@pytest.mark.parametrize("path", ["/", "/metrics", "/status", "/healthz", "/nothing"])
def test_head_is_get_without_the_body(path):
    status, fields, body = ask(path)
    status_of_head, fields_of_head, nothing = ask(path, "HEAD")
    assert status_of_head == status
    assert fields_of_head["content-type"] == fields["content-type"]
    assert int(fields_of_head["content-length"]) > 0
    assert (nothing, fields["x-content-type-options"]) == (b"", "nosniff")
    assert len(body) == int(fields["content-length"])


def test_a_scrape_leaves_no_line_in_the_log():
    told = []
    log.addObserver(told.append)
    try:
        ask("/metrics")
    finally:
        log.removeObserver(told.append)
    assert told == []


# With workers


def refreshed_site(pids=()):
    """A site whose counters are brought up to date by setting them to 9."""
    counters = Counters()

    def refresh():
        counters.front.connections_accepted = 9
        return succeed(None)

    return a_site(Workers(refresh, lambda: pids), counters)


@pytest.mark.parametrize(
    ("path", "said"),
    [("/metrics", b"daarion_connections_total 9.0"), ("/status", b'"accepted": 9')],
)
def test_numbers_are_brought_up_to_date_before_they_are_shown(path, said):
    status, fields, body = ask(path, factory=refreshed_site())
    assert status == 200 and said in body
    assert int(fields["content-length"]) == len(body)


@pytest.mark.parametrize("path", ["/metrics", "/status"])
def test_the_rules_of_the_pages_stay(path):
    assert ask(path, "POST", factory=refreshed_site())[0] == 405
    assert ask(path + "/x", factory=refreshed_site())[0] == 404
    status, fields, nothing = ask(path, "HEAD", factory=refreshed_site())
    assert (status, nothing) == (200, b"") and int(fields["content-length"]) > 0


def test_one_who_goes_away_meanwhile_is_no_mistake():
    waiting = Deferred()
    factory = a_site(Workers(lambda: waiting, tuple))
    factory.timeOut = None
    factory.startFactory()
    channel = factory.buildProtocol(None)
    channel.makeConnection(StringTransport())
    channel.dataReceived(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
    channel.connectionLost(Failure(ConnectionDone()))
    told = []
    log.addObserver(told.append)
    try:
        waiting.callback(None)
    finally:
        log.removeObserver(told.append)
    factory.stopFactory()
    assert told == []


def test_processes_that_serve_are_counted_in():
    """This one twice over."""

    def memory(factory) -> float:
        body = ask("/metrics", factory=factory)[2].decode()
        return float(re.search(r"^process_virtual_memory_bytes (\S+)$", body, re.MULTILINE)[1])

    alone, twice = memory(refreshed_site()), memory(refreshed_site([os.getpid()]))
    assert twice == pytest.approx(2 * alone, rel=0.05)
    assert memory(refreshed_site([2**22 + 1])) == pytest.approx(alone, rel=0.05)

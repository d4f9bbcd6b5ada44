"""A proxy is measured only once it knows its routes, and a missing one says what is missing."""

import sys
import time

import pytest

from bench.native import Builder
from bench.origin import Origin
from bench.peers import Ground, Peer
from bench.processes import NotStartedError, program
from bench.raw_client import Client

SLOW = """
import http.server, sys, time
begun = time.monotonic()
class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(404 if time.monotonic() - begun < 0.6 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Slow).serve_forever()
"""


def a_ground(folder) -> Ground:
    return Ground(folder, Origin(1, 2, folder, []), Builder(folder), None)


def test_one_that_listens_before_it_knows_its_routes_is_waited_for(tmp_path):
    slow = Peer("slow", lambda _, plan: [sys.executable, "-c", SLOW, str(plan.port)])
    begun = time.monotonic()
    running = slow.start(a_ground(tmp_path))
    try:
        took = time.monotonic() - begun
        client = Client(running.port)
        status = client.get("/bench/small").status
        client.close()
    finally:
        running.stop()
    assert took > 0.5
    assert status == 200


def test_one_that_ends_at_once_says_its_last_word(tmp_path):
    broken = Peer("broken", lambda *_: [sys.executable, "-c", "exit('no such option')"])
    with pytest.raises(NotStartedError, match="no such option"):
        broken.start(a_ground(tmp_path))


def test_one_that_is_not_installed_says_how(tmp_path):
    absent = Peer("absent", lambda *_: [program("no-such-proxy")])
    with pytest.raises(NotStartedError, match=r"no-such-proxy is not installed \(sh bench/"):
        absent.start(a_ground(tmp_path))

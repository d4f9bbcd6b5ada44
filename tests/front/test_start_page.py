"""The start page, asked over HTTP in front of stand-ins and of unpleasant servers."""

import base64
import hashlib
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

SITE = Path(__file__).parent / "start_page_site.py"
PATHS = ["/api/", "/ws/", "/matrix/", "/_matrix/", "/grafana/", "/prometheus/", "/rag/", "/notify/"]


class Site:
    """The page in a process of its own."""

    def __init__(self, **options):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SITE), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=SITE.parent.parent.parent,
            env={"PYTHONPATH": str(SITE.parent.parent.parent)},
        )
        ready = json.loads(self.process.stdout.readline())
        self.port, self.urls = ready["port"], ready["urls"]

    def ask(self, method="GET", target="/", **headers):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, target, headers={"Connection": "close", **names})
        answer = client.getresponse()
        answer.text = answer.read().decode()
        return answer

    def json(self, **headers):
        return json.loads(self.ask(target="/?format=json", **headers).text)

    def row(self, name="microdao-api"):
        return next(row for row in self.json()["services"] if row["name"] == name)

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=10)


@pytest.fixture(scope="module")
def site():
    """All stand-ins run but one; the reader is a stranger."""
    running = Site(down=["rag-service"])
    yield running
    running.stop()


@pytest.fixture
def serve():
    """A function that starts a site with other options."""
    running = []

    def start(**options):
        running.append(Site(**options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def test_it_lists_the_services_and_who_answers(site):
    status = site.json()
    assert [service["path"] for service in status["services"]] == PATHS
    down = [service["path"] for service in status["services"] if not service["answers"]]
    assert down == ["/rag/"]
    assert status["answering"] == 7
    checked = datetime.fromisoformat(status["checked"])
    assert abs((datetime.now(UTC) - checked).total_seconds()) < 10


def test_the_page_needs_no_script(site):
    answer = site.ask(Accept="text/html")
    assert answer.getheader("content-type") == "text/html; charset=utf-8"
    assert answer.getheader("cache-control") == "no-store"
    assert answer.getheader("vary") == "Accept, Accept-Language"
    rows = re.findall(r'<li class="(up|down)" data-path="([^"]+)">', answer.text)
    assert rows == [("down" if path == "/rag/" else "up", path) for path in PATHS]
    assert '<a href="/api/">/api/</a>' in answer.text
    assert '<a href="/_matrix/">' not in answer.text
    assert "7 of 8 answer now" in answer.text
    assert "refused the connection" in answer.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ({}, "text/html; charset=utf-8"),
        ({"Accept": "*/*"}, "text/html; charset=utf-8"),
        ({"Accept": "text/html,*/*;q=0.8"}, "text/html; charset=utf-8"),
        ({"Accept": "application/json"}, "application/json"),
        ({"Accept": "text/html;q=0.5, application/json"}, "application/json"),
    ],
)
def test_json_for_who_prefers_it(site, accept, kind):
    assert site.ask(**accept).getheader("content-type") == kind


def test_the_query_outweighs_accept(site):
    answer = site.ask(target="/?format=html", Accept="application/json")
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("target", "wanted", "lang", "words"),
    [
        ("/", None, "en", "Services behind this gateway"),
        ("/", "de, fr;q=0.5", "en", "Services behind this gateway"),
        ("/", "uk-UA,uk;q=0.9,en;q=0.8", "uk", "Служби за цим шлюзом"),
        ("/", "en;q=0.3, uk;q=0.4", "uk", "Зараз відповідають 7 із 8"),
        ("/?lang=uk", "en", "uk", "відмовив у з’єднанні"),
        ("/?lang=en", "uk", "en", "refused the connection"),
        ("/?lang=xx", "uk", "uk", "Служби за цим шлюзом"),
        ("/", "uk" * 1000, "en", "Services behind this gateway"),
    ],
)
def test_the_reader_s_language(site, target, wanted, lang, words):
    answer = site.ask(target=target, **({"Accept_Language": wanted} if wanted else {}))
    assert answer.getheader("content-language") == lang
    assert f'<html lang="{lang}">' in answer.text
    assert words in answer.text


def test_the_script_and_the_style_are_the_ones_the_policy_names(site):
    answer = site.ask()
    policy = answer.getheader("content-security-policy")
    for element in ("style", "script"):
        (source,) = re.findall(rf"<{element}>(.*?)</{element}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""\s(style|on[a-z]+)=["']""", answer.text)


def test_strangers_see_no_addresses(site):
    assert "127.0.0.1" not in site.ask().text
    assert "servers" not in site.json()["services"][0]


def test_trusted_readers_see_them(serve):
    site = serve(trusted=True)
    assert site.urls["microdao-api"] in site.ask().text
    assert site.row()["servers"] == [site.urls["microdao-api"]]


@pytest.mark.parametrize("target", ["/", "/?format=json"])
def test_head_is_get_without_its_body(site, target):
    head, get = site.ask("HEAD", target), site.ask("GET", target)
    assert (head.status, head.text) == (200, "")
    assert head.getheader("content-type") == get.getheader("content-type")
    assert abs(int(head.getheader("content-length")) - len(get.text.encode())) < 40


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_refused(site, method):
    answer = site.ask(method)
    assert (answer.status, answer.getheader("allow")) == (405, "GET, HEAD")
    assert json.loads(answer.text)["detail"] == "The start page takes GET and HEAD."
    assert "<h1>" in site.ask(method, Accept="text/html").text


def test_no_routes_at_all(serve):
    site = serve(empty=True)
    assert "No routes yet" in site.ask().text
    assert site.json()["services"] == []


def test_markup_in_names_is_text(serve):
    site = serve(trusted=True, urls={"microdao-api": 'http://127.0.0.1:1/"><script>'})
    assert site.ask().text.count("<script>") == 1


def test_a_service_that_dies_is_noticed(serve):
    site = serve()
    assert site.row()["answers"]
    site.process.stdin.write("stop microdao-api\n")
    site.process.stdin.flush()
    end = time.monotonic() + 10
    while site.row()["answers"]:
        assert time.monotonic() < end
    assert site.row()["detail"] == "refused the connection"


@contextmanager
def server(reply, address=("127.0.0.1", 0)):
    """A server that sends `reply` (None: nothing) to each request; with its connections."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    listening = socket.socket(family)
    listening.bind(address)
    listening.listen(50)
    accepted = []

    def serve():
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            accepted.append(client)
            if reply is not None:
                client.recv(65536)
                client.sendall(reply)
                client.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        name = listening.getsockname()
        yield (
            (f"unix:{name}" if family == socket.AF_UNIX else f"http://127.0.0.1:{name[1]}"),
            accepted,
        )
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
        for client in accepted:
            client.close()


@pytest.mark.parametrize(
    ("reply", "answers", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", True, r"200 in \d+ ms"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", True, r"500 in \d+ ms"),
        (b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\n\r\n", True, r"302 in \d+ ms"),
        (b"HTTP/1.0 426 Upgrade Required\r\n\r\n", True, r"426 in \d+ ms"),
        (b"HTTP/1.1 200 OK\r\n\r\nwithout end" * 9000, True, r"200 in \d+ ms"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", False, "hung up without an answer"),
        (b"", False, "hung up without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "does not speak HTTP"),
        (None, False, r"silent for 1\.5 s"),
    ],
)
def test_what_counts_as_an_answer(serve, reply, answers, detail):
    with server(reply) as (url, _accepted):
        row = serve(urls={"microdao-api": url}).row()
    assert row["answers"] is answers
    assert re.fullmatch(detail, row["detail"]), row["detail"]


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("http://127.0.0.1:1", "refused the connection"),
        ("ws://127.0.0.1:1/base", "refused the connection"),
        ("http://no-such-host.invalid:8000", "its name is not known"),
        ("unix:/no/such/socket", "cannot be reached"),
    ],
)
def test_why_there_is_no_answer(serve, url, detail):
    row = serve(urls={"microdao-api": url}).row()
    assert (row["answers"], row["detail"]) == (False, detail)


def test_tls_that_is_none(serve):
    with server(b"HTTP/1.1 400 Bad\r\n\r\n") as (url, _accepted):
        row = serve(urls={"microdao-api": url.replace("http:", "https:")}).row()
    assert (row["answers"], row["detail"]) == (False, "TLS failed")


def test_unix_sockets_are_asked_too(serve, tmp_path):
    with server(b"HTTP/1.1 204 N\r\n\r\n", str(tmp_path / "service")) as (url, _accepted):
        row = serve(urls={"microdao-api": url}).row()
    assert row["detail"].startswith("204 in ")


def test_silent_servers_cost_their_time_once_and_together(serve):
    with server(None) as (url, accepted):
        names = ["microdao-api", "grafana", "prometheus", "rag-service"]
        site = serve(urls=dict.fromkeys(names, url))
        begun = time.monotonic()
        readers = [threading.Thread(target=site.json) for _ in range(10)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(10)
        assert time.monotonic() - begun < 4
        assert len(accepted) == len(names)


def test_a_busy_page_costs_nothing(serve):
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (url, accepted):
        site = serve(urls={"microdao-api": url})
        begun = time.monotonic()
        while time.monotonic() - begun < 1:
            assert site.row()["answers"]
        assert len(accepted) == 1


def test_a_reader_who_leaves_does_not_disturb_the_others(serve):
    with server(None) as (url, _accepted):
        site = serve(urls={"microdao-api": url})
        with socket.create_connection(("127.0.0.1", site.port)) as hasty:
            hasty.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert site.row()["detail"] == "silent for 1.5 s"
        assert site.ask().status == 200

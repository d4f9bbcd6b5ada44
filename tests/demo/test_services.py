"""The other stand-ins, as their clients see them."""

import json
import re
import time
from urllib.parse import urljoin

import pytest


def test_matrix_answers_what_a_client_asks_first(stand_in):
    matrix = stand_in("matrix-homeserver")
    assert "v1.11" in json.load(matrix.get("/_matrix/client/versions"))["versions"]
    assert "name" in json.load(matrix.get("/_matrix/federation/v1/version"))["server"]
    assert matrix.get("/health").read() == b"OK"


def test_matrix_sync_is_a_long_poll(stand_in):
    matrix = stand_in("matrix-homeserver")
    first = json.load(matrix.get("/_matrix/client/v3/sync?timeout=30000"))
    begun = time.monotonic()
    second = json.load(
        matrix.get(f"/_matrix/client/v3/sync?timeout=300&since={first['next_batch']}")
    )
    assert time.monotonic() - begun >= 0.3
    assert second["next_batch"] != first["next_batch"]


@pytest.mark.parametrize(
    ("name", "entry", "page"),
    [
        ("grafana", "/grafana/", "/grafana/"),
        ("grafana", "/grafana/", "/grafana/login"),
        ("prometheus", "/prometheus/graph", "/prometheus/graph"),
    ],
)
def test_pages_load_their_assets_under_their_prefix(stand_in, name, entry, page):
    service = stand_in(name)
    root = service.get("/")
    assert (root.status, root.getheader("location")) == (302, entry)
    html = service.get(page).read().decode()
    assets = re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', html)
    assert assets
    for asset in assets:
        assert asset.startswith(f"/{name}/")
        answer = service.get(urljoin(page, asset))
        assert answer.status == 200
        assert answer.getheader("content-type").startswith(("text/css", "text/javascript"))


@pytest.mark.parametrize("name", ["grafana", "prometheus", "microdao-ws"])
def test_no_page_speaks_of_another_host(stand_in, name):
    pages = {"grafana": ["/grafana/", "/grafana/login"], "prometheus": ["/prometheus/graph"]}
    for page in pages.get(name, ["/"]):
        assert b"//" not in re.sub(rb"\$\{scheme\}//|// \w", b"", stand_in(name).get(page).read())


def test_grafana_login_sets_a_cookie_for_its_prefix(stand_in):
    grafana = stand_in("grafana")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = grafana.ask("POST", "/grafana/login", "user=olena", form)
    cookie = answer.getheader("set-cookie")
    assert (answer.status, answer.getheader("location")) == (303, "/grafana/")
    assert "Path=/grafana/;" in cookie
    session = {"Cookie": cookie.partition(";")[0]}
    assert json.load(grafana.ask("GET", "/grafana/api/user", None, session)) == {"login": "olena"}
    assert grafana.get("/grafana/api/user").status == 401
    assert grafana.ask("POST", "/grafana/login", "user=a%0d%0ab", form).status == 400


def test_prometheus_answers_its_api(stand_in):
    prometheus = stand_in("prometheus")
    found = json.load(prometheus.get("/prometheus/api/v1/query?query=up"))
    assert found["data"]["result"][0]["value"][1] == "1"
    assert prometheus.get("/prometheus/api/v1/query?query=down").status == 400
    assert b"Healthy" in prometheus.get("/prometheus/-/healthy").read()
    assert b"Ready" in prometheus.get("/prometheus/-/ready").read()
    assert b"\nup 1\n" in prometheus.get("/prometheus/metrics").read()


def test_prometheus_is_nothing_without_its_prefix(stand_in):
    assert stand_in("prometheus").get("/graph").status == 404
    assert stand_in("grafana").get("/login").status == 404


def test_rag_answers_whole_and_in_pieces(stand_in):
    rag = stand_in("rag-service")
    whole = json.load(rag.ask("POST", "/query", json.dumps({"question": "ДАО"})))
    assert "ДАО" in whole["answer"]
    stream = rag.get("/stream?question=dao")
    assert stream.getheader("content-type") == "text/event-stream"
    events = stream.read().decode().strip().split("\n\n")
    assert events[-1] == "event: done\ndata: {}"
    words = [json.loads(event.removeprefix("data: "))["token"] for event in events[:-1]]
    assert words[0] == "This"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"question": 1}', "{", "\ud83d"])
def test_rag_explains_a_wrong_body(stand_in, body):
    answer = stand_in("rag-service").ask("POST", "/query", body.encode("utf-8", "surrogatepass"))
    assert answer.status == 400
    assert "body" in json.load(answer)["detail"]


def test_notifications_are_remembered_but_not_without_end(stand_in):
    notify = stand_in("notification-service")
    for number in range(105):
        note = json.dumps({"to": "olena", "text": f"note {number}"})
        assert notify.ask("POST", "/send", note).status == 202
    sent = json.load(notify.get("/sent"))["sent"]
    assert len(sent) == 100
    assert sent[-1]["text"] == "note 104"

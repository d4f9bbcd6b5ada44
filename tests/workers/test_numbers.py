"""Metrics and status are those of the whole gateway; any worker shows the same start page."""

import json
from collections.abc import Iterator

import pytest

from tests.support.fixtures import far_side
from tests.support.message import answer, get, post
from tests.support.origin import Origin
from tests.support.waiting import until
from tests.support.websocket import open_websocket
from tests.workers.crew import Crew

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: off}
routes:
  /api/: {to: "${ORIGIN}"}
  /down/: {to: "http://127.0.0.1:1"}
"""


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, far_side: dict[str, Origin]
) -> Iterator[Crew]:
    crew = Crew(tmp_path_factory.mktemp("crew"), CONFIG, ORIGIN=far_side["ORIGIN"].url)
    try:
        yield crew
        crew.stop()
    finally:
        crew.kill()


@pytest.fixture
def origin(far_side: dict[str, Origin]) -> Origin:
    far_side["ORIGIN"].forget()
    return far_side["ORIGIN"]


@pytest.fixture
def crew(running: Crew) -> Iterator[Crew]:
    yield running
    running.forget_clients()
    until(lambda: running.open == [0, 0])


def of_route(numbers: dict, name: str, route: str, *labels: str) -> float:
    (found,) = [
        value
        for (sample, *rest), value in numbers.items()
        if sample == name and route in rest and set(labels) <= set(rest)
    ]
    return found


def test_metrics_are_sums(crew, origin):
    before = crew.numbers()
    clients = crew.connections_of_each()
    for client in clients:
        for size in (5, 7):
            client.send(post("/api/x", b"x" * size))
            far = origin.accept()
            far.request()
            far.send(answer(200, b"hello", "Connection: close"))
            client.answer()
        assert client.ask(get("/down/x")).status == 502
        assert client.ask(get("/nowhere")).status == 404
    after = crew.numbers()

    def more(name: str, route: str, *labels: str) -> float:
        return of_route(after, name, route, *labels) - of_route(before, name, route, *labels)

    assert more("daarion_requests_total", "/api/") == 4
    assert more("daarion_answers_total", "/api/", "2xx") == 4
    assert more("daarion_bytes_total", "/api/", "received") == 24
    assert more("daarion_bytes_total", "/api/", "sent") == 20
    assert more("daarion_request_seconds_count", "/api/") == 4
    assert more("daarion_request_seconds_bucket", "/api/", "+Inf") == 4
    assert more("daarion_request_seconds_sum", "/api/") > 0
    assert more("daarion_answers_total", "/down/", "5xx") == 2
    assert of_route(after, "daarion_faults_total", "/down/", "UPSTREAM_REFUSED") >= 2
    assert (
        after["daarion_refused_total", "404"] - before.get(("daarion_refused_total", "404"), 0) == 2
    )
    assert after["daarion_workers",] == 2
    (opened,) = {key for key in after if key[0] == "daarion_upstream_connections_total"} - {
        key for key in after if "127.0.0.1:1" in key
    }
    assert after[opened] - before[opened] == 4


def test_what_is_open_now_is_a_sum_too(crew, origin):
    clients = crew.connections_of_each()
    fars = [open_websocket(client, origin, "/api/x")[0] for client in clients]
    numbers = crew.numbers()
    assert of_route(numbers, "daarion_websockets_open", "/api/") == 2
    assert numbers["daarion_connections_open",] == sum(crew.open) >= 2
    for far in fars:
        far.reset()
    until(lambda: of_route(crew.numbers(), "daarion_websockets_open", "/api/") == 0)


def test_status_has_sums_and_a_row_for_each(crew, origin):
    clients = crew.connections_of_each()
    for client in clients:
        client.send(get("/api/x"))
        far = origin.accept()
        far.request()
        far.send(answer(200, b"hello"))
        client.answer()
    shown = crew.status()
    assert shown["pid"] == crew.process.pid
    assert shown["listeners"] == ["tcp:0:interface=127.0.0.1"]
    first, second = shown["workers"]
    assert (first["worker"], second["worker"]) == (1, 2)
    assert first["stage"] == second["stage"] == "serving"
    assert len({first["pid"], second["pid"], shown["pid"]}) == 3
    assert shown["connections"]["open"] == sum(
        row["connections"]["open"] for row in (first, second)
    )
    accepted = sum(row["connections"]["accepted"] for row in (first, second))
    assert shown["connections"]["accepted"] == accepted
    api = shown["routes"][0]
    assert api["servers"][0]["idle"] == 2, "one of each worker's"
    assert sum(row["requests"] for row in (first, second)) == sum(
        route["counters"]["requests"] for route in shown["routes"]
    )


def test_processor_time_and_memory_are_those_of_all(crew):
    numbers = crew.numbers()
    if "process_resident_memory_bytes" not in {key[0] for key in numbers}:
        pytest.skip("/proc does not tell")
    # A Python with Twisted in it takes more than 20 MB; there are three.
    assert numbers["process_resident_memory_bytes",] > 3 * 20e6
    before = numbers["process_cpu_seconds_total",]
    for client in crew.connections_of_each():
        for _ in range(300):
            client.ask(get("/nowhere"))
    assert crew.numbers()["process_cpu_seconds_total",] > before


def test_the_admin_pages_answer_head_and_refuse_the_rest(crew):
    assert crew.page("/healthz") == b"OK"
    assert b"# EOF" not in crew.page("/metrics")
    with pytest.raises(Exception, match="404"):
        crew.page("/status/x")


def test_the_start_page_is_the_same_from_each(crew, origin):
    origin.stop()
    try:
        pages = [
            json.loads(client.ask(get("/?format=json")).body)
            for client in crew.connections_of_each()
        ]
    finally:
        origin.listen()

    def lasting(page: dict) -> list:
        return [[row["path"], row["name"]] for row in page["services"]]

    assert lasting(pages[0]) == lasting(pages[1])


def test_a_way_back_to_another_worker_is_a_loop_too(tmp_path):
    crew = Crew(tmp_path, "gateway: {access_log: off}\nroutes: {}\n")
    try:
        route = f'routes: {{/loop/: {{to: "http://127.0.0.1:{crew.ports[0]}/loop"}}}}\n'
        crew.file.write_text("gateway: {access_log: off}\n" + route)
        crew.reload()
        for client in crew.connections_of_each():
            for _ in range(6):
                assert client.ask(get("/loop/x", "Connection: keep-alive")).status == 508
        assert crew.numbers()["daarion_refused_total", "508"] == 12
    finally:
        crew.kill()

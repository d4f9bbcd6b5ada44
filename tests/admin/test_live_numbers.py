"""A running gateway counts and logs each exchange exactly once, whatever became of it."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.compare.case import Case, answer, ask
from tests.compare.cases_of_connections import websockets
from tests.compare.client import drive
from tests.compare.proxies import HOST, UPSTREAMS, free_port, gateway
from tests.compare.recorder import Recorder


@dataclass
class Running:
    """A gateway in front of a recording upstream, asked case by case."""

    port: int
    admin: int
    log: Path
    recorder: Recorder

    def send(self, case: Case) -> None:
        self.recorder.begin(case.script)
        drive(self.port, case)
        self.recorder.finish()

    def page(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{HOST}:{self.admin}{path}", timeout=5) as got:
            return got.read()

    def numbers(self) -> dict:
        """All samples that are not zero, by name and labels."""
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.page("/metrics").decode())
            for sample in family.samples
            if sample.value
        }

    def lines(self, count: int) -> list[dict]:
        """The log's lines, once there are so many."""
        until(lambda: self.log.read_text().count("\n") >= count)
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


@pytest.fixture
def running(tmp_path) -> Iterator[Running]:
    recorder = Recorder(UPSTREAMS)
    recorder.start()
    admin, log = free_port(), tmp_path / "access.json"
    endpoint = f"tcp:{admin}:interface={HOST}"
    with gateway(tmp_path / "run", recorder, endpoint, f"{{format: json, file: {log}}}") as port:
        yield Running(port, admin, log, recorder)
    recorder.stop()


def of_route(numbers: dict, name: str, *labels: str, route: str = "/api/") -> float:
    """One sample of a route, whatever its upstream is called; 0 when it is not there."""
    found = [
        value
        for (sample, *rest), value in numbers.items()
        if sample == name and route in rest and set(labels) <= set(rest)
    ]
    assert len(found) <= 1
    return found[0] if found else 0


def test_each_exchange_is_counted_and_logged_once(running):
    length = b"Content-Length: 5"
    not_found = answer(b"HTTP/1.1 404 Not Found", b"Content-Length: 3", body=b"no!")
    for case in (
        ask("get"),
        ask("post", b"/api/x", length, method=b"POST", body=b"hello"),
        ask("missing", b"/api/x", script=not_found),
        ask("down", b"/down/x"),
        ask("no route", b"/nothing"),
        ask("malformed", b"/api/x", b"X-A"),
        ask("cut", script=answer(b"HTTP/1.1 200 OK", b"Content-Length: 9", body=b"ok", close=True)),
    ):
        running.send(case)

    numbers = running.numbers()
    assert of_route(numbers, "daarion_requests_total") == 4
    assert of_route(numbers, "daarion_answers_total", "2xx") == 3
    assert of_route(numbers, "daarion_answers_total", "4xx") == 1
    assert of_route(numbers, "daarion_bytes_total", "received") == 5
    assert of_route(numbers, "daarion_bytes_total", "sent") == 2 + 2 + 3 + 2
    assert of_route(numbers, "daarion_in_flight") == 0
    assert of_route(numbers, "daarion_request_seconds_count") == 4
    assert of_route(numbers, "daarion_faults_total", "UPSTREAM_BROKE") == 1
    assert of_route(numbers, "daarion_answers_total", "5xx", route="/down/") == 1
    assert of_route(numbers, "daarion_faults_total", "UPSTREAM_REFUSED", route="/down/") == 1
    assert numbers["daarion_refused_total", "404"] == 1
    assert numbers["daarion_refused_total", "400"] == 1

    lines = [line for line in running.lines(7) if line["target"] != "/healthz"]
    seen = [(line["target"], line["status"], line["route"], line["fault"]) for line in lines]
    assert seen == [
        ("/api/x", 200, "/api/", ""),
        ("/api/x", 200, "/api/", ""),
        ("/api/x", 404, "/api/", ""),
        ("/down/x", 502, "/down/", "UPSTREAM_REFUSED"),
        ("/nothing", 404, "", "NOT_FOUND"),
        (lines[5]["target"], 400, "", "MALFORMED"),
        ("/api/x", 200, "/api/", "UPSTREAM_BROKE"),
    ]
    assert len({line["request_id"] for line in lines}) == 7
    assert lines[1]["bytes_received"] == 5
    assert all(line["client"] == HOST for line in lines)


def test_a_websocket_is_counted_while_it_is_open_and_after(running):
    agreed = next(case for case in websockets() if case.name == "websocket/agreed")
    running.send(agreed)
    until(lambda: of_route(running.numbers(), "daarion_in_flight", route="/ws/") == 0)
    numbers = running.numbers()
    assert of_route(numbers, "daarion_websockets_total", route="/ws/") == 1
    assert of_route(numbers, "daarion_websockets_open", route="/ws/") == 0
    assert of_route(numbers, "daarion_answers_total", "1xx", route="/ws/") == 1
    assert of_route(numbers, "daarion_bytes_total", "received", route="/ws/") > 0
    (line,) = running.lines(1)
    assert (line["status"], line["route"]) == (101, "/ws/")


def test_status_shows_the_same_numbers(running):
    running.send(ask("get"))
    shown = json.loads(running.page("/status"))
    (api,) = [route for route in shown["routes"] if route["route"] == "/api/"]
    assert api["counters"]["requests"] == 1
    (server,) = api["servers"]
    assert server["server"] == f"{HOST}:{running.recorder.ports['microdao-api']}"
    assert server["counters"]["connections_opened"] == 1
    assert server["counters"]["answers"]["2xx"] == 1

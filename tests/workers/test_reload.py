"""A reload is for all workers or for none, and what came of it is told on the status page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import far_side
from tests.support.message import get
from tests.support.origin import Origin
from tests.support.waiting import until
from tests.support.websocket import TEXT, frame, open_websocket, read_frame
from tests.workers.crew import Crew

__all__ = ["far_side"]

CONFIG = """
gateway: {access_log: off, drain_timeout: 1s}
routes:
  /api/: {to: "http://127.0.0.1:1"}
  /ws/: {to: "${ORIGIN}"}
"""
NEW = '  /new/: {to: "http://127.0.0.1:1"}\n'


@pytest.fixture
def crew(tmp_path: Path, far_side: dict[str, Origin]) -> Iterator[Crew]:
    crew = Crew(tmp_path, CONFIG, ORIGIN=far_side["ORIGIN"].url)
    yield crew
    crew.kill()
    assert "Traceback" not in crew.output


def statuses(crew: Crew, path: str) -> list[int]:
    """What each of the workers answers."""
    return [client.ask(get(path)).status for client in crew.connections_of_each()]


def test_the_status_tells_of_it_when_all_have_it(crew):
    assert crew.status()["reload"] == {"count": 0, "at": None, "ok": True, "problems": ""}
    crew.file.write_text(CONFIG + NEW)
    crew.reload()
    told = until(lambda: crew.status()["reload"]["count"] and crew.status()["reload"])
    assert (told["count"], told["ok"], told["problems"]) == (1, True, "")
    assert told["at"] >= crew.status()["started"]
    assert statuses(crew, "/new/x") == [502, 502]


def test_the_status_tells_why_not(crew):
    crew.file.write_text(CONFIG + "tests: {url: /api/x, route: /ws/}\n")
    crew.reload()
    told = crew.status()["reload"]
    assert (told["count"], told["ok"]) == (1, False)
    assert told["problems"].startswith("gateway.yaml:6:8: tests[0]: /api/x goes to route /api/ ")


def test_what_one_of_them_cannot_take_is_for_none(crew):
    # A file that only the master has.
    file = f"/proc/self/task/{crew.process.pid}/comm"
    crew.file.write_text(CONFIG.replace("access_log: off", f"access_log: {{file: {file}}}") + NEW)
    crew.reload()
    told = until(lambda: crew.status()["reload"]["count"] and crew.status()["reload"])
    assert not told["ok"]
    assert told["problems"].splitlines()[0].startswith("worker 1: ")
    assert told["problems"].splitlines()[1].startswith("worker 2: ")
    assert [route["route"] for route in crew.status()["routes"]] == ["/api/", "/ws/"]
    assert statuses(crew, "/new/x") == [404, 404]
    crew.file.write_text(CONFIG + NEW)
    crew.reload()
    assert statuses(crew, "/new/x") == [502, 502]


def test_only_the_master_looks_whether_the_file_changes(crew):
    text = CONFIG.replace("drain", "reload_on_change: on, drain")
    crew.file.write_text(text)
    crew.reload()
    crew.file.write_text(text + NEW)
    crew.says("reloaded: 3 routes")
    assert crew.output.count("the configuration has changed") == 1
    assert statuses(crew, "/new/x") == [502, 502]


def test_websockets_of_a_route_that_is_gone_end_in_each(crew, far_side):
    clients = crew.connections_of_each()
    fars = [open_websocket(client, far_side["ORIGIN"])[0] for client in clients]
    crew.file.write_text(CONFIG + NEW)
    crew.reload()
    for client, far in zip(clients, fars, strict=True):
        client.send(frame(TEXT, b"still here"))
        assert read_frame(far).payload == b"still here"
    crew.file.write_text(CONFIG.replace("/ws/", "/other/"))
    crew.reload()
    assert [read_frame(client).code for client in clients] == [1012, 1012]

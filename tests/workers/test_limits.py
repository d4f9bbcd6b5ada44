"""Each worker has its share of an upstream's limits, and what waits or is refused adds up."""

from pathlib import Path

from tests.support.message import answer, get
from tests.support.origin import Origin
from tests.support.waiting import until
from tests.workers.crew import Crew

CONFIG = """
gateway: {access_log: off}
upstreams:
  app: {servers: ["${ORIGIN}"], limits: {in_flight: 2, waiting: 2, wait: 60s}}
routes:
  /: app
"""


def test_two_workers_have_one_of_two_places_each(tmp_path: Path):
    origin = Origin()
    crew = Crew(tmp_path, CONFIG, ORIGIN=origin.url)
    try:
        of_each = [crew.connections_of_each() for _ in range(3)]
        for clients in of_each:
            for client in clients:
                client.send(get("/x"))
                assert client.says_nothing(0.2) or clients is of_each[2]
        for client in of_each[2]:
            assert client.answer().status == 503, "one is asked, one waits"
        numbers = crew.numbers()
        assert numbers["daarion_upstream_waiting", "app"] == 2
        assert numbers["daarion_upstream_busy_total", "app"] == 2
        fars = [origin.accept() for _ in range(2)]
        assert origin.is_untouched
        for _ in range(2):
            for far in fars:
                far.request()
                far.send(answer(200))
        assert [client.answer().status for client in (*of_each[0], *of_each[1])] == [200] * 4
        until(lambda: crew.numbers()["daarion_upstream_waiting", "app"] == 0)
        crew.stop()
    finally:
        crew.kill()
        origin.close()

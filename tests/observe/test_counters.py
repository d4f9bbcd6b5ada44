"""The register keeps its counters; a duration lands in the right bucket."""

import pytest

from daarion_gw.observe.counters import BOUNDS, Counters, RouteCounters


def test_the_same_route_gives_the_same_counters_over_a_reload():
    counters = Counters()
    counters.route("/api/", "microdao-api").requests += 3

    assert counters.route("/api/", "microdao-api").requests == 3
    assert counters.route("/api/", "other").requests == 0
    assert [(c.route, c.upstream) for c in counters.routes()] == [
        ("/api/", "microdao-api"),
        ("/api/", "other"),
    ]


def test_the_same_server_gives_the_same_counters():
    counters = Counters()
    counters.server("rag", "127.0.0.1:8081").connections_opened += 1

    assert counters.server("rag", "127.0.0.1:8081").connections_opened == 1
    assert [c.server for c in counters.servers()] == ["127.0.0.1:8081"]


def test_routes_may_be_added_while_they_are_read():
    counters = Counters()
    counters.route("/a/", "a")
    for _ in counters.routes():
        counters.route("/b/", "b")
    assert len(list(counters.routes())) == 2


@pytest.mark.parametrize(
    ("seconds", "place"),
    [(0.0, 0), (0.005, 0), (0.0051, 1), (1.0, 7), (60.0, 12), (60.1, 13), (86400.0, 13)],
)
def test_a_duration_counts_in_the_bucket_whose_bound_it_does_not_exceed(seconds, place):
    route = RouteCounters("/api/", "microdao-api")
    route.took(seconds)
    assert route.buckets.index(1) == place
    assert sum(route.buckets) == 1
    assert route.seconds_sum == seconds
    assert len(route.buckets) == len(BOUNDS) + 1


def test_faults_and_refusals_are_counted_by_name_and_status():
    counters = Counters()
    route = counters.route("/api/", "microdao-api")
    route.failed("UPSTREAM_REFUSED")
    route.failed("UPSTREAM_REFUSED")
    counters.front.refuse(400)
    counters.front.refuse(431)

    assert route.faults == {"UPSTREAM_REFUSED": 2}
    assert counters.front.refused == {400: 1, 431: 1}
    assert counters.front.malformed == 2


def test_counters_take_no_attribute_that_nobody_reads():
    with pytest.raises(AttributeError):
        RouteCounters("/api/", "microdao-api").request = 1

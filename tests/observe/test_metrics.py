"""The text is what Prometheus' own parser reads, and says what the counters say."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from daarion_gw.observe.counters import Counters
from daarion_gw.observe.metrics import Metrics
from tests.real.installed import need_program


def some_counters() -> Counters:
    counters = Counters()
    counters.front.connections_accepted = 7
    counters.front.connections_open = 2
    counters.front.refuse(400)
    route = counters.route("/api/", "microdao-api")
    route.requests = 5
    route.in_flight = 1
    route.answers[2] = 3
    route.answers[5] = 1
    route.bytes_received = 10
    route.bytes_sent = 400
    route.websockets_opened = 2
    route.websockets_open = 1
    for seconds in (0.004, 0.2, 70.0):
        route.took(seconds)
    route.failed("UPSTREAM_REFUSED")
    server = counters.server("microdao-api", "127.0.0.1:8000")
    server.requests = 4
    server.answers[2] = 3
    server.answers[0] = 1
    server.bytes_sent = 900
    server.connections_opened = 2
    server.connections_open = 1
    server.connect_failures = 6
    server.retries = 1
    server.members = 2
    server.out = 1
    server.ejections = 3
    server.probes_passed = 8
    server.probes_failed = 9
    upstream = counters.upstream("microdao-api")
    upstream.breaker_open = 1
    upstream.waiting = 3
    upstream.busy = 8
    return counters


def samples(text: bytes, read=read_prometheus) -> dict:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in read(text.decode())
        for sample in family.samples
    }


ROUTE = (("route", "/api/"), ("upstream", "microdao-api"))
SERVER = (("server", "127.0.0.1:8000"), ("upstream", "microdao-api"))


def test_every_counter_is_in_the_text():
    text, content_type = Metrics(some_counters(), "0.1.0").text("")
    found = samples(text)

    assert content_type.startswith("text/plain; version=0.0.4")
    assert found["daarion_connections_total",] == 7
    assert found["daarion_connections_open",] == 2
    assert found["daarion_refused_total", ("status", "400")] == 1
    assert found["daarion_requests_total", *ROUTE] == 5
    assert found["daarion_in_flight", *ROUTE] == 1
    assert found["daarion_answers_total", ("class", "2xx"), *ROUTE] == 3
    assert found["daarion_answers_total", ("class", "5xx"), *ROUTE] == 1
    assert found["daarion_answers_total", ("class", "none"), *ROUTE] == 0
    assert found["daarion_bytes_total", ("direction", "received"), *ROUTE] == 10
    assert found["daarion_bytes_total", ("direction", "sent"), *ROUTE] == 400
    assert found["daarion_websockets_total", *ROUTE] == 2
    assert found["daarion_websockets_open", *ROUTE] == 1
    assert found["daarion_faults_total", ("fault", "UPSTREAM_REFUSED"), *ROUTE] == 1
    assert found["daarion_upstream_requests_total", *SERVER] == 4
    assert found["daarion_upstream_answers_total", ("class", "none"), *SERVER] == 1
    assert found["daarion_upstream_bytes_total", ("direction", "sent"), *SERVER] == 900
    assert found["daarion_upstream_connections_total", *SERVER] == 2
    assert found["daarion_upstream_connections_open", *SERVER] == 1
    assert found["daarion_upstream_connect_failures_total", *SERVER] == 6
    assert found["daarion_upstream_retries_total", *SERVER] == 1
    assert found["daarion_upstream_up", *SERVER] == 0
    assert found["daarion_upstream_ejections_total", *SERVER] == 3
    assert found["daarion_upstream_probes_total", ("result", "passed"), *SERVER] == 8
    assert found["daarion_upstream_probes_total", ("result", "failed"), *SERVER] == 9
    assert found["daarion_upstream_breaker_open", ("upstream", "microdao-api")] == 1
    assert found["daarion_upstream_in_flight", *SERVER] == 0
    assert found["daarion_upstream_waiting", ("upstream", "microdao-api")] == 3
    assert found["daarion_upstream_busy_total", ("upstream", "microdao-api")] == 8
    assert found["process_start_time_seconds",] > 1e9
    assert any(key[0] == "daarion_build_info" and ("version", "0.1.0") in key for key in found)


def test_the_histogram_is_cumulative():
    found = samples(Metrics(some_counters(), "0.1.0").text("")[0])
    bucket = "daarion_request_seconds_bucket"
    assert found[bucket, ("le", "0.005"), *ROUTE] == 1
    assert found[bucket, ("le", "0.1"), *ROUTE] == 1
    assert found[bucket, ("le", "0.25"), *ROUTE] == 2
    assert found[bucket, ("le", "60.0"), *ROUTE] == 2
    assert found[bucket, ("le", "+Inf"), *ROUTE] == 3
    assert found["daarion_request_seconds_count", *ROUTE] == 3
    assert found["daarion_request_seconds_sum", *ROUTE] == pytest.approx(70.204)


def test_openmetrics_is_given_to_who_asks_for_it():
    accept = "application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    text, content_type = Metrics(some_counters(), "0.1.0").text(accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    assert samples(text, read_openmetrics)["daarion_requests_total", *ROUTE] == 5


@given(st.text(max_size=60) | st.from_regex(r"application/openmetrics-text ?; ?version=.{0,9}"))
def test_no_accept_field_breaks_a_scrape(accept):
    text, content_type = Metrics(Counters(), "0.1.0").text(accept)
    read = read_openmetrics if "openmetrics" in content_type else read_prometheus
    assert ("daarion_connections_total",) in samples(text, read)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_route_may_have_any_name(name):
    counters = Counters()
    counters.route(name, "up").requests = 1
    counters.server("up", name).requests = 2
    found = samples(Metrics(counters, "0.1.0").text("")[0])
    assert found["daarion_requests_total", ("route", name), ("upstream", "up")] == 1
    assert found["daarion_upstream_requests_total", ("server", name), ("upstream", "up")] == 2


@pytest.mark.real
def test_promtool_has_nothing_to_say():
    promtool = need_program("promtool")
    text, _ = Metrics(some_counters(), "0.1.0").text("")
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_server_is_up_where_nobody_has_it_out_and_it_is_configured():
    counters = some_counters()
    server = counters.server("microdao-api", "127.0.0.1:8000")
    server.out = 0
    assert samples(Metrics(counters, "0.1.0").text("")[0])["daarion_upstream_up", *SERVER] == 1
    server.members = 0
    assert ("daarion_upstream_up", *SERVER) not in samples(Metrics(counters, "0.1.0").text("")[0])

"""``tests:`` of a configuration: each says where a request leads, and is held to it."""

from pathlib import Path

import pytest

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems
from daarion_gw.front.loading import Loading
from tests.support.gateway import GatewayProcess
from tests.support.message import request

ROUTES = """
routes:
  /api/: {to: microdao-api, deny: [internal/]}
  /kept/: {to: "http://127.0.0.1:3000", strip_prefix: false}
  /exact: {to: "http://127.0.0.1:3001/only"}
  app.example.com/shop/: {to: "http://127.0.0.1:3002/v2"}
upstreams:
  microdao-api: [http://127.0.0.1:8000/base, http://127.0.0.1:8001]
"""


# Requests that the gateway itself answers: method, path, host.
OWN = (
    ("GET", "/healthz", "h"),
    ("POST", "/healthz", "h"),
    ("GET", "/healthz/x", "h"),
    ("HEAD", "/", "h"),
    ("PUT", "/", "h"),
    ("GET", "/nowhere", "h"),
    ("GET", "/shop", "h"),
    ("GET", "/shop", "app.example.com"),
    ("POST", "/shop", "app.example.com"),
    ("GET", "/api/internal/x", "h"),
    ("GET", "/api/x/../internal/%78", "h"),
    ("GET", "/api/..%2fadmin", "h"),
    ("GET", "/api/../kept/x", "h"),
    ("TRACE", "/api/", "h"),
)


def told(tests: str, folder: Path, routes: str = ROUTES, **variables: str) -> list[str]:
    """What is said about the tests of a file, line by line, each without the file's name."""
    (folder / "g.yaml").write_text(f"{routes}tests:\n{tests}")
    try:
        Loading("g.yaml", variables, folder)()
    except ConfigurationError as error:
        return [line.removeprefix("g.yaml:") for line in render_problems(error).splitlines()[:-1]]
    return []


@pytest.mark.parametrize(
    "test",
    [
        "{url: /api/x?y=1, route: /api/, upstream: microdao-api, target: /base/x?y=1}",
        "{url: /api/x, upstream: microdao-api}",
        "{url: /api/a%2Fb//c, target: /base/a%2Fb//c}",
        "{url: /api/, target: /base/}",
        "{url: /api, status: 301}",
        "{url: /api, method: POST, status: 308}",
        "{url: /api/internal/x, status: 404}",
        "{url: /api/internal/x, route: /api/, upstream: microdao-api, status: 404}",
        "{url: /api/%2e%2e/kept/, status: 400}",
        "{url: /api/..%2fadmin, route: /api/, status: 400}",
        "{url: /kept/x, route: /kept/, target: /kept/x}",
        "{url: /exact, route: /exact, target: /only}",
        "{url: /exact/x, status: 404}",
        "{url: /shop/x, status: 404}",
        "{url: http://app.example.com/shop/x, route: app.example.com/shop/, target: /v2/x}",
        "{url: HTTPS://App.Example.com:8443/shop/x, route: app.example.com/shop/}",
        "{url: http://other.example.com/shop/x, status: 404}",
        "{url: http://app.example.com/api/x, route: /api/}",
        "{url: http://app.example.com, status: 200}",
        "{url: wss://app.example.com?x=1, status: 200}",
        "{url: /healthz, status: 200}",
        "{url: /healthz/x, status: 404}",
        "{url: /, status: 200}",
        "{url: /, method: POST, status: 405}",
        "{url: /api/x, method: TRACE, status: 405}",
        "{url: http://a_b:port/api/x, status: 400}",
    ],
)
def test_what_is_so_passes(test: str, tmp_path: Path) -> None:
    assert told(f"  - {test}\n", tmp_path) == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (
            "{url: /api/x, route: /v2/}",
            "/api/x goes to route /api/ (upstream microdao-api) as /base/x; expected route /v2/",
        ),
        (
            "{url: /api/x?y, upstream: grafana, target: /x?y}",
            "/api/x?y goes to route /api/ (upstream microdao-api) as /base/x?y; "
            "expected upstream grafana and target /x?y",
        ),
        (
            "{url: /api/x, status: 404}",
            "/api/x goes to route /api/ (upstream microdao-api) as /base/x; expected status 404",
        ),
        (
            "{url: /api/internal/x, route: /api/, target: /base/internal/x}",
            "/api/internal/x is answered 404 (route /api/ keeps this path shut); "
            "expected target /base/internal/x",
        ),
        (
            "{url: /nowhere, route: /api/}",
            "/nowhere is answered 404 (no route leads there); expected route /api/",
        ),
        (
            "{url: /api, method: PUT, status: 301}",
            "PUT /api is answered 308 (only the slash at its end is missing); expected status 301",
        ),
        (
            "{url: /api/../kept/, route: /kept/}",
            "/api/../kept/ is answered 400 (as it came and as it reads, it leads to two different "
            "routes); expected route /kept/",
        ),
        (
            "{url: /healthz, route: /api/}",
            "/healthz is answered by a page of the gateway's own with 200; expected route /api/",
        ),
    ],
)
def test_what_is_not_so_is_told_with_what_is(test: str, said: str, tmp_path: Path) -> None:
    assert told(f"  - {test}\n", tmp_path) == [f"10:5: tests[0]: {said}"]


def test_all_that_fail_are_told_at_their_places(tmp_path: Path) -> None:
    tests = """\
  - {url: /api/x, route: /api/}
  - {url: /api/x, route: /one/}
  -   url: /api/y
      route: /two/
"""
    first, second = told(tests, tmp_path)
    assert first.startswith("11:5: tests[1]: /api/x goes to route /api/")
    assert second.startswith("12:7: tests[2]: /api/y goes to route /api/")


def test_one_test_needs_no_list(tmp_path: Path) -> None:
    (line,) = told("  url: /api/x\n  route: /v2/\n", tmp_path)
    assert line.startswith("10:3: tests[0]: /api/x goes to route /api/")


def test_no_tests_and_an_empty_section_are_nothing(tmp_path: Path) -> None:
    assert told("", tmp_path) == []


def test_the_default_table_may_be_tested(tmp_path: Path) -> None:
    tests = """\
  - {url: /grafana/x, route: /grafana/, upstream: grafana, target: /grafana/x}
  - {url: /prometheus/-/quit, status: 404}
  - {url: /ws/, target: /}
  - {url: /rag/x, target: /wrong}
"""
    (line,) = told(tests, tmp_path, routes="gateway: {access_log: off}\n")
    assert line.startswith("6:5: tests[3]: /rag/x goes to route /rag/ (upstream rag-service) as /x")


def test_a_route_for_everything_takes_what_the_start_page_had(tmp_path: Path) -> None:
    routes = "routes: {/: 'http://127.0.0.1:1'}\n"
    tests = "  - {url: /, route: /}\n  - {url: /x, target: /x}\n  - {url: /healthz, status: 200}\n"
    assert told(tests, tmp_path, routes=routes) == []


def test_a_mounted_page_stands_beside_the_routes(tmp_path: Path) -> None:
    tests = "tests: [{url: /docs/x, status: 404}, {url: /doc/x, status: 404}]\n"
    (tmp_path / "g.yaml").write_text(tests)
    with pytest.raises(ConfigurationError) as mistakes:
        Loading("g.yaml", {}, tmp_path, mounted=[b"docs"])()
    (problem,) = mistakes.value.problems
    assert problem.message == (
        "/docs/x is answered by a page of the gateway's own; expected status 404"
    )


def test_what_came_out_of_a_variable_is_not_shown(tmp_path: Path) -> None:
    tests = '  - {url: "/api/?key=${KEY}", target: "/${KEY}"}\n'
    (line,) = told(tests, tmp_path, KEY="hunter2")
    assert line == (
        "10:5: tests[0]: its request goes to route /api/ (upstream microdao-api); "
        "expected another target"
    )


def test_mistakes_in_the_file_come_before_its_tests(tmp_path: Path) -> None:
    tests = "  - {url: /api/x, route: /v2/}\n  - {url: /api/x, rout: /v2/}\n"
    lines = told(tests, tmp_path)
    assert [line.split(": ")[1] for line in lines] == ["tests[1].rout"]


def test_the_gateway_answers_what_its_tests_are_held_to(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, ROUTES)
    try:
        for method, path, host in OWN:
            client = gateway.connect()
            client.send(request(method, path, f"Host: {host}", host=False))
            status = client.head().status
            test = f'  - {{url: "http://{host}{path}", method: {method}, status: {status}}}\n'
            assert told(test, tmp_path) == []
            assert told(test.replace(f"status: {status}", "status: 599"), tmp_path) != []
    finally:
        gateway.kill()

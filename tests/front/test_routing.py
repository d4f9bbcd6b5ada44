"""Which requests go where, and as what they arrive there (SPEC.md section 4)."""

import json

import pytest

from daarion_gw.wire.target import climbs
from tests.support.message import answer, get, post, request

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
routes:
  /api/: {to: "${ORIGIN}", max_body: 1K}
  /api/v2/: {to: "${SECOND}"}
  /api/v2/exact: {to: "${ORIGIN}"}
  /kept/: {to: "${ORIGIN}", strip_prefix: false}
  /based/: {to: "${ORIGIN}/base/v1"}
  /based-whole/: {to: "${ORIGIN}/base", strip_prefix: false}
  app.example.com/api/: {to: "${SECOND}"}
  app.example.com/: {to: "${SECOND}", strip_prefix: false}
  "[::1]/six/": {to: "${SECOND}"}
  /shut/:
    to: "${ORIGIN}"
    deny: ["-/quit", admin/]
  /shut-whole/:
    to: "${ORIGIN}"
    strip_prefix: false
    deny: ["-/quit"]
"""


def arrives(client, origin, data):
    """What the upstream sees of a request that it answers with 200."""
    client.send(data)
    far = origin.accept()
    seen = far.request()
    far.send(answer(200, b"hello"))
    got = client.answer()
    assert (got.status, got.body) == (200, b"hello")
    return seen


def test_the_prefix_is_cut_off_and_named(client, origin):
    seen = arrives(client, origin, get("/api/users?page=2"))
    assert seen.line == b"GET /users?page=2 HTTP/1.1"
    assert seen.value(b"x-forwarded-prefix") == b"/api"


def test_an_empty_rest_becomes_a_slash(client, origin):
    assert arrives(client, origin, get("/api/")).target == b"/"


def test_an_empty_rest_with_a_query(client, origin):
    assert arrives(client, origin, get("/api/?q=1")).target == b"/?q=1"


def test_a_route_that_does_not_strip_keeps_the_path_and_says_nothing(client, origin):
    seen = arrives(client, origin, get("/kept/a"))
    assert seen.target == b"/kept/a"
    assert seen.value(b"x-forwarded-prefix") is None


@pytest.mark.parametrize(
    "rest",
    [
        "/a%2Fb", "/a//b", "//a", "/a;v=1/b", "/%41", "/%7Euser", "/a%20b", "/caf%C3%A9",
        "/a?x=%2F..%2F/../y", "/?", "/a%2e%2eb", "/%5c", "/a:b@c!$&'()*+,;=-._~", "/%zz",
    ],
)  # fmt: skip
def test_the_rest_stays_byte_for_byte(client, origin, rest):
    assert arrives(client, origin, get("/api" + rest)).target == rest.encode()


def test_the_longest_prefix_wins(client, second):
    assert arrives(client, second, get("/api/v2/users")).target == b"/users"


def test_an_exact_path_beats_a_prefix(client, origin):
    seen = arrives(client, origin, get("/api/v2/exact?x"))
    assert seen.target == b"/?x"


def test_below_an_exact_path_the_prefix_holds(client, second):
    assert arrives(client, second, get("/api/v2/exact/y")).target == b"/exact/y"


def test_a_prefix_ends_at_a_segment(client, origin, second):
    got = client.ask(get("/apix"))
    assert got.status == 404
    assert origin.is_untouched and second.is_untouched


def test_a_host_beats_no_host(client, second):
    data = get("/api/v2/exact").replace(b"gw.example", b"app.example.com")
    assert arrives(client, second, data).target == b"/v2/exact"


@pytest.mark.parametrize("host", [b"APP.example.com", b"app.example.com:8080", b"app.example.com."])
def test_a_host_matches_in_any_case_with_a_port_and_with_a_final_dot(client, second, host):
    assert arrives(client, second, get("/any").replace(b"gw.example", host)).target == b"/any"


def test_an_ipv6_host(client, second):
    data = get("/six/x").replace(b"gw.example", b"[::1]:8080")
    assert arrives(client, second, data).target == b"/x"


def test_another_host_has_none_of_it(client):
    assert client.ask(get("/any")).status == 404


def test_a_base_path_stands_before_the_rest(client, origin):
    assert arrives(client, origin, get("/based/a?b")).target == b"/base/v1/a?b"


def test_a_base_path_stands_before_the_whole_path(client, origin):
    assert arrives(client, origin, get("/based-whole/a")).target == b"/base/based-whole/a"


def test_an_absolute_target_is_forwarded_in_origin_form(client, origin):
    seen = arrives(client, origin, request("GET", "http://gw.example/api/x?y"))
    assert seen.line == b"GET /x?y HTTP/1.1"
    assert seen.value(b"host") == b"gw.example"


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)],
)
def test_a_missing_slash_is_a_redirect_that_keeps_query_and_method(client, origin, method, status):
    got = client.ask(request(method, "/api?a=1&b=%2F"))
    assert got.status == status
    assert got.value(b"location") == b"/api/?a=1&b=%2F"
    assert origin.is_untouched
    assert client.ask(get("/nowhere")).status == 404, "and the connection goes on"


def test_only_the_slash_may_be_missing(client):
    assert client.ask(get("/ap")).status == 404


@pytest.mark.parametrize(
    "path",
    ["/api/../kept/x", "/kept/%2e%2e/api/x", "/api/%76%32/x", "/api/./v2/../../kept/",
     "/x/../api/y", "/%61pi/x", "/api/.."],
)  # fmt: skip
def test_a_path_that_reads_as_another_route_is_refused(client, origin, second, path):
    got = client.ask(get(path))
    assert got.status == 400
    assert origin.is_untouched and second.is_untouched


@pytest.mark.parametrize("path", ["/api/a/../b", "/api/%61/./b", "/api/a/.."])
def test_a_path_that_reads_as_the_same_route_passes_as_it_came(client, origin, path):
    assert arrives(client, origin, get(path)).target == path.removeprefix("/api").encode()


@pytest.mark.parametrize(
    "path",
    ["/shut/-/quit", "/shut/-/quit?now", "/shut/%2d/quit", "/shut//-//quit", "/shut/a/../-/quit",
     "/shut/%252d/quit", "/shut/-/quit;x=1", "/shut/-%2Fquit", "/shut/-%5Cquit",
     "/shut/-/quit/", "/shut\\-/quit", "/shut/./-/./quit", "/shut/a%2F..%2F-/quit",
     "/shut/-/a;v=1/..;v=2/quit", "/shut/a/b/../..//-/quit", "/shut/%2D%5C%71uit",
     "/shut/admin/", "/shut/admin", "/shut/admin/deep/er", "/shut/%61dmin/x", "/shut//admin/x",
     "/shut/admin;x", "/shut/admin%2fx", "/shut/admin\\x", "/shut/a/..%2fadmin/x",
     # Here a server that runs slashes together first reads /-/quit ...
     "/shut/a/b//../../-/quit", "/shut/a//%2e%2e/-/quit", "/shut-whole/a/b//../../-/quit",
     # ... and here one that takes the dots out first.
     "/shut/-/a//../../quit", "/shut-whole/-/a//%2e%2e/../quit", "/shut-whole/a//../../-/quit",
     "/shut-whole/..%2Fshut-whole/-/quit"],
)  # fmt: skip
def test_what_a_route_keeps_shut_is_not_found_however_it_is_written(client, origin, path):
    got = client.ask(get(path))
    assert got.status == 404
    assert origin.is_untouched


@pytest.mark.parametrize(
    "path", ["/shut/-/quitx", "/shut/-/quit/x", "/shut/administrator", "/shut/x"]
)
def test_beside_what_is_shut_all_is_open(client, origin, path):
    assert arrives(client, origin, get(path)).target == path.removeprefix("/shut").encode()


def test_no_route_is_404_and_costs_no_connection(client, origin):
    assert client.ask(get("/nowhere")).status == 404
    assert client.ask(post("/nowhere", b"body")).status == 404
    assert arrives(client, origin, get("/api/x")).target == b"/x"


@pytest.mark.parametrize(
    "path",
    [
        "/app/../x",
        "/app/%2e%2e/x",
        "/app/..%2fx",
        "/app/a/../../app/x",
        "/app/..;/x",
        "/app/a\\..\\..\\x",
    ],
)
def test_nothing_climbs_out_of_a_route_whose_prefix_is_cut(path):
    assert climbs(path.encode().removeprefix(b"/app"))


CLIMBING = [
    "/api/..%2f..%2fadmin", "/api/..%2Fadmin", "/api/.%2F..%2Fadmin",
    "/api/a%2f..%2f..%2fadmin", "/api/x/..;/..",
    "/api/..;/admin", "/api/..;v=1/admin", "/api/%2e%2e;/admin", "/api/x/..%3b/../admin",
    "/api/..\\admin", "/api/a\\..\\..\\admin", "/api/..%5cadmin", "/api/..%5C..%5cadmin",
    "/api/%252e%252e/admin", "/api/%252e%252e%252fadmin", "/api/.%252e/admin",
    "/api/..%252fadmin", "/api/..%255cadmin", "/api/%2e.%2fadmin", "/api/a//..%2f../admin",
    "/api/a/;/..;/..;/admin", "/api/..%2f?q=1", "/api/..%2fapi/x", "/api/a/..;/..;/api/x",
    "/based/..%2fv2/x", "/based/%252e%252e/v2/x", "/based/a/..%5c..%5cx", "/based/..;/x",
    "/based-whole/..%2f..%2fx", "/based-whole/..%2fx", "/based-whole/%252e%252e/x",
    "/shut/..%2f-/quit", "/shut/..;/-/quit",
]  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING)
def test_a_path_that_some_server_reads_as_climbing_out_is_refused(client, origin, path):
    got = client.ask(get(path))
    route = path[: path.index("/", 1) + 1]
    assert got.status == 400
    assert json.loads(got.body)["detail"] == f"the path climbs out of route {route}"
    assert origin.is_untouched
    assert got.value(b"connection") == b"close", "whoever sent it gets no second try on it"
    assert client.rest() == b""


@pytest.mark.parametrize(
    "path",
    ["/api/%2e%2e/x", "/api/.%2E/x", "/api/../x", "/based/../x", "/based-whole/%2e%2e/base/x",
     "/shut/../-/quit", "/api/x/../../admin"],
)  # fmt: skip
def test_one_that_everybody_reads_so_has_no_route_to_begin_with(client, origin, path):
    got = client.ask(get(path))
    assert got.status == 400
    assert "climbs" not in json.loads(got.body)["detail"]
    assert origin.is_untouched


def test_the_log_says_why(gateway):
    for path in (*CLIMBING, "/api/%2e%2e/x"):
        refused = gateway.connect().ask(get(path)).value(b"x-request-id").decode()
    gateway.entry(request_id=refused)
    faults = [entry["fault"] for entry in gateway.entries()][-len(CLIMBING) - 1 :]
    assert set(faults) == {"AMBIGUOUS_PATH"}


@pytest.mark.parametrize(
    "path",
    ["/api/a/..%2fb", "/api/a%2f../b", "/api/a/..;/b", "/api/a\\..\\b", "/api/a/%252e%252e/b",
     "/api/..a%2fb", "/api/...%2fb", "/api/%2e%2fb", "/api/a;/../b", "/api/%25252e%25252e/b"],
)  # fmt: skip
def test_one_that_stays_inside_passes_as_it_came(client, origin, path):
    assert arrives(client, origin, get(path)).target == path.removeprefix("/api").encode()


@pytest.mark.parametrize("path", ["/kept/..%2fx", "/kept/..;/x", "/kept/%252e%252e/x"])
def test_where_the_servers_paths_are_ours_there_is_nothing_to_climb_out_of(client, origin, path):
    assert arrives(client, origin, get(path)).target == path.encode()


@pytest.mark.parametrize("path", ["/a/../b", "/a/./b", "/..a/b", "/a/%2e%2e/b", "/a//b/../c"])
def test_a_path_that_stays_within_its_route_does_not_climb(path):
    assert not climbs(path.encode())

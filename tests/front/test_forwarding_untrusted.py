"""What the upstream is told by and about a client whose word is not believed."""

import pytest

from tests.support.message import answer, get, old, post, request

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
  trusted_proxies: []
routes:
  /api/: {to: "${ORIGIN}"}
  /under/: {to: "${ORIGIN}", keep_underscores: true}
"""

IDENTITY = [
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Anything: zz9",
    "X-Real-IP: 1.2.3.4",
    "X-Client-IP: 1.2.3.4",
    "True-Client-IP: 1.2.3.4",
    "CF-Connecting-IP: 1.2.3.4",
    "X-Cluster-Client-IP: 1.2.3.4",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-Original-Method: DELETE",
    "X-Scheme: https",
    "Remote-User: root",
    "X-Remote-User: root",
    "X-WEBAUTH-USER: root",
    "X-Client-Cert-DN: CN=root",
    "Proxy: http://evil.example",
]
OURS = {
    b"x-real-ip": b"127.0.0.1",
    b"x-forwarded-for": b"127.0.0.1",
    b"x-forwarded-proto": b"http",
    b"x-forwarded-host": b"gw.example",
    b"x-forwarded-prefix": b"/api",
}


def arrives(client, origin, data):
    client.send(data)
    far = origin.accept()
    seen = far.request()
    far.send(answer(200))
    got = client.answer()
    assert got.status == 200
    return seen, got


def test_a_plain_request_arrives_with_these_fields_and_no_others(client, origin):
    seen, _ = arrives(client, origin, get("/api/x", "User-Agent: t", "Accept: */*"))
    names = [name for name, _ in seen.fields]
    assert names == [
        b"Host", b"User-Agent", b"Accept", b"X-Real-IP", b"X-Forwarded-For", b"X-Forwarded-Proto",
        b"X-Forwarded-Host", b"X-Forwarded-Prefix", b"Via", b"X-Request-Id",
    ]  # fmt: skip
    assert {name: seen.value(name) for name in OURS} == OURS


@pytest.mark.parametrize("line", IDENTITY)
def test_a_field_of_the_identity_family_is_stripped(client, origin, line):
    seen, _ = arrives(client, origin, get("/api/x", line))
    name, value = line.lower().encode().split(b": ")
    assert value not in seen.raw.lower()
    assert seen.value(name) == OURS.get(name)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Remote-User"])
def test_a_repeated_or_oddly_written_one_is_stripped_too(client, origin, name):
    lines = [f"{name}: 9.9.9.9", f"{name.upper()}:9.9.9.9", f"{name.lower()}:\t9.9.9.9 "]
    seen, _ = arrives(client, origin, get("/api/x", *lines))
    assert b"9.9.9.9" not in seen.raw


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "X-Request-Id", "Via", "Host"])
def test_connection_cannot_take_away_what_the_gateway_says(client, origin, name):
    seen, _ = arrives(client, origin, get("/api/x", f"Connection: {name}, X-Mine", "X-Mine: 1"))
    assert seen.value(name.encode()) is not None
    assert seen.value(b"x-mine") is None


def test_a_new_request_id_goes_both_ways_and_into_the_log(gateway, client, origin):
    seen, got = arrives(client, origin, get("/api/id", "X-Request-Id: mine-is-well-formed"))
    sent = seen.value(b"x-request-id")
    assert sent and sent != b"mine-is-well-formed"
    assert got.value(b"x-request-id") == sent
    assert gateway.entry(target="/api/id")["request_id"] == sent.decode()


def test_each_request_has_an_id_of_its_own(client, origin):
    client.send(get("/api/1"))
    far = origin.accept()
    ids = set()
    for number in range(5):
        ids.add(far.request().value(b"x-request-id"))
        far.send(answer(200))
        client.answer()
        if number < 4:
            client.send(get(f"/api/{number}"))
    assert len(ids) == 5


def test_a_1_0_client_without_a_host_gets_the_servers_own(client, origin):
    seen, _ = arrives(client, origin, old("GET", "/api/x"))
    assert seen.line == b"GET /x HTTP/1.1"
    assert seen.value(b"host") == origin.url.removeprefix("http://").encode()
    assert seen.value(b"x-forwarded-host") is None


def test_the_host_passes_with_its_port(client, origin):
    data = get("/api/x").replace(b"gw.example", b"Gw.Example:8443")
    seen, _ = arrives(client, origin, data)
    assert seen.value(b"host") == seen.value(b"x-forwarded-host") == b"Gw.Example:8443"


@pytest.mark.parametrize(
    "line",
    ["Connection: close", "Connection: keep-alive", "Keep-Alive: timeout=5",
     "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5",
     "Proxy-Authenticate: Basic", "TE: gzip", "Trailer: X-Sum", "Upgrade: h2c"],
)  # fmt: skip
def test_a_hop_by_hop_field_goes_no_further(client, origin, line):
    seen, _ = arrives(client, origin, get("/api/x", line))
    assert seen.value(line.partition(":")[0].encode()) is None


def test_te_is_kept_as_trailers_only(client, origin):
    seen, _ = arrives(client, origin, get("/api/x", "TE: gzip;q=0.5, trailers"))
    assert seen.value(b"te") == b"trailers"
    assert seen.value(b"connection") == b"TE"


def test_every_field_that_connection_names_goes(client, origin):
    lines = [
        "Connection: X-One",
        "X-One: 1",
        "connection: close , x-two,",
        "X-Two: 2",
        "X-Three: 3",
    ]
    seen, _ = arrives(client, origin, get("/api/x", *lines))
    assert (seen.value(b"x-one"), seen.value(b"x-two"), seen.value(b"x-three")) == (
        None,
        None,
        b"3",
    )


def test_connection_cannot_take_the_length_of_a_body_away(client, origin):
    seen, _ = arrives(client, origin, post("/api/x", b"GET /evil", "Connection: Content-Length"))
    assert seen.body == b"GET /evil"


def test_names_with_an_underscore_are_dropped(client, origin):
    lines = ["X_Forwarded_For: 6.6.6.6", "User_Name: root", "X-Kept: 1"]
    seen, _ = arrives(client, origin, get("/api/x", *lines))
    assert b"_" not in seen.raw and seen.value(b"x-kept") == b"1"


def test_unless_the_route_keeps_them_and_they_mean_nothing_to_us(client, origin):
    lines = ["X_Forwarded_For: 6.6.6.6", "Content_Length: 5", "User_Name: root"]
    seen, _ = arrives(client, origin, get("/under/x", *lines))
    assert seen.value(b"user_name") == b"root"
    assert seen.value(b"x_forwarded_for") is None and seen.value(b"content_length") is None


def test_order_case_and_repetition_of_other_fields_stay(client, origin):
    lines = ["b: 1", "A: 2", "b: 3", "x-CaSe:  padded\t", "Cookie: a=1", "Cookie: b=2", "Empty:"]
    seen, _ = arrives(client, origin, get("/api/x", *lines))
    assert seen.fields[1:8] == [
        (b"b", b"1"), (b"A", b"2"), (b"b", b"3"), (b"x-CaSe", b"padded"),
        (b"Cookie", b"a=1"), (b"Cookie", b"b=2"), (b"Empty", b""),
    ]  # fmt: skip


def test_bytes_above_ascii_in_a_value_stay(client, origin):
    seen, _ = arrives(client, origin, get("/api/x", "X-Name: Grüße"))
    assert seen.value(b"x-name") == "Grüße".encode("latin-1")


def test_via_is_added_after_those_of_others(client, origin):
    seen, _ = arrives(client, origin, get("/api/x", "Via: 1.0 fred, 1.1 daarion (not-this-one)"))
    theirs, ours = seen.all(b"via")
    assert theirs == b"1.0 fred, 1.1 daarion (not-this-one)"
    assert ours.startswith(b"1.1 daarion (")


@pytest.mark.parametrize("method", ["PATCH", "PROPFIND", "get", "M-SEARCH", "X!#$%&'*+.^_`|~9"])
def test_any_other_method_is_forwarded_with_its_case_kept(client, origin, method):
    seen, _ = arrives(client, origin, request(method, "/api/x"))
    assert seen.line == f"{method} /x HTTP/1.1".encode()


def test_another_1_x_version_is_treated_as_1_1(client, origin):
    seen, got = arrives(client, origin, get("/api/x").replace(b"HTTP/1.1", b"HTTP/1.7", 1))
    assert seen.line == b"GET /x HTTP/1.1"
    assert got.line == b"HTTP/1.1 200 OK"


def test_the_same_client_asking_other_routes_is_told_about_each(client, origin):
    first, _ = arrives(client, origin, get("/api/x"))
    second, _ = arrives(client, origin, get("/under/x"))
    assert first.value(b"x-forwarded-prefix") == b"/api"
    assert second.value(b"x-forwarded-prefix") == b"/under"

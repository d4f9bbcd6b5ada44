"""What the gateway adds to an upstream's answer, and the places in it that it puts back."""

import pytest

from tests.support.message import answer, get

CONFIG = """
gateway:
  access_log: off
routes:
  /api/: {to: "${ORIGIN}"}
  /plain/: {to: "${ORIGIN}", security_headers: false}
  /base/: {to: "${ORIGIN}/app/v1"}
  /kept/: {to: "${ORIGIN}", strip_prefix: false}
"""


def asked(client, origin, data=None):
    """Send a request; the connection that it came on, with the request read."""
    client.send(data or get("/api/x"))
    far = origin.accept()
    far.request()
    return far


# security fields

SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"strict-origin-when-cross-origin",
}


def test_security_fields_are_added(client, origin):
    far = asked(client, origin)
    far.send(answer(200))
    got = client.answer()
    assert {name: got.value(name) for name in SECURITY} == SECURITY


@pytest.mark.parametrize("name", SECURITY)
def test_but_never_beside_the_upstreams_own(client, origin, name):
    far = asked(client, origin)
    far.send(answer(200, b"", f"{name.decode().upper()}: own"))
    got = client.answer()
    assert {at: got.value(at) for at in SECURITY} == {**SECURITY, name: b"own"}


def test_nor_where_the_route_says_no(client, origin):
    far = asked(client, origin, get("/plain/x"))
    far.send(answer(200))
    got = client.answer()
    assert [got.value(name) for name in SECURITY] == [None, None, None]


# places


@pytest.mark.parametrize(
    ("field", "seen"),
    [
        ("Location: /login", b"/api/login"),
        ("Location: {origin}/login?x#y", b"/api/login?x#y"),
        ("Location: http://gw.example/login", b"http://gw.example/api/login"),
        ("Location: https://other.example/login", b"https://other.example/login"),
        ("Location: relative", b"relative"),
        ("Location: /api/already", b"/api/already"),
        ("Content-Location: /a", b"/api/a"),
        ("Refresh: 5; url=/next", b"5; url=/api/next"),
        ("Set-Cookie: a=1; Path=/; HttpOnly", b"a=1; Path=/api/; HttpOnly"),
        ("Set-Cookie: a=1; Path=/api/; HttpOnly", b"a=1; Path=/api/; HttpOnly"),
        ("Set-Cookie: a=1; HttpOnly", b"a=1; HttpOnly"),
    ],
)
def test_places_are_put_back_under_the_prefix(client, origin, field, seen):
    far = asked(client, origin)
    far.send(answer(302, b"", field.format(origin=origin.url)))
    assert client.answer().value(field.partition(":")[0].encode()) == seen


def test_a_base_path_is_taken_off_first(client, origin):
    far = asked(client, origin, get("/base/x"))
    far.send(answer(302, b"", "Location: /app/v1/login", "Set-Cookie: a=1; Path=/app"))
    got = client.answer()
    assert got.value(b"location") == b"/base/login"
    assert got.value(b"set-cookie") == b"a=1; Path=/base/"


def test_a_route_that_strips_nothing_changes_no_place(client, origin):
    far = asked(client, origin, get("/kept/x"))
    far.send(answer(302, b"", "Location: /login", "Set-Cookie: a=1; Path=/"))
    got = client.answer()
    assert (got.value(b"location"), got.value(b"set-cookie")) == (b"/login", b"a=1; Path=/")

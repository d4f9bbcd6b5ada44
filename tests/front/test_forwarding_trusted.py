"""What the upstream is told when the peer is a proxy whose word is believed."""

import pytest

from tests.support.message import answer, get

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
  trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]
routes:
  /api/: {to: "${ORIGIN}"}
"""


def arrives(client, origin, *lines):
    client.send(get("/api/x", *lines))
    far = origin.accept()
    seen = far.request()
    far.send(answer(200))
    got = client.answer()
    assert got.status == 200
    return seen, got


def test_the_peer_is_appended_to_the_chain(client, origin):
    seen, _ = arrives(client, origin, "X-Forwarded-For: 203.0.113.5")
    assert seen.value(b"x-forwarded-for") == b"203.0.113.5, 127.0.0.1"
    assert seen.value(b"x-real-ip") == b"203.0.113.5"


@pytest.mark.parametrize(
    ("chain", "client_address"),
    [
        ("6.6.6.6, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("203.0.113.5, unknown, 10.1.1.1", "10.1.1.1"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_not_trusted(
    client, origin, chain, client_address
):
    seen, _ = arrives(client, origin, f"X-Forwarded-For: {chain}")
    assert seen.value(b"x-real-ip") == client_address.encode()


def test_several_lines_are_one_chain(client, origin):
    lines = ["X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 10.1.1.1"]
    seen, _ = arrives(client, origin, *lines)
    assert seen.value(b"x-forwarded-for") == b"203.0.113.5, 10.1.1.1, 127.0.0.1"
    assert seen.value(b"x-real-ip") == b"203.0.113.5"


def test_that_address_serves_the_log(gateway, client, origin):
    arrives(client, origin, "X-Forwarded-For: 203.0.113.77")
    assert gateway.entry(client="203.0.113.77")["status"] == 200


def test_scheme_host_and_the_other_fields_are_kept(client, origin):
    lines = ["X-Forwarded-Proto: https", "X-Forwarded-Host: pub.example", "Forwarded: for=x",
             "Remote-User: ann"]  # fmt: skip
    seen, _ = arrives(client, origin, *lines)
    assert seen.value(b"x-forwarded-proto") == b"https"
    assert seen.value(b"x-forwarded-host") == b"pub.example"
    assert seen.value(b"forwarded") == b"for=x"
    assert seen.value(b"remote-user") == b"ann"
    assert seen.value(b"host") == b"gw.example"


def test_an_unknown_scheme_is_not_kept(client, origin):
    seen, _ = arrives(client, origin, "X-Forwarded-Proto: javascript")
    assert seen.value(b"x-forwarded-proto") == b"http"


def test_an_outer_prefix_stands_before_ours(client, origin):
    seen, _ = arrives(client, origin, "X-Forwarded-Prefix: /outer/")
    assert seen.value(b"x-forwarded-prefix") == b"/outer/api"


@pytest.mark.parametrize("sent", ["abcd-1234", "A.b_c-" + "9" * 122])
def test_a_well_formed_request_id_is_kept(client, origin, sent):
    seen, got = arrives(client, origin, f"X-Request-Id: {sent}")
    assert seen.value(b"x-request-id") == got.value(b"x-request-id") == sent.encode()


@pytest.mark.parametrize("sent", ["short", "9" * 129, "with blank", "quote'quote", "ünïcödé-12"])
def test_any_other_is_replaced(client, origin, sent):
    seen, got = arrives(client, origin, f"X-Request-Id: {sent}")
    assert seen.value(b"x-request-id") == got.value(b"x-request-id")
    assert seen.value(b"x-request-id") not in (None, sent.encode("latin-1"))


def test_two_ids_are_none(client, origin):
    seen, _ = arrives(client, origin, "X-Request-Id: first-one", "X-Request-Id: other-one")
    assert seen.value(b"x-request-id") not in (b"first-one", b"other-one", None)


def test_an_upstreams_own_request_id_does_not_stand_beside_ours(client, origin):
    client.send(get("/api/x"))
    far = origin.accept()
    ours = far.request().value(b"x-request-id")
    far.send(answer(200, b"", "X-Request-Id: of-the-upstream"))
    assert client.answer().all(b"x-request-id") == [ours]

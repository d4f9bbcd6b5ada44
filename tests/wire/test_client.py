"""Who the client is, by what a trusted peer says and an untrusted one only claims."""

import ipaddress

import pytest

from daarion_gw.wire.client import Peer, Trust, believed_request_id, origin_of, plain_address

TRUST = Trust([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")])


def peer(address: bytes = b"10.0.0.1", scheme: bytes = b"http") -> Peer:
    return Peer(address, TRUST, scheme)


def identity(*lines: bytes) -> list[tuple[bytes, bytes]]:
    return [(line.partition(b":")[0].lower(), line + b"\r\n") for line in lines]


def lines_of(found) -> list[bytes]:
    return found.lines.split(b"\r\n")[:-1]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ([b"192.0.2.1"], b"192.0.2.1"),
        ([b"192.0.2.1, 10.0.0.2"], b"192.0.2.1"),
        ([b"192.0.2.1,10.0.0.3 ,10.0.0.2"], b"192.0.2.1"),
        # What stands left of the first untrusted address is a claim of that client.
        ([b"198.51.100.9, 192.0.2.1, 10.0.0.2"], b"192.0.2.1"),
        ([b"10.0.0.9, 192.0.2.1, 10.0.0.2"], b"192.0.2.1"),
        # Several lines are one list.
        ([b"192.0.2.1", b"10.0.0.2"], b"192.0.2.1"),
        ([b"198.51.100.9", b"192.0.2.1, 10.0.0.2"], b"192.0.2.1"),
        # All trusted: the first of them.
        ([b"10.0.0.3, 10.0.0.2"], b"10.0.0.3"),
        # What is no address ends the walk at the hop that was believed last.
        ([b"unknown, 10.0.0.2"], b"10.0.0.2"),
        ([b"unknown"], b"10.0.0.1"),
        ([b"192.0.2.1, unknown, 10.0.0.2"], b"10.0.0.2"),
        ([b"_hidden"], b"10.0.0.1"),
        ([b"192.0.2.300"], b"10.0.0.1"),
        ([b"\xff"], b"10.0.0.1"),
        ([b""], b"10.0.0.1"),
        ([b", ,"], b"10.0.0.1"),
        # Ports, brackets, quotes, and IPv6 in any spelling.
        ([b"192.0.2.1:4711, 10.0.0.2:80"], b"192.0.2.1"),
        ([b"[2001:db8::1]:4711"], b"2001:db8::1"),
        ([b'"[2001:db8::1]:4711"'], b"2001:db8::1"),
        ([b"2001:DB8:0:0::1"], b"2001:db8::1"),
        ([b"192.0.2.1, ::1"], b"192.0.2.1"),
        ([b"192.0.2.1, [::1]:80"], b"192.0.2.1"),
        ([b"::ffff:192.0.2.1"], b"192.0.2.1"),
        ([b"192.0.2.1, ::ffff:10.0.0.2"], b"192.0.2.1"),
        ([b"192.0.2.1, ::ffff:a00:2"], b"192.0.2.1"),
        ([b"192.0.2.1, 0:0:0:0:0:FFFF:10.0.0.2"], b"192.0.2.1"),
        ([b"fe80::1%eth0"], b"fe80::1"),
    ],
)
def test_client_walk(chain: list[bytes], client: bytes):
    found = origin_of(peer(), identity(*(b"X-Forwarded-For: " + line for line in chain)), None)
    assert found.client == client
    assert lines_of(found)[0] == b"X-Real-IP: " + client


def test_client_walk_appends_the_peer():
    found = origin_of(
        peer(),
        identity(
            b"X-Forwarded-For: 192.0.2.1", b"x-real-ip: 6.6.6.6", b"X-Forwarded-For: 10.0.0.2"
        ),
        b"a",
    )
    assert lines_of(found) == [
        b"X-Real-IP: 192.0.2.1",
        b"X-Forwarded-For: 192.0.2.1, 10.0.0.2, 10.0.0.1",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a",
    ]


def test_client_walk_keeps_the_rest_of_a_trusted_peer():
    found = origin_of(
        peer(),
        identity(
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: shop.example.com",
            b"Remote-User: anna",
            b"Forwarded: for=192.0.2.1",
            b"X-Forwarded-Port: 443",
            b"X-Client-Cert-Subject: CN=anna",
        ),
        b"a",
    )
    assert found.scheme == b"https"
    assert found.client == b"10.0.0.1"
    assert lines_of(found) == [
        b"X-Real-IP: 10.0.0.1",
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: shop.example.com",
        b"Remote-User: anna",
        b"Forwarded: for=192.0.2.1",
        b"X-Forwarded-Port: 443",
        b"X-Client-Cert-Subject: CN=anna",
    ]


@pytest.mark.parametrize(
    ("sent", "scheme"),
    [
        ([b"https"], b"https"),
        ([b"HTTPS"], b"https"),
        ([b"https, http"], b"http"),
        ([b"https", b"http"], b"http"),
        ([b"gopher"], b"http"),
        ([b""], b"http"),
        ([], b"http"),
    ],
)
def test_scheme_of_a_trusted_peer(sent: list[bytes], scheme: bytes):
    lines = identity(b"X-Real-IP: 1.1.1.1", *(b"X-Forwarded-Proto: " + value for value in sent))
    found = origin_of(peer(), lines, None)
    assert found.scheme == scheme
    assert b"X-Forwarded-Proto: " + scheme in lines_of(found)


def test_identity_of_an_untrusted_peer_is_its_address():
    liar = peer(b"192.0.2.7", b"https")
    found = origin_of(
        liar,
        identity(
            b"X-Forwarded-For: 10.0.0.1",
            b"X-Forwarded-Proto: http",
            b"X-Forwarded-Host: bank",
            b"Forwarded: for=10.0.0.1",
            b"Remote-User: root",
        ),
        b"a:8080",
    )
    assert (found.client, found.scheme) == (b"192.0.2.7", b"https")
    assert lines_of(found) == [
        b"X-Real-IP: 192.0.2.7",
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: a:8080",
    ]


def test_trust_is_about_networks_and_addresses_only():
    assert TRUST.trusts(b"10.255.255.255")
    assert TRUST.trusts(b"::1")
    assert not TRUST.trusts(b"11.0.0.0")
    assert not TRUST.trusts(b"::2")
    assert not TRUST.trusts(b"localhost")
    assert not TRUST.trusts(b"10.0.0.0/8")
    assert not TRUST.trusts(b"\xff")
    assert not Trust([]).trusts(b"127.0.0.1")
    assert Peer(b"192.0.2.1", TRUST, b"http", trusted=True).trusted


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", b"192.0.2.1"),
        ("::ffff:192.0.2.1", b"192.0.2.1"),
        ("::ffff:c000:201", b"192.0.2.1"),
        ("fe80::1%eth0", b"fe80::1"),
        ("2001:db8::1", b"2001:db8::1"),
        ("::1", b"::1"),
    ],
)
def test_plain_address(text: str, address: bytes):
    assert plain_address(text) == address


@pytest.mark.parametrize(
    "sent", [b"a" * 8, b"Az09._-x", b"0" * 128, b"4bf92f3577b34da6a3ce929d0e0e4736"]
)
def test_request_id_of_a_trusted_peer_is_kept(sent: bytes):
    assert believed_request_id(peer(), sent) == sent
    assert believed_request_id(peer(b"192.0.2.1"), sent) is None


@pytest.mark.parametrize(
    "sent",
    [None, b"", b"a" * 7, b"0" * 129, b"a b c d e f", b"abcdefgh\n", b"abc,defgh", b"abcd/efgh"],
)
def test_request_id_of_another_form_is_not(sent: bytes | None):
    assert believed_request_id(peer(), sent) is None

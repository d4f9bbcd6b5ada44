"""What a server gets of a request, line by line."""

import pytest

from daarion_gw.wire.client import Peer
from daarion_gw.wire.passage import Passage
from daarion_gw.wire.target import path_of
from tests.wire.passing import API, PROXY, STRANGER, TRUST, WHOLE, get, parse, sent

ADDED = [b"X-Real-IP", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Via",
         b"X-Request-Id"]  # fmt: skip


def passed(*fields: bytes, peer: Peer = STRANGER, passage: Passage = WHOLE) -> list[bytes]:
    """Of ``fields`` those lines that go upstream, and what else was not added by us."""
    lines = sent(get(*fields), peer, passage)[1:]
    return [line for line in lines if line.partition(b":")[0] not in (b"Host", *ADDED)]


def test_a_request_as_the_server_gets_it():
    request = get(b"User-Agent: curl", b"accept: */*", b"X-Request-Id: theirs", b"Cookie: a=b")
    assert sent(request, passage=API) == [
        b"GET /x HTTP/1.1",
        b"Host: a",
        b"User-Agent: curl",
        b"accept: */*",
        b"Cookie: a=b",
        b"X-Real-IP: 192.0.2.7",
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a",
        b"X-Forwarded-Prefix: /api",
        b"Via: 1.1 daarion (ab12)",
        b"X-Request-Id: id-1234567",
    ]


def test_order_case_and_repetition_stay():
    fields = [b"b: 1", b"A:2", b"B:   3 ", b"a: 4", b"cookie: x=1", b"Cookie: y=2", b"Accept:",
              b"X-Odd!#$: \xff\t\xfe", b"b: 1"]  # fmt: skip
    assert passed(*fields) == fields


def test_hop_by_hop_fields_are_removed():
    assert passed(
        b"A: 1",
        b"Connection: keep-alive",
        b"KEEP-ALIVE: timeout=5",
        b"proxy-Connection: close",
        b"Proxy-Authorization: Basic eA==",
        b"Proxy-Authenticate: Basic",
        b"TE: gzip",
        b"Trailer: Expires",
        b"Transfer-Encoding: chunked",
        b"Upgrade: h2c",
        b"B: 2",
    ) == [b"A: 1", b"B: 2", b"Transfer-Encoding: chunked"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"trailers", True),
        (b"gzip, Trailers", True),
        (b"trailers;q=0.5", True),
        (b"gzip;q=1", False),
        (b"", False),
        (b"xtrailers", False),
    ],
)
def test_hop_by_hop_te_is_kept_as_trailers(value: bytes, kept: bool):
    lines = passed(b"TE: " + value, b"Connection: TE")
    assert lines == ([b"TE: trailers", b"Connection: TE"] if kept else [])


def test_hop_by_hop_upgrade_is_ours_alone():
    request = get(b"Upgrade: websocket, h2c", b"Connection: keep-alive, Upgrade, X-A", b"X-A: 1")
    assert sent(request, upgrade=True)[-2:] == [b"Connection: Upgrade", b"Upgrade: websocket"]
    assert b"Upgrade" not in b"\n".join(sent(request))


def test_connection_names_are_removed():
    assert passed(
        b"X-A: 1",
        b"Connection: x-a , ,X-B",
        b"x-B: 2",
        b"X-C: 3",
        b"X-A: 4",
        b"connection: CLOSE,x-d",
        b"X-D: 5",
        b"X-AB: 6",
    ) == [b"X-C: 3", b"X-AB: 6"]


def test_connection_names_never_what_the_gateway_adds():
    named = (
        b"Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, "
        b"X-Forwarded-Prefix, Via, X-Request-Id, Transfer-Encoding, Expect"
    )
    plain = get(b"Content-Length: 3", b"Via: 1.1 other")
    blinding = get(b"Connection: " + named, b"Content-Length: 3", b"Via: 1.1 other")
    assert sent(blinding, passage=API) == sent(plain, passage=API)
    trusted = [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: https", b"Remote-User: anna"]
    assert sent(get(b"Connection: " + named, *trusted), PROXY) == sent(get(*trusted), PROXY)


FAMILY = [b"Forwarded: for=1.2.3.4", b"X-Forwarded-For: 1.2.3.4", b"X-FORWARDED-PROTO: https",
          b"x-forwarded-host: bank", b"X-Forwarded-Prefix: /x", b"X-Forwarded-Port: 1",
          b"X-Forwarded-Anything: 1", b"X-Forwarded-: 1", b"X-Real-IP: 1.2.3.4",
          b"X-Client-IP: 1.2.3.4", b"True-Client-IP: 1.2.3.4", b"CF-Connecting-IP: 1.2.3.4",
          b"X-Cluster-Client-IP: 1.2.3.4", b"X-Original-URL: /admin", b"X-Rewrite-URL: /admin",
          b"X-Original-Method: PUT", b"X-Scheme: https", b"Remote-User: root",
          b"X-Remote-User: root", b"X-WEBAUTH-USER: admin", b"X-Client-Cert-Subject: CN=a",
          b"X-Client-Cert-: 1", b"Client-Cert: :MIIB:", b"Client-Cert-Chain: :MIIB:"]  # fmt: skip


@pytest.mark.parametrize("line", FAMILY)
def test_identity_of_a_stranger_is_stripped(line: bytes):
    for spelled in (line, line.swapcase()):
        assert passed(spelled, b"A: 1", passage=API)[0] == b"A: 1"
        claimed = spelled.partition(b": ")[2]
        assert not any(line.endswith(b": " + claimed) for line in sent(get(spelled), passage=API))


@pytest.mark.parametrize("line", [line for line in FAMILY if not line.startswith(b"X-Real-IP")])
def test_identity_of_a_trusted_peer_is_kept(line: bytes):
    lines = sent(get(line), PROXY)
    value = line.partition(b": ")[2]
    assert any(value in found for found in lines)


CERTIFIED = b"Client-Cert: :b3Vycw==:\r\nX-Client-Cert-Verified: true\r\n"
CLAIMS = [line for line in FAMILY if b"Client-Cert" in line]


def certified(address: bytes, lines: bytes) -> Peer:
    peer = Peer(address, TRUST, b"https")
    peer.certify(lines, bool(lines))
    return peer


@pytest.mark.parametrize("address", [b"192.0.2.7", b"10.0.0.1"], ids=["stranger", "trusted"])
@pytest.mark.parametrize("ours", [CERTIFIED, b""], ids=["certificate", "none"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_certificates_are_told_of_by_the_gateway_alone(address, ours, claim):
    """Where it asks for them, nobody else is believed: not even a proxy that is trusted."""
    for spelled in (claim, claim.swapcase()):
        lines = sent(get(spelled, b"X-Scheme: x", spelled), certified(address, ours), API)
        told = [line for line in lines if b"client-cert" in line.lower()]
        assert told == ours.split(b"\r\n")[:-1]
        # All else that a trusted one says stays.
        assert (b"X-Scheme: x" in lines) is (address == b"10.0.0.1")


@pytest.mark.parametrize("claim", CLAIMS)
def test_nor_is_an_underscore_a_way_in(claim):
    spelled = claim.partition(b":")[0].replace(b"-", b"_") + b": 1"
    keeping = Passage(b"", b"", b"a:1", b"ab12", keep_underscores=True)
    for peer in (STRANGER, PROXY, certified(b"10.0.0.1", b"")):
        assert not any(b"client_cert" in li.lower() for li in sent(get(spelled), peer, keeping))


def test_nor_does_connection_take_away_what_the_gateway_tells():
    naming = get(b"Connection: client-cert, x-client-cert-verified")
    assert b"Client-Cert: :b3Vycw==:" in sent(naming, certified(b"10.0.0.1", CERTIFIED))


def test_identity_never_httpoxy():
    assert passed(b"Proxy: http://evil/", b"PROXY: http://evil/", peer=PROXY) == []


def test_identity_of_names_that_only_look_alike_stays():
    fields = [b"X-Forwarded: 1", b"Forwarded-For: 1", b"XX-Real-IP: 1", b"X-Real-IPs: 1",
              b"Proxy-Status: 1", b"Remote-Users: 1"]  # fmt: skip
    assert passed(*fields) == fields


def test_prefix_is_added_to_what_a_trusted_peer_cut_off():
    outer = get(b"X-Forwarded-Prefix: /outer/", b"X-Forwarded-Port: 443")
    lines = sent(outer, PROXY, API)
    assert b"X-Forwarded-Prefix: /outer/api" in lines
    assert sum(line.lower().startswith(b"x-forwarded-prefix") for line in lines) == 1
    assert b"X-Forwarded-Port: 443" in lines
    assert b"X-Forwarded-Prefix: /outer/" in sent(outer, PROXY, WHOLE)
    assert b"X-Forwarded-Prefix: /api" in sent(outer, STRANGER, API)


def test_underscore_names_are_dropped_unless_the_route_keeps_them():
    keeping = Passage(b"", b"", b"a:1", b"ab12", keep_underscores=True)
    harmless = [b"X_Trace: 1", b"_: 2", b"a_b-c: 3"]
    meaningful = [b"Content_Length: 5", b"X_Forwarded_For: 1.2.3.4", b"X-Forwarded_For: 1.2.3.4",
                  b"x_real-ip: 1.2.3.4", b"REMOTE_USER: root", b"Transfer_Encoding: chunked",
                  b"X_Forwarded-Anything: 1", b"Proxy_: 1", b"X_CLIENT_CERT_DN: 1", b"Host_: b",
                  b"X_Request_Id: abcdefghij"]  # fmt: skip
    left = [b"Proxy_: 1", b"Host_: b"]
    assert passed(b"A: 1", *harmless, *meaningful) == [b"A: 1"]
    assert passed(b"A: 1", *harmless, *meaningful, passage=keeping) == [b"A: 1", *harmless, *left]
    assert passed(*meaningful, passage=keeping, peer=PROXY) == left
    assert passed(b"Connection: x_trace", *harmless, passage=keeping) == harmless[1:]


def test_via_is_added_after_those_of_others():
    lines = sent(get(b"Via: 1.0 fred, 1.1 p.example.com", b"A: 1"))
    assert lines.index(b"Via: 1.0 fred, 1.1 p.example.com") < lines.index(
        b"Via: 1.1 daarion (ab12)"
    )


def test_via_shows_a_loop():
    request = sent(get())
    again = parse(b"GET / HTTP/1.1", *request[1:])
    assert b"daarion (ab12)" in again.fields.kept


@pytest.mark.parametrize(
    ("line", "sent_hops", "hops"),
    [
        (b"OPTIONS /a HTTP/1.1", b"5", b"4"),
        (b"OPTIONS /a HTTP/1.1", b"1", b"0"),
        (b"OPTIONS /a HTTP/1.1", b"0", b"0"),
        (b"OPTIONS /a HTTP/1.1", b"many", b"many"),
        (b"GET /a HTTP/1.1", b"5", b"5"),
    ],
)
def test_asterisk_max_forwards_counts_down_on_options(line: bytes, sent_hops: bytes, hops: bytes):
    request = get(b"Max-Forwards: " + sent_hops, line=line)
    assert request.fields.max_forwards == sent_hops
    lines = sent(request)
    assert [each for each in lines if each.startswith(b"Max-")] == [b"Max-Forwards: " + hops]


def test_expect_is_forwarded():
    assert passed(b"expect: 100-CONTINUE", b"Content-Length: 3") == [
        b"Content-Length: 3",
        b"Expect: 100-continue",
    ]


def test_http_10_goes_on_as_11_with_a_host_and_without_expect():
    request = parse(b"POST /x HTTP/1.0", b"Content-Length: 3", b"Expect: 100-continue")
    lines = sent(request)
    assert lines[:3] == [b"POST /x HTTP/1.1", b"Host: 127.0.0.1:3000", b"Content-Length: 3"]
    assert not any(line.startswith((b"Expect", b"X-Forwarded-Host")) for line in lines)


def test_absolute_form_becomes_origin_form_and_host():
    assert sent(parse(b"GET http://a/b?c HTTP/1.0"))[:2] == [b"GET /b?c HTTP/1.1", b"Host: a"]
    line = b"GET http://A:80/b HTTP/1.1"
    assert sent(parse(line, b"Host: a"))[:2] == [b"GET /b HTTP/1.1", b"Host: a"]


@pytest.mark.parametrize(
    ("prefix", "base", "target", "result"),
    [
        (b"/api/", b"", b"/api/", b"/"),
        (b"/api/", b"", b"/api/x?y=/api/", b"/x?y=/api/"),
        (b"/api/", b"", b"/api/%2F//;a/%41", b"/%2F//;a/%41"),
        (b"/api/", b"", b"/api/?x", b"/?x"),
        (b"/api/", b"", b"/api//x", b"//x"),
        (b"/a/b/", b"", b"/a/b/c", b"/c"),
        (b"", b"", b"/api/x", b"/api/x"),
        (b"", b"", b"*", b"*"),
        (b"/api/", b"/v2", b"/api/x", b"/v2/x"),
        (b"/api/", b"/v2", b"/api/", b"/v2/"),
        (b"", b"/v2", b"/x", b"/v2/x"),
        # One exact path.
        (b"/hook", b"", b"/hook", b"/"),
        (b"/hook", b"", b"/hook?x", b"/?x"),
        (b"/hook", b"/v2/hook", b"/hook", b"/v2/hook"),
        (b"/hook", b"/v2/hook", b"/hook?x", b"/v2/hook?x"),
        (b"", b"", b"/hook?x", b"/hook?x"),
    ],
)
def test_strip(prefix: bytes, base: bytes, target: bytes, result: bytes):
    assert path_of(target).startswith((prefix, b"*"))
    assert Passage(prefix, base, b"a:1", b"ab12").target(target) == result

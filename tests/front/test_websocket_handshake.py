"""A WebSocket's opening handshake through the gateway: asked first, agreed end to end, refused."""

import sys

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.message import answer, get, old, post, request
from tests.support.websocket import (
    BINARY,
    KEY,
    PING,
    TEXT,
    accept_of,
    agreed,
    frame,
    open_websocket,
    read_frame,
    upgrade,
)

CONFIG = """
gateway:
  access_log: {format: json, file: access.log}
routes:
  /ws/: {to: "${ORIGIN}"}
  /api/: {to: "${ORIGIN}", strip_prefix: false}
  /picky/:
    to: "${ORIGIN}"
    websocket: {origins: ["https://app.example.com"]}
  /same/: {to: "${ORIGIN}", websocket: {origins: same}}
  /any/: {to: "${ORIGIN}", websocket: {origins: "*"}}
  /down/: {to: "http://127.0.0.1:1"}
  /late/: {to: "${ORIGIN}", timeouts: {first_byte: 300ms}}
"""

MEGABYTE = 1 << 20


def test_the_upstream_is_asked_first_and_its_101_relayed(client, origin):
    client.send(upgrade("/ws/room?x=1", "Origin: https://a.example", "Cookie: a=1"))
    far = origin.accept()
    seen = far.request()
    assert seen.line == b"GET /room?x=1 HTTP/1.1"
    assert seen.value(b"connection").lower() == b"upgrade"
    assert seen.value(b"upgrade").lower() == b"websocket"
    assert seen.value(b"sec-websocket-key") == KEY.encode()
    assert seen.value(b"sec-websocket-version") == b"13"
    assert (seen.value(b"origin"), seen.value(b"cookie")) == (b"https://a.example", b"a=1")
    assert seen.value(b"x-forwarded-for") == b"127.0.0.1"
    assert client.says_nothing(), "no 101 before the upstream's"

    far.send(agreed("Set-Cookie: b=2", "X-Thing: y"))
    got = client.head()
    assert got.line.startswith(b"HTTP/1.1 101 ")
    assert got.value(b"sec-websocket-accept") == accept_of(KEY).encode()
    assert got.value(b"upgrade").lower() == b"websocket"
    assert got.value(b"connection").lower() == b"upgrade"
    assert (got.value(b"set-cookie"), got.value(b"x-thing")) == (b"b=2", b"y")
    assert got.value(b"x-request-id") == seen.value(b"x-request-id")
    assert got.value(b"content-length") is None and got.value(b"transfer-encoding") is None
    assert got.value(b"sec-websocket-protocol") is None
    assert got.value(b"sec-websocket-extensions") is None


def test_the_upstreams_choice_of_a_subprotocol_holds(client, origin):
    _, seen, got = open_websocket(
        client, origin, "/ws/x",
        "Sec-WebSocket-Protocol: one, two", "Sec-WebSocket-Protocol: three",
        said=("Sec-WebSocket-Protocol: two",),
    )  # fmt: skip
    assert seen.all(b"sec-websocket-protocol") == [b"one, two", b"three"]
    assert got.value(b"sec-websocket-protocol") == b"two"


def test_the_fields_of_the_upstreams_101_arrive_byte_for_byte(client, origin):
    lines = [b"Server: Upstream/1.0", b"X-Name: K\xf6ln \xff\x80\x85x", b"Set-Cookie: a=\xd1\x8f",
             b"Date: Tue, 03 Mar 2026 10:00:00 GMT", b"x-NAME: b", b"Set-Cookie: b=2"]  # fmt: skip
    client.send(upgrade("/ws/x"))
    far = origin.accept()
    far.request()
    far.send(agreed().replace(b"\r\n\r\n", b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"))
    got = client.head()
    assert got.status == 101
    seen = got.raw.split(b"\r\n")
    assert [line for line in seen if line in lines] == lines, "in their order too"
    assert len(got.all(b"date")) == len(got.all(b"server")) == 1
    assert len(got.all(b"sec-websocket-accept")) == len(got.all(b"x-request-id")) == 1


def test_a_101_has_a_date_like_any_other_answer(client, origin):
    _, _, got = open_websocket(client, origin)
    assert got.value(b"date").endswith(b" GMT")
    assert got.value(b"server") is None


def test_extensions_are_agreed_end_to_end(client, origin):
    offer = "permessage-deflate; client_max_window_bits, x-own; a=1"
    choice = "permessage-deflate; server_no_context_takeover"
    far, seen, got = open_websocket(
        client, origin, "/ws/x", f"Sec-WebSocket-Extensions: {offer}",
        said=(f"Sec-WebSocket-Extensions: {choice}",),
    )  # fmt: skip
    assert seen.value(b"sec-websocket-extensions") == offer.encode()
    assert got.value(b"sec-websocket-extensions") == choice.encode()
    compressed = frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)
    client.send(compressed)
    assert far.read(len(compressed)) == compressed, "as it came, byte for byte"


WRONG_101 = {
    "a wrong accept": agreed(key="x3JJHMbDL1EzLkh9GBhXDw=="),
    "no accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "no upgrade": agreed().replace(b"Upgrade: websocket\r\n", b""),
    "another upgrade": agreed().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "a subprotocol not offered": agreed("Sec-WebSocket-Protocol: three"),
    "an extension not offered": agreed("Sec-WebSocket-Extensions: permessage-deflate"),
    "an extension nobody can read": agreed("Sec-WebSocket-Extensions: a=b"),
    "no subprotocol": agreed("Sec-WebSocket-Protocol:"),
    "two subprotocols": agreed("Sec-WebSocket-Protocol: one, one"),
    "two subprotocol fields": agreed("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: one"),
    "a subprotocol with a blank": agreed("Sec-WebSocket-Protocol: o ne"),
    "a subprotocol that is no ASCII": agreed("Sec-WebSocket-Protocol: \u00e9"),
    "an accept that is no ASCII": agreed().replace(b"Accept: ", b"Accept: \xff"),
    "a line within the accept": agreed().replace(
        b"Accept: ", b"Accept: x\x85Sec-WebSocket-Accept: "
    ),
    "a Connection that is no ASCII": agreed().replace(b"Connection: U", b"Connection: \xffU"),
}


@pytest.mark.parametrize("said", WRONG_101.values(), ids=WRONG_101)
def test_a_wrong_101_is_a_502(client, origin, said):
    client.send(upgrade("/ws/x", "Sec-WebSocket-Protocol: one"))
    far = origin.accept()
    far.request()
    far.send(said)
    got = client.answer()
    assert got.status == 502
    assert b"sent a 101 " in got.body and b"could not be judged" not in got.body
    assert far.rest() == b""
    assert client.ask(get("/healthz")).body == b"OK", "it is an HTTP connection still"


@pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
def test_a_refusal_is_relayed_as_it_stands_and_the_connection_stays_http(client, origin, status):
    client.send(upgrade("/ws/x"))
    far = origin.accept()
    far.request()
    far.send(answer(status, b"not today", "WWW-Authenticate: Basic", reason="No"))
    got = client.answer()
    assert (got.line, got.body) == (b"HTTP/1.1 %d No" % status, b"not today")
    assert got.value(b"www-authenticate") == b"Basic"
    client.send(post("/ws/next", b"hello"))
    assert far.request().body == b"hello", "both connections are HTTP connections again"


def test_what_a_client_says_early_goes_upstream_after_101_and_not_before(client, origin):
    early = frame(TEXT, b"early") + frame(PING, b"p")
    client.send(upgrade("/ws/x") + early)
    far = origin.accept()
    far.request()
    assert far.says_nothing()
    far.send(agreed())
    assert far.read(len(early)) == early
    assert client.head().status == 101


def test_what_it_says_early_to_a_server_that_refuses_is_a_request(client, origin):
    client.send(upgrade("/ws/x") + get("/healthz"))
    far = origin.accept()
    far.request()
    far.send(answer(403, b"no"))
    assert client.answer().status == 403
    assert client.answer().body == b"OK"


def test_early_bytes_are_kept_up_to_a_bound(gateway, client, origin):
    client.send(upgrade("/ws/x"))
    far = origin.accept()
    far.request()
    before = gateway.memory
    block = frame(BINARY, b"x" * 65000)
    flood = block * 900
    assert client.send_some(flood, within=0.3) < len(flood)
    assert gateway.memory - before < 4 * MEGABYTE
    far.send(agreed())
    assert far.read(len(block)) == block


def test_what_the_server_says_with_its_101_comes_after_it(client, origin):
    hello = frame(TEXT, b"hello", masked=False)
    client.send(upgrade("/ws/x"))
    far = origin.accept()
    far.request()
    far.send(agreed() + hello)
    assert client.head().status == 101
    assert client.read(len(hello)) == hello


def test_any_route_passes_it_on(client, origin):
    far, seen, _ = open_websocket(client, origin, "/api/live/ws")
    assert seen.target == b"/api/live/ws"
    client.send(frame(TEXT, b"x"))
    assert read_frame(far).payload == b"x"


@pytest.mark.parametrize("version", ["8", "12", "14", "x"])
def test_another_version_is_426_and_told_which(client, origin, version):
    got = client.ask(upgrade("/ws/x", version=version))
    assert got.status == 426
    assert got.value(b"sec-websocket-version") == b"13"
    assert b"websocket" in got.value(b"upgrade")
    assert origin.is_untouched
    assert client.ask(get("/healthz")).body == b"OK"


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZQ=", "!" * 24, "A" * 28])
def test_a_key_that_is_none_is_400(client, origin, key):
    assert client.ask(upgrade("/ws/x", key=key)).status == 400
    assert origin.is_untouched


def test_two_keys_are_none(client, origin):
    assert client.ask(upgrade("/ws/x", f"Sec-WebSocket-Key: {KEY}")).status == 400
    assert origin.is_untouched


NO_OFFERS = {
    "a subprotocol that is no token": "Sec-WebSocket-Protocol: a b",
    "a subprotocol that is no ASCII": "Sec-WebSocket-Protocol: \u00e9",
    "a quoted subprotocol": 'Sec-WebSocket-Protocol: "a"',
    "no subprotocol": "Sec-WebSocket-Protocol: ",
    "commas alone": "Sec-WebSocket-Protocol: , ,",
    "the same one twice": "Sec-WebSocket-Protocol: a, b, a",
    "an extension that is no token": "Sec-WebSocket-Extensions: a b",
    "a parameter without its name": "Sec-WebSocket-Extensions: a; =1",
    "a quote that does not end": 'Sec-WebSocket-Extensions: a; b="1',
    "an extension that is no ASCII": "Sec-WebSocket-Extensions: \u00e9",
}


@pytest.mark.parametrize("line", NO_OFFERS.values(), ids=NO_OFFERS)
def test_an_offer_that_nobody_can_read_is_400(client, origin, line):
    assert client.ask(upgrade("/ws/x", line)).status == 400
    assert origin.is_untouched


def test_the_same_subprotocol_in_two_fields_is_400(client, origin):
    field = "Sec-WebSocket-Protocol: a"
    assert client.ask(upgrade("/ws/x", field, field)).status == 400
    assert origin.is_untouched


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Origin: https://app.example.com", 101),
        ("Origin: HTTPS://App.Example.Com", 101),
        ("X-No: origin", 101),
        ("Origin: https://evil.example", 403),
        ("Origin: https://app.example.com.evil.example", 403),
        ("Origin: http://gw.example", 403),
        ("Origin: null", 403),
    ],
)
def test_only_the_routes_origins_may_open_one(client, origin, line, status):
    client.send(upgrade("/picky/x", line))
    if status == 101:
        far = origin.accept()
        far.request()
        far.send(agreed())
        assert client.head().status == 101
    else:
        assert client.answer().status == 403
        assert origin.is_untouched


def test_an_origin_cannot_be_hidden_behind_connection(client, origin):
    hiding = upgrade("/picky/x", "Connection: Origin", "Origin: https://evil.example")
    assert client.ask(hiding).status == 403
    assert origin.is_untouched


def test_nor_anything_else_that_the_handshake_is_judged_by(client, origin):
    names = "Sec-WebSocket-Key, Sec-WebSocket-Version, Sec-WebSocket-Protocol, X-Other"
    _, seen, got = open_websocket(
        client, origin, "/ws/x", f"Connection: {names}", "Sec-WebSocket-Protocol: a", "X-Other: y",
        said=("Sec-WebSocket-Protocol: a",),
    )  # fmt: skip
    assert seen.value(b"sec-websocket-protocol") == b"a"
    assert seen.value(b"sec-websocket-key") == KEY.encode()
    assert seen.value(b"x-other") is None
    assert got.value(b"sec-websocket-protocol") == b"a"


@pytest.mark.parametrize(
    ("target", "line", "status"),
    [
        # "gw.example" is the Host that these tests send.
        ("/same/x", "Origin: https://gw.example", 101),
        ("/same/x", "Origin: http://GW.example:80", 101),
        ("/same/x", "X-No: origin", 101),
        ("/same/x", "Origin: https://gw.example:8443", 403),
        ("/same/x", "Origin: https://evil.example", 403),
        ("/same/x", "Origin: null", 403),
        ("/any/x", "Origin: https://evil.example", 101),
        ("/any/x", "Origin: null", 101),
    ],
)
def test_origins_may_be_the_same_or_any(client, origin, target, line, status):
    if status == 101:
        open_websocket(client, origin, target, line)
    else:
        assert client.ask(upgrade(target, line)).status == 403
        assert origin.is_untouched


def test_origins_mean_nothing_to_other_requests(client, origin):
    client.send(get("/picky/x", "Origin: https://evil.example"))
    far = origin.accept()
    far.request()
    far.send(answer(200))
    assert client.answer().status == 200


NO_WEBSOCKET = {
    "h2c": get("/ws/x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: A"),
    "a POST": request("POST", "/ws/x", "Connection: Upgrade", "Upgrade: websocket",
                      "Content-Length: 0"),
    "no Connection": get("/ws/x", "Upgrade: websocket"),
    "1.0": old("GET", "/ws/x", "Host: x", "Connection: Upgrade", "Upgrade: websocket"),
}  # fmt: skip


@pytest.mark.parametrize("data", NO_WEBSOCKET.values(), ids=NO_WEBSOCKET)
def test_any_other_upgrade_is_dropped_and_the_request_goes_on(client, origin, data):
    client.send(data)
    far = origin.accept()
    seen = far.request()
    assert seen.value(b"upgrade") is None and seen.value(b"connection") is None
    assert seen.value(b"http2-settings") is None
    far.send(answer(200, b"plain"))
    assert client.answer().body == b"plain"


def test_h2c_beside_websocket_is_a_websocket(client, origin):
    client.send(upgrade("/ws/x").replace(b"Upgrade: WebSocket", b"Upgrade: h2c, WebSocket"))
    far = origin.accept()
    assert far.request().value(b"upgrade") == b"websocket"


@pytest.mark.parametrize(("target", "status"), [("/down/x", 502), ("/late/x", 504), ("/no", 404)])
def test_what_fails_before_101_has_the_same_statuses(client, origin, target, status):
    got = client.ask(upgrade(target))
    assert got.status == status
    assert client.ask(get("/healthz")).body == b"OK"


# A gateway whose Autobahn stumbles over what it is shown: %s is the side that does.
STUMBLING = """
from daarion_gw.front import sides

def stumble(self):
    raise ValueError("stumbled")

sides.%s.processHandshake = stumble

from twisted.scripts.twistd import run
run()
"""


@pytest.mark.parametrize("side", ["NearSide", "FarSide"])
def test_a_relay_that_cannot_be_opened_is_a_502_and_told_in_the_log(tmp_path, far_side, side):
    origin = far_side["ORIGIN"]
    origin.forget()
    flags = ["-n", "--pidfile=", "daarion-gw", "--config", "gateway.yaml", "--admin", "off",
             "--listen", "tcp:0:interface=127.0.0.1"]  # fmt: skip
    command = [sys.executable, "-c", STUMBLING % side, *flags]
    gateway = GatewayProcess(tmp_path, CONFIG, command=command, ORIGIN=origin.url)
    try:
        client = gateway.connect()
        client.send(upgrade("/ws/x"))
        far = origin.accept()
        far.request()
        far.send(agreed())
        assert client.answer().status == 502
        assert far.rest() == b""
        assert client.ask(get("/healthz")).body == b"OK", "it is an HTTP connection still"
        assert "ValueError: stumbled" in gateway.output
    finally:
        gateway.kill()

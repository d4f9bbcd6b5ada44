"""Clients with certificates, and what their requests come to: upstreams, routes, reload."""

import base64
import hashlib
import json
import signal
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from tests.support.certificates import NAME
from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.hierarchy import Authority
from tests.support.http2 import HTTP2Client, request_fields
from tests.support.message import answer, get, request
from tests.support.websocket import upgrade

PLAIN, ASKING, NOT_ASKING = 0, 1, 2
TELLING = (b"client-cert", b"client-cert-chain", b"x-client-cert-verified",
           b"x-client-cert-subject", b"x-client-cert-fingerprint", b"x-client-cert-x")  # fmt: skip
FORGED = (
    "Client-Cert: :AAAA:",
    "client-cert-chain: :AAAA:",
    "X-Client-Cert-Verified: true",
    "X-CLIENT-CERT-SUBJECT: CN=root",
    "X-Client-Cert-Fingerprint: 00",
    "X-Client-Cert-X: 1",
    "X_Client_Cert_Verified: true",
    "Client_Cert: :AAAA:",
    "X-Client_Cert-Verified: true",
    "Connection: x-client-cert-verified, client-cert",
)
CONFIG = """
gateway: {{access_log: {{format: json, file: access.log}}}}
tls:
  certificates: [{{cert: "{cert}", key: "{key}"}}]
  client_certificates: {{ca: "{ca}", mode: {mode}}}
routes:
  /open/: {{to: "${{ORIGIN}}", keep_underscores: true}}
  /closed/: {{to: "${{ORIGIN}}", client_certificate: required, deny: [secret]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("known")


@pytest.fixture(scope="module")
def servers(folder):
    return Authority(folder / "servers")


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(folder / "authority")


@pytest.fixture(scope="module")
def anna(authority, folder):
    return authority.issue(folder / "anna", "anna")


@pytest.fixture(scope="module")
def shown(servers, folder):
    """The gateway's own certificate."""
    return servers.issue(folder / "server", NAME)


@pytest.fixture(scope="module")
def config(shown):
    cert, key = shown

    def text(authority, mode="optional"):
        return CONFIG.format(cert=cert, key=key, ca=authority.file, mode=mode)

    return text


@pytest.fixture(scope="module")
def running(folder, shown, authority, config, far_side):
    cert, key = shown
    listen = [
        ANYWHERE,
        "daarion-tls:0:interface=127.0.0.1",
        f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}:extraCertChain={cert}",
    ]
    (folder / "gateway").mkdir()
    gateway = GatewayProcess(
        folder / "gateway", config(authority), listen, ORIGIN=far_side["ORIGIN"].url
    )
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def come(gateway, servers):
    """A new client that shows these files."""

    def make(*shown, index=ASKING, alpn=None):
        context = servers.client(*shown)
        context.set_alpn_protocols([alpn or "http/1.1"])
        return gateway.connect_tls(index, context, NAME)

    return make


def seen(client, origin, data):
    """What the upstream is told of a client's certificate."""
    client.send(data)
    far = origin.accept()
    head = far.request()
    far.send(answer(200, b"", "Connection: close"))
    assert client.answer().status == 200
    told = {}
    for name, value in head.fields:
        if b"client" in name.lower().replace(b"_", b"-") and b"cert" in name.lower():
            assert name.lower() not in told
            told[name.lower()] = value
    return told


def truth(files):
    certificate = load_pem_x509_certificate(files[0].read_bytes())
    der = certificate.public_bytes(Encoding.DER)
    return {
        b"client-cert": b":" + base64.b64encode(der) + b":",
        b"x-client-cert-verified": b"true",
        b"x-client-cert-subject": b"CN=anna",
        b"x-client-cert-fingerprint": hashlib.sha256(der).hexdigest().encode(),
    }


NONE_SHOWN = {b"x-client-cert-verified": b"false"}
CLAIMS = pytest.mark.parametrize(
    "claimed",
    [(), FORGED, ("X-Forwarded-For: 192.0.2.1", *FORGED)],
    ids=["nothing", "forged", "as a trusted proxy"],
)


# what upstreams are told


@CLAIMS
def test_the_upstream_knows_who_it_is(come, origin, anna, claimed):
    assert seen(come(*anna), origin, get("/open/x", *claimed)) == truth(anna)


def test_request_after_request(come, origin, anna):
    client = come(*anna)
    for lines in ((), FORGED, (), FORGED):
        assert seen(client, origin, get("/open/x", *lines)) == truth(anna)


@CLAIMS
def test_or_that_it_is_nobody(come, origin, claimed):
    assert seen(come(), origin, get("/open/x", *claimed)) == NONE_SHOWN


@CLAIMS
@pytest.mark.parametrize("index", [PLAIN, NOT_ASKING], ids=["tcp", "ssl"])
def test_where_nobody_is_asked_nothing_is_told(gateway, come, origin, claimed, index):
    client = gateway.connect() if index == PLAIN else come(index=index)
    assert seen(client, origin, get("/open/x", *claimed)) == {}


def test_over_http_2_as_well(come, origin, anna):
    client = HTTP2Client(come(*anna, alpn="h2"))
    forged = ("client-cert", ":AAAA:"), ("x-client-cert-x", "1")
    stream = client.ask(request_fields("GET", "/open/x", *forged))
    far = origin.accept()
    head = far.request()
    far.send(answer(200, b"", "Connection: close"))
    assert client.answer(stream).status == 200
    told = truth(anna)
    assert {name: head.value(name) for name in TELLING} == dict.fromkeys(TELLING) | told


def test_a_session_that_is_resumed_is_still_hers(gateway, servers, origin, anna):
    context = servers.client(*anna)
    first = gateway.connect_tls(ASKING, context, NAME)
    assert seen(first, origin, get("/open/x")) == truth(anna)
    again = gateway.connect_tls(ASKING, context, NAME, session=first.socket.session)
    assert seen(again, origin, get("/open/x", *FORGED)) == truth(anna)
    assert again.socket.session_reused


# routes


def test_a_route_that_wants_one_lets_in_who_has_it(come, origin, anna):
    assert seen(come(*anna), origin, get("/closed/x")) == truth(anna)


@pytest.mark.parametrize("index", [PLAIN, ASKING, NOT_ASKING], ids=["tcp", "asking", "ssl"])
@pytest.mark.parametrize("path", ["/closed/x", "/closed/secret"])
def test_and_nobody_else(gateway, come, origin, index, path):
    client = gateway.connect() if index == PLAIN else come(index=index)
    got = client.ask(get(path, *FORGED[:-1]))
    assert got.line == b"HTTP/1.1 403 Client Certificate Required"
    told = json.loads(got.body)
    assert (told["status"], told["title"]) == (403, "Client Certificate Required")
    assert "tls.client_certificates" in told["detail"] + str(told)
    assert client.ask(get("/healthz")).body == b"OK"
    assert origin.is_untouched
    assert gateway.entry(request_id=told["request_id"])["fault"] == "CERTIFICATE_REQUIRED"


def test_not_even_for_a_websocket(come, origin):
    assert come().ask(upgrade("/closed/x")).status == 403
    assert origin.is_untouched


def test_nor_over_http_2(come, origin):
    client = HTTP2Client(come(alpn="h2"))
    assert client.get("/closed/x").status == 403
    assert origin.is_untouched


def test_nor_with_a_body(come, origin):
    client = come()
    client.send(request("POST", "/closed/x", "Content-Length: 1000", "Expect: 100-continue"))
    assert client.answer().status == 403
    assert client.informational == []


# reload


def test_a_reload_lets_in_others(gateway, come, config, origin, authority, anna, folder):
    before = come(*anna)
    others = Authority(folder / "others")
    berta = others.issue(folder / "berta", "berta")
    with pytest.raises(ssl.SSLError):
        come(*berta).ask(get("/healthz"))
    gateway.file.write_text(config(others, "required"))
    gateway.reload()
    assert come(*berta).ask(get("/healthz")).body == b"OK"
    for shown in ((), anna):
        with pytest.raises(ssl.SSLError):
            come(*shown).ask(get("/healthz"))
    # Who was there already stays who she is.
    assert seen(before, origin, get("/open/x")) == truth(anna)
    gateway.file.write_text(config(authority))
    gateway.reload()
    assert come(*anna).ask(get("/healthz")).body == b"OK"


def test_a_file_that_is_no_use_changes_nothing(gateway, come, config, authority, anna, folder):
    good = config(authority)
    gateway.file.write_text(good.replace(str(authority.file), str(folder / "nowhere.pem")))
    gateway.process.send_signal(signal.SIGHUP)
    gateway.says("nowhere.pem: No such file or directory")
    assert come(*anna).ask(get("/healthz")).body == b"OK"
    gateway.file.write_text(good)
    gateway.reload()

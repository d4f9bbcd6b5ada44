"""``/.well-known/acme-challenge/``: answered before any route, to whoever has the token."""

import json
import os

import pytest

from daarion_gw.config.tls import TLS
from daarion_gw.front.challenges import PREFIX, answer_to, folders_of, new_root
from daarion_gw.front.tree import Root
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin

TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
PATH = f"/.well-known/acme-challenge/{TOKEN}"


@pytest.fixture(scope="module")
def origin():
    server = Origin()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, origin):
    """Everything goes to an upstream, even by host; both kinds of answers lie in folders."""
    folder = tmp_path_factory.mktemp("gateway")
    for place in ("state/challenges/http-01", "webroot/.well-known/acme-challenge"):
        (folder / place).mkdir(parents=True)
    running = GatewayProcess(
        folder,
        json.dumps(
            {
                "gateway": {"access_log": {"format": "json", "file": "access.log"}},
                "routes": {"/": {"to": origin.url}, "app.example.com/": {"to": origin.url}},
                "tls": {
                    "acme_webroot": "webroot",
                    "acme": {
                        "domains": ["app.example.com"],
                        "state": "state",
                        # Nobody is there: it is asked, and asked again in an hour.
                        "directory": "https://127.0.0.1:1/dir",
                        "retry": "1h",
                    },
                },
            }
        ),
    )
    try:
        running.says("cannot be reached")
        yield running
        running.stop()
    finally:
        running.kill()


@pytest.fixture
def own(gateway):
    return gateway.folder / "state" / "challenges" / "http-01"


@pytest.fixture
def webroot(gateway):
    return gateway.folder / "webroot" / ".well-known" / "acme-challenge"


def ask(gateway, target, host="app.example.com", method="GET"):
    return gateway.connect().ask(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize("host", ["app.example.com", "other.example", "127.0.0.1:80"])
def test_a_token_is_answered_whatever_the_host_and_its_routes(gateway, own, host):
    (own / TOKEN).write_text(f"{TOKEN}.thumbprint")
    answer = ask(gateway, PATH, host)
    assert (answer.status, answer.body) == (200, f"{TOKEN}.thumbprint".encode())
    assert answer.value(b"Content-Type") == b"application/octet-stream"
    assert ask(gateway, f"{PATH}?x=1", host).body == answer.body
    assert ask(gateway, PATH, host, "HEAD").status == 200
    assert ask(gateway, PATH, host, "POST").status == 405


def test_nothing_is_kept_of_what_is_sent_there(gateway, own):
    """Twisted stores a body before the resource is asked."""
    (own / TOKEN).write_text(f"{TOKEN}.thumbprint")
    for framing in ("Content-Length: 6", "Transfer-Encoding: chunked"):
        head = f"POST {PATH} HTTP/1.1\r\nHost: app.example.com\r\n{framing}\r\n\r\n"
        assert gateway.connect().ask(f"{head}1\r\nx\r\n".encode()).status == 413


def test_one_of_the_webroot_too(gateway, webroot):
    (webroot / "certbots-token").write_text("certbots-token.thumbprint")
    answer = ask(gateway, f"{PREFIX.decode()}certbots-token")
    assert (answer.status, answer.body) == (200, b"certbots-token.thumbprint")


@pytest.mark.parametrize(
    "target",
    [
        "/.well-known/acme-challenge/unknown",
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge",
        "/.well-known/matrix/client",
        f"/x{PATH}",
    ],
)
def test_everything_else_goes_where_its_route_leads(gateway, origin, target):
    client = gateway.connect()
    client.send(f"GET {target} HTTP/1.1\r\nHost: other.example\r\n\r\n".encode())
    assert origin.accept().request().target == target.encode()
    client.close()


def test_it_is_logged_like_any_other_answer(gateway, own):
    (own / "logged").write_text("logged.thumbprint")
    ask(gateway, f"{PREFIX.decode()}logged")
    assert gateway.entry(target=f"{PREFIX.decode()}logged")["status"] == 200


# What may lie in a folder, and what may be asked for.


def read(folder, name):
    return answer_to(PREFIX + name, (folder,))


def test_a_token_is_a_file_of_that_name(tmp_path):
    (tmp_path / "Az09-_").write_bytes(b"x.y")
    assert read(tmp_path, b"Az09-_") == b"x.y"
    assert read(tmp_path, b"az09-_") is None


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"../secret", b"a/../../secret", b"%2e%2e%2fsecret", b"..%2fsecret",
     b"sub/secret", b"sub", b"secret.pem", b"secret\0", b"a" * 201, "ü".encode(), b"..\\secret"],
)  # fmt: skip
def test_no_other_file_is_ever_read(tmp_path, name):
    webroot = tmp_path / "webroot"
    (webroot / "sub").mkdir(parents=True)
    for place in (tmp_path / "secret", webroot / "sub" / "secret", webroot / "secret.pem"):
        place.write_text("secret")
    assert read(webroot, name) is None


def test_nor_what_is_no_small_ordinary_file(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    (tmp_path / "large").write_bytes(b"x" * 5000)
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    names = (b"link", b"large", b"empty", b"pipe", b"secret")
    assert [read(tmp_path, name) for name in names] == [None, None, None, None, b"secret"]


def test_who_does_not_ask_for_certificates_pays_nothing():
    assert type(new_root(TLS())) is Root
    assert folders_of(TLS()) == ()
    tls = TLS(acme={"domains": ["a.example"], "state": "/state"}, acme_webroot="/var/www")
    assert [str(folder) for folder in folders_of(tls)] == [
        "/state/challenges/http-01",
        "/var/www/.well-known/acme-challenge",
    ]
    assert type(new_root(tls)) is not Root

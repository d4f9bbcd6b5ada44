"""A running gateway before servers that speak TLS: whom it believes, and what is told otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.gateway import GatewayProcess
from tests.support.message import Message, answer, get
from tests.support.origin import Origin
from tests.support.stream import Far
from tests.support.waiting import until
from tests.support.websocket import TEXT, frame, open_websocket, read_frame
from tests.upstream.watched import Watched
from tests.workers.crew import kill


class Setting:
    """An authority, a server with a certificate of it, and a gateway before that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Authority(folder)
        self.issued = self.ca.issue("127.0.0.1", "app.internal")
        self.asked_for: list[str | None] = []
        self._ends: list[GatewayProcess | Origin] = []

    def origin(self, asks: Path | None = None) -> Origin:
        """A server that shows the certificate. asks: for one of who is named there."""
        context = self.issued.server_context(asks)
        context.sni_callback = lambda _, name, __: self.asked_for.append(name)
        self._ends.append(Origin(tls=context))
        return self._ends[-1]

    def gateway(self, origin: Origin, tls: str = "", said: str = "", workers: str = "") -> Watched:
        """tls: what the upstream says about it; said: its other keys."""
        lines = [f"tls: {tls}"] if tls else []
        lines += [said] if said else []
        self._ends.append(Watched(self.folder, [f'"{origin.url}"'], "\n".join(lines), workers))
        return self._ends[-1]

    def close(self) -> None:
        for each in reversed(self._ends):
            if isinstance(each, Origin):
                each.close()
            else:
                each.stop()

    def kill(self) -> None:
        for each in self._ends:
            if isinstance(each, GatewayProcess):
                each.kill()


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    setting = Setting(tmp_path)
    try:
        yield setting
        setting.close()
    finally:
        setting.kill()


def asked(gateway: Watched, origin: Origin) -> tuple[Far, Message]:
    """An exchange that goes well: the server's end of it, and the answer."""
    client = gateway.connect()
    client.send(get("/x/a"))
    far = origin.accept()
    far.request()
    far.send(answer(200, b"hello"))
    return far, client.answer()


def refused(gateway: Watched, origin: Origin) -> Message:
    """An exchange that ends in the handshake: not a byte of the request came."""
    client = gateway.connect()
    client.send(get("/x/a", "Authorization: Bearer secret"))
    with pytest.raises(OSError):
        origin.accept().read(1)
    return client.answer()


def test_an_authority_of_ones_own_and_another_name(setting):
    origin = setting.origin()
    tls = f"{{ca: {setting.ca.cert}, server_name: app.internal}}"
    gateway = setting.gateway(origin, tls)
    assert asked(gateway, origin)[1].body == b"hello"
    assert setting.asked_for == ["app.internal"]


def test_an_unknown_authority_is_named_in_the_answer_and_in_the_log(setting):
    origin = setting.origin()
    other = Authority(setting.folder, "Another CA")
    gateway = setting.gateway(origin, f"{{ca: {other.cert}}}")
    told = "has a certificate of an unknown CA: CN=Test CA"
    got = refused(gateway, origin)
    assert (got.status, told.encode() in got.body) == (502, True)
    gateway.says(f"upstream app at {origin.url.removeprefix('https://')} {told}")
    assert gateway.entry(fault="UPSTREAM_BROKE")["status"] == 502


def test_another_name_and_another_key(setting):
    origin = setting.origin()
    ca = setting.ca.cert
    gateway = setting.gateway(origin, f"{{ca: {ca}, server_name: other.internal}}")
    told = refused(gateway, origin).body
    assert b"has a certificate for app.internal, 127.0.0.1 and not for other.internal" in told
    gateway.rewrite(f"tls: {{ca: {ca}, pin: sha256/{'A' * 43}=}}")
    assert b"with another key than pinned: sha256/" in refused(gateway, origin).body


def test_a_certificate_is_shown_to_a_server_that_asks(setting):
    origin = setting.origin(asks=setting.ca.cert)
    own = setting.ca.issue("gateway.internal")
    gateway = setting.gateway(
        origin, f"{{ca: {setting.ca.cert}, cert: {own.cert}, key: {own.key}}}"
    )
    far, got = asked(gateway, origin)
    assert got.body == b"hello"
    assert ("DNS", "gateway.internal") in far.socket.getpeercert()["subjectAltName"]


def test_a_server_that_asks_in_vain(setting):
    origin = setting.origin(asks=setting.ca.cert)
    gateway = setting.gateway(origin, f"{{ca: {setting.ca.cert}}}")
    client = gateway.connect()
    client.send(get("/x/a"))
    with pytest.raises(OSError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        origin.accept()
    got = client.answer()
    assert got.status == 502
    assert b"wants a certificate from the gateway: cert and key in its tls" in got.body


def test_new_files_are_used_after_a_reload_and_old_connections_are_not(setting):
    origin = setting.origin()
    trusted = setting.folder / "trusted.pem"
    other = Authority(setting.folder, "Another CA").cert.read_text()
    trusted.write_text(other)
    gateway = setting.gateway(origin, "{ca: trusted.pem}")
    assert refused(gateway, origin).status == 502
    trusted.write_text(setting.ca.cert.read_text())
    assert refused(gateway, origin).status == 502
    gateway.reload()
    far, got = asked(gateway, origin)
    assert got.body == b"hello"
    # The same files: the connection stays.
    gateway.reload()
    client = gateway.connect()
    client.send(get("/x/b"))
    assert far.request().target == b"/b"
    far.send(answer(200))
    assert client.answer().status == 200
    trusted.write_text(other)
    gateway.reload()
    assert far.gone_within(5)
    assert refused(gateway, origin).status == 502


def test_a_file_that_is_not_one_changes_nothing(setting):
    origin = setting.origin()
    trusted = setting.folder / "trusted.pem"
    trusted.write_text(setting.ca.cert.read_text())
    gateway = setting.gateway(origin, "{ca: trusted.pem}")
    far, _ = asked(gateway, origin)
    trusted.unlink()
    gateway.reload()
    gateway.says("not reloaded, the old configuration stays")
    gateway.says('tls.ca: found "trusted.pem" (cannot be read: No such file or directory)')
    far.close()
    assert asked(gateway, origin)[1].body == b"hello"


def test_workers_of_later_need_no_file(setting):
    """They have what was in them from who read the configuration."""
    origin = setting.origin(asks=setting.ca.cert)
    own = setting.ca.issue("gateway.internal")
    files = (setting.ca.cert, own.cert, own.key)
    tls = "{{ca: {}, cert: {}, key: {}}}".format(*files)
    gateway = setting.gateway(origin, tls, workers="2")
    assert asked(gateway, origin)[1].body == b"hello"
    for file in files:
        file.unlink()
    for gone in gateway.pids:
        kill(gone)
        until(lambda gone=gone: gateway.is_whole_again(without=gone), what="another worker")
    assert asked(gateway, origin)[1].body == b"hello"


def test_health_checks_go_the_same_way(setting):
    origin = setting.origin()
    check = "health_check: {path: /health, interval: 50ms, timeout: 5s, rise: 1, fall: 1}"
    gateway = setting.gateway(origin, "{server_name: app.internal}", check)
    with pytest.raises(OSError):
        origin.accept().read(1)
    gateway.says(
        "is down: 1 probe failed, the last: TLS failed: "
        "has a certificate of an unknown CA: CN=Test CA"
    )
    gateway.rewrite(f"tls: {{ca: {setting.ca.cert}, server_name: app.internal}}\n{check}")
    setting.asked_for.clear()

    def probed() -> bool:
        try:
            far = origin.accept()
            assert far.request().line == b"GET /health HTTP/1.1"
        except OSError:
            # One of those of before.
            return False
        far.send(answer(200))
        return True

    until(probed, what="a probe")
    until(lambda: gateway.states == ["up"], what="its being up")
    assert set(setting.asked_for) == {"app.internal"}


def test_a_websocket_to_a_server_that_speaks_tls_alone(setting):
    origin = setting.origin()
    gateway = setting.gateway(origin, f"{{ca: {setting.ca.cert}, server_name: app.internal}}")
    client = gateway.connect()
    far, _, _ = open_websocket(client, origin, "/x/ws")
    client.send(frame(TEXT, b"up"))
    assert read_frame(far).payload == b"up"
    far.send(frame(TEXT, b"down", masked=False))
    assert read_frame(client).payload == b"down"
    assert setting.asked_for == ["app.internal"]


def test_the_start_page_asks_in_the_same_way(setting):
    origin = setting.origin()
    gateway = setting.gateway(origin, f"{{ca: {setting.ca.cert}}}")
    client = gateway.connect()
    client.send(get("/?format=json"))
    far = origin.accept()
    assert far.request().target == b"/"
    far.send(answer(204))
    assert b'"detail": "204 in ' in client.answer().body

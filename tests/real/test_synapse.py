"""Matrix Synapse behind `/_matrix/` (prefix kept) and `/matrix/` (prefix cut off)."""

import hashlib
import hmac
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.real.installed import need_tool
from tests.real.plain_http import Answer, ask
from tests.real.proxies import Proxy
from tests.real.running import answers, free_port, running, until

NAME = "real.test"
SHARED_SECRET = "registration-for-tests-only"
MEDIA_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Account:
    """A logged-in user as seen from one base URL."""

    base: str
    user: str
    token: str

    def ask(self, method: str, target: str, body: object = None, **options: object) -> Answer:
        fields = {"Authorization": f"Bearer {self.token}"} | options.pop("fields", {})
        return ask(method, self.base + target, body, fields=fields, **options)

    def create_room(self, **options: object) -> str:
        return self.ask("POST", "/_matrix/client/v3/createRoom", options).json()["room_id"]


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a Synapse of its own."""
    python = need_tool("synapse", "bin", "python")
    folder = tmp_path_factory.mktemp("synapse")
    port = free_port()
    config = folder / "homeserver.yaml"
    config.write_text(json.dumps(synapse_config(folder, port)))
    homeserver = [python, "-m", "synapse.app.homeserver", "--config-path", config]
    with running(
        [*homeserver, "--generate-keys"], folder / "keys.log", ready=(folder / "key").exists
    ) as keys:
        keys.popen.wait(30)
    url = f"http://127.0.0.1:{port}"
    with running(homeserver, folder / "log", ready=lambda: answers(f"{url}/health"), seconds=60):
        register(url, "alice", admin=True)
        register(url, "bob")
        yield url


def synapse_config(folder: Path, port: int) -> dict[str, object]:
    plenty = {"per_second": 1000, "burst_count": 1000}
    return {
        "server_name": NAME,
        "signing_key_path": str(folder / "key"),
        "pid_file": str(folder / "pid"),
        "media_store_path": str(folder / "media"),
        "database": {"name": "sqlite3", "args": {"database": str(folder / "db")}},
        "listeners": [
            {
                "port": port,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "x_forwarded": True,
                "resources": [{"names": ["client"]}],
            }
        ],
        "registration_shared_secret": SHARED_SECRET,
        "macaroon_secret_key": "for-tests-only",
        "form_secret": "for-tests-only",
        "report_stats": False,
        "trusted_key_servers": [],
        "max_upload_size": "100M",
        "bcrypt_rounds": 4,
        "rc_message": plenty,
        "rc_login": {"address": plenty, "account": plenty, "failed_attempts": plenty},
    }


def register(url: str, user: str, *, admin: bool = False) -> None:
    """Shared-secret registration, at Synapse itself."""
    where = f"{url}/_synapse/admin/v1/register"
    nonce = ask("GET", where).json()["nonce"]
    role = "admin" if admin else "notadmin"
    words = "\0".join([nonce, user, f"{user}-password", role]).encode()
    mac = hmac.new(SHARED_SECRET.encode(), words, hashlib.sha1).hexdigest()
    answer = ask(
        "POST",
        where,
        {
            "nonce": nonce,
            "username": user,
            "password": f"{user}-password",
            "admin": admin,
            "mac": mac,
        },
    )
    assert answer.status == 200, answer.body


def log_in(base: str, user: str) -> Account:
    answer = ask(
        "POST",
        f"{base}/_matrix/client/v3/login",
        {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": f"{user}-password",
        },
    )
    assert answer.status == 200, answer.body
    return Account(base, user, answer.json()["access_token"])


ROUTES = {
    "/_matrix/": {"strip_prefix": False},
    "/matrix/": {},
}


@pytest.fixture(scope="module")
def front(synapse: str, module_proxy) -> Proxy:
    return module_proxy({path: {"to": synapse, **more} for path, more in ROUTES.items()})


@pytest.fixture(scope="module", params=["kept", "stripped"])
def base(request: pytest.FixtureRequest, front: Proxy) -> str:
    """Where Synapse seems to be: at the root (`/_matrix/`), or under `/matrix/`."""
    return front.url if request.param == "kept" else f"{front.url}/matrix"


@pytest.fixture(scope="module")
def alice(base: str) -> Account:
    return log_in(base, "alice")


def test_versions_are_answered(base: str) -> None:
    answer = ask("GET", f"{base}/_matrix/client/versions")
    assert answer.status == 200
    assert "v1.11" in answer.json()["versions"]


def test_a_wrong_password_is_refused_by_synapse_itself(base: str) -> None:
    answer = ask(
        "POST",
        f"{base}/_matrix/client/v3/login",
        {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "wrong",
        },
    )
    assert answer.status == 403
    assert answer.json()["errcode"] == "M_FORBIDDEN"


def test_a_room_is_found_by_its_percent_23_alias(alice: Account) -> None:
    """`%23` must arrive as it is: decoded, it would cut the path off."""
    name = f"lounge{random.randrange(10**9)}"
    room = alice.create_room(room_alias_name=name)
    alias = quote(f"#{name}:{NAME}", safe="")
    assert alias.startswith("%23")

    found = alice.ask("GET", f"/_matrix/client/v3/directory/room/{alias}")

    assert found.status == 200, found.body
    assert found.json()["room_id"] == room


def test_a_percent_2f_in_a_path_stays_one_segment(alice: Account) -> None:
    """An alias with a slash in it: `%2F` decoded would be another path, answered M_UNRECOGNIZED."""
    answer = alice.ask("GET", f"/_matrix/client/v3/directory/room/%23no%2Fsuch:{NAME}")
    assert (answer.status, answer.json()["errcode"]) == (404, "M_NOT_FOUND")


def test_a_long_poll_returns_when_a_message_is_sent(alice: Account) -> None:
    room = alice.create_room()
    since = alice.ask("GET", "/_matrix/client/v3/sync?timeout=0").json()["next_batch"]
    polled: list[tuple[float, Answer]] = []
    begun = time.monotonic()

    def poll() -> None:
        answer = alice.ask("GET", f"/_matrix/client/v3/sync?since={since}&timeout=20000")
        polled.append((time.monotonic() - begun, answer))

    poller = threading.Thread(target=poll)
    poller.start()
    poller.join(1.0)
    assert not polled, "the poll came back before anything had happened"

    sent = alice.ask(
        "PUT",
        f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/t{begun}",
        {"msgtype": "m.text", "body": "wake up"},
    )
    assert sent.status == 200, sent.body
    poller.join(20)

    [(seconds, answer)] = polled
    assert 1.0 <= seconds < 6.0
    events = answer.json()["rooms"]["join"][room]["timeline"]["events"]
    assert [event["content"]["body"] for event in events] == ["wake up"]


def test_a_long_poll_with_no_news_times_out_empty(alice: Account) -> None:
    since = alice.ask("GET", "/_matrix/client/v3/sync?timeout=0").json()["next_batch"]

    def quiet_poll() -> float | None:
        nonlocal since
        begun = time.monotonic()
        news = alice.ask("GET", f"/_matrix/client/v3/sync?since={since}&timeout=2000").json()
        since = news.pop("next_batch")
        return time.monotonic() - begun if not news.get("rooms") else None

    # Receipts and presence of what went before may still be news in the first round.
    seconds = until(lambda: (took := quiet_poll()) and took >= 1.9 and took, 15, "a quiet poll")
    assert seconds < 5


def test_50_mb_of_media_go_up_and_come_down_whole(alice: Account) -> None:
    media = random.Random(50).randbytes(MEDIA_BYTES)

    stored = alice.ask(
        "POST",
        "/_matrix/media/v3/upload?filename=film.bin",
        media,
        fields={"Content-Type": "application/octet-stream"},
    )
    assert stored.status == 200, stored.body
    _, _, media_id = stored.json()["content_uri"].rpartition("/")
    fetched = alice.ask("GET", f"/_matrix/client/v1/media/download/{NAME}/{media_id}")

    assert fetched.status == 200
    assert len(fetched.body) == MEDIA_BYTES
    assert hashlib.sha256(fetched.body).digest() == hashlib.sha256(media).digest()


def addresses_seen(account: Account) -> set[str]:
    """Client addresses that Synapse has noted for this user, asked by the user about itself."""
    who = account.ask("GET", f"/_matrix/client/v3/admin/whois/@{account.user}:{NAME}").json()
    return {
        connection["ip"]
        for device in who["devices"].values()
        for session in device["sessions"]
        for connection in session["connections"]
    }


def test_synapse_learns_the_clients_own_address(base: str) -> None:
    """The client comes from 127.0.0.7; the proxy itself from 127.0.0.1."""
    bob = log_in(base, "bob")
    bob.ask("GET", "/_matrix/client/v3/sync?timeout=0", source="127.0.0.7")
    until(lambda: "127.0.0.7" in addresses_seen(bob), 10, "127.0.0.7 noted by Synapse")


def test_a_trusted_proxys_word_about_the_client_is_kept(base: str) -> None:
    bob = log_in(base, "bob")
    bob.ask("GET", "/_matrix/client/v3/sync?timeout=0", fields={"X-Forwarded-For": "203.0.113.9"})
    until(lambda: "203.0.113.9" in addresses_seen(bob), 10, "203.0.113.9 noted by Synapse")


def test_a_strangers_word_about_itself_is_not_believed(synapse: str, proxy) -> None:
    front = proxy(
        {"/_matrix/": {"to": synapse, "strip_prefix": False}},
        gateway={"trusted_proxies": ["192.0.2.0/24"]},
    )
    bob = log_in(front.url, "bob")
    bob.ask(
        "GET",
        "/_matrix/client/v3/sync?timeout=0",
        fields={"X-Forwarded-For": "198.51.100.66"},
        source="127.0.0.8",
    )
    until(lambda: "127.0.0.8" in addresses_seen(bob), 10, "127.0.0.8 noted by Synapse")
    assert "198.51.100.66" not in addresses_seen(bob)

"""Who asks for certificates and when: the service on a clock of the test's, with nobody to ask.

What a real authority says is in tests/real/test_acme.py.
"""

import json
import queue
import time
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from daarion_gw.config.acme import ACME
from daarion_gw.tls.acme.authority import Authority, RefusedError
from daarion_gw.tls.acme.folder import StateFolder
from daarion_gw.tls.acme.plan import Window
from daarion_gw.tls.acme.renewals import LOOK_FOR_LOCK, Renewals
from tests.support.authority import Authority as Signers
from tests.support.certificates import make_certificate
from tests.support.waiting import PATIENCE

NAME = "app.example.com"
# Nobody listens there.
NOWHERE = "https://127.0.0.1:1/dir"
PLAIN, OURS = "tcp:80", "daarion-tls:443"


class Reactor(Clock):
    """Time passes when it is told to; what threads bring waits until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._brought: queue.Queue[tuple] = queue.Queue()

    def callFromThread(self, *call) -> None:
        self._brought.put(call)

    def take(self) -> None:
        """What a thread brings, once."""
        function, *arguments = self._brought.get(timeout=PATIENCE)
        function(*arguments)


class Running:
    """The service of one process."""

    def __init__(self, folder: Path, listen=(PLAIN, OURS), **words) -> None:
        self.state = folder / "state"
        self.configure(**words)
        self.reactor = Reactor()
        self.service = Renewals(self.reactor, lambda: self.acme, listen, chance=lambda: 0.5)
        self.service.startService()

    def configure(self, domains=NAME, **words) -> None:
        words = {"state": str(self.state), "directory": NOWHERE, "email": None, **words}
        self.acme = ACME(domains=domains, **words)

    def pass_time(self, seconds=1.0) -> None:
        self.reactor.pump([1.0] * int(seconds))

    def work(self) -> None:
        """It has something to do, and does it."""
        self.pass_time()
        assert self.told["asking"] is not None
        self.reactor.take()
        assert self.told["asking"] is None

    @property
    def told(self):
        return self.service.shown()

    @property
    def first(self):
        return self.told["certificates"][0]


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(**words) -> Running:
        started.append(Running(tmp_path, **words))
        return started[-1]

    yield begin
    for running in started:
        running.service.stopService()
        # As if its process had ended.
        running.service._take(None)


@pytest.fixture
def log(monkeypatch):
    """The sentences of the log, with their levels."""
    lines = []

    class Log:
        def __getattr__(self, level):
            return lambda text, *rest, **words: lines.append((level, text.format(**words)))

    monkeypatch.setattr(Renewals, "_log", Log())
    return lines


def served(state: Path, tmp_path: Path) -> None:
    """There is a certificate already."""
    folder = StateFolder(state)
    folder.prepare()
    cert, key = make_certificate(tmp_path)
    folder.install(NAME, cert.read_bytes(), key.read_bytes())


def test_nothing_is_done_where_nothing_is_configured(start):
    running = start()
    running.acme = None
    running.pass_time(100)
    assert running.told is None
    assert not running.state.exists()


def test_without_a_certificate_one_is_asked_for_at_once(start, log):
    running = start()
    running.work()
    assert log[0] == ("info", f"{NAME}: asking {NOWHERE} for a certificate, by http-01")
    level, sentence = log[1]
    assert level == "warn"
    assert sentence.startswith(f"{NAME}: no certificate: {NOWHERE} cannot be reached: ")
    assert "tried again 20" in sentence
    assert running.told["asks"]
    assert running.first["failures"] == 1
    assert "Connection refused" in running.first["error"]


def test_after_a_failure_it_waits_and_tries_the_other_challenge(start, log):
    running = start(retry=1.0)
    running.work()
    deadline = time.monotonic() + PATIENCE
    while running.told["asking"] is None:
        assert time.monotonic() < deadline
        running.pass_time()
    running.reactor.take()
    asked = [sentence for level, sentence in log if level == "info"]
    assert [sentence.rpartition(" ")[2] for sentence in asked] == ["http-01", "tls-alpn-01"]
    assert running.first["failures"] == 2


def test_a_restart_asks_no_sooner(start):
    before = start()
    before.work()
    before.service.stopService()
    before.service._take(None)
    after = start()
    after.pass_time(30)
    assert after.told["asking"] is None
    assert after.told["certificates"] == [{**after.first, "failures": 1}]


def test_but_whoever_changes_something_sees_what_comes_of_it(start):
    running = start()
    running.work()
    running.pass_time(30)
    assert running.told["asking"] is None
    running.configure(email="ops@example.com")
    running.work()
    assert running.first["failures"] == 2


def test_a_domain_that_a_reload_brings_is_asked_for(start):
    running = start(retry=3600.0)
    running.work()
    running.configure(domains=[NAME, "www.example.com"], retry=3600.0)
    running.work()
    running.work()
    assert [each["domain"] for each in running.told["certificates"]] == [NAME, "www.example.com"]
    assert [each["failures"] for each in running.told["certificates"]] == [2, 1]


def test_a_certificate_that_is_there_is_left_until_its_time(start, tmp_path):
    running = start()
    served(running.state, tmp_path)
    running.pass_time(30)
    assert running.told["asking"] is None
    assert running.first["failures"] == 0
    assert running.first["next"] < running.first["until"]


def test_one_of_another_authority_is_replaced(start, tmp_path):
    running = start()
    served(running.state, tmp_path)
    running.pass_time(2)
    folder = StateFolder(running.state)
    # Only a plan says whom it is from.
    until = time.time() + 86400
    folder.keep_plans({NAME: {"at": until, "directory": "https://staging.example/"}})
    running.configure(retry=60.0, email="ops@example.com")
    running.work()
    assert running.first["failures"] == 1
    assert folder.chain(NAME) is not None


def test_of_several_processes_one_asks(start):
    one, other = start(), start()
    one.work()
    other.pass_time(60)
    assert (one.told["asks"], other.told["asks"]) == (True, False)
    assert other.told["certificates"] == []
    # That process ends.
    one.service._take(None)
    other.pass_time(LOOK_FOR_LOCK)
    assert other.told["asks"]


def test_who_waits_for_the_other_does_not_write_meanwhile(start):
    """Its loop would stand still as long as the disk takes, for all of a long drain."""
    one, other = start(), start()
    one.work()
    other.pass_time()
    before = other.state.stat().st_mtime_ns
    other.pass_time(3 * LOOK_FOR_LOCK)
    assert not other.told["asks"]
    assert other.state.stat().st_mtime_ns == before


def test_a_state_folder_that_cannot_be_made_is_told_and_not_each_second(start, tmp_path, log):
    (tmp_path / "state").write_text("a file")
    running = start()
    running.pass_time(100)
    (line,) = log
    assert line[0] == "error"
    assert f"{tmp_path}/state" in line[1]


def test_a_mistake_of_ours_is_no_reason_to_ask_without_end(start, log, monkeypatch):
    def breaks(*_):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Authority, "obtain", breaks)
    running = start()
    running.work()
    assert running.first["error"] == "a mistake"
    assert log[-1] == ("failure", f"{NAME}: no certificate")
    running.pass_time(30)
    assert running.told["asking"] is None
    assert json.loads((running.state / "plans.json").read_text())[NAME]["failures"] == 1


def test_a_full_disk_leaves_the_old_certificate(start, tmp_path, monkeypatch):
    running = start()
    served(running.state, tmp_path)
    before = StateFolder(running.state).chain(NAME)
    monkeypatch.setattr(Authority, "obtain", lambda *_: (b"chain", b"key"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StateFolder, "install", full)
    plan = {"at": 0.0, "directory": NOWHERE, "until": running_until(running.state)}
    StateFolder(running.state).keep_plans({NAME: plan})
    running.work()
    assert "No space left on device" in running.first["error"]
    assert StateFolder(running.state).chain(NAME) == before


def running_until(state: Path) -> float:
    from daarion_gw.tls.acme.keys import facts

    chain = StateFolder(state).chain(NAME)
    assert chain is not None
    return facts(chain).until


def test_one_that_is_due_at_once_is_not_asked_for_without_end(start, tmp_path, log, monkeypatch):
    """A clock that is wrong makes any certificate an old one."""
    old = Signers(tmp_path).issue(NAME, days=(-30, 1))
    given = old.cert.read_bytes(), old.key.read_bytes()
    monkeypatch.setattr(Authority, "obtain", lambda *_: given)
    monkeypatch.setattr(Authority, "window", lambda *_: Window())
    running = start()
    running.work()
    assert StateFolder(running.state).chain(NAME) == given[0], "it is served"
    assert log[-1][0] == "warn" and "is the clock right?" in log[-1][1]
    running.pass_time(30)
    assert running.told["asking"] is None
    kept = json.loads((running.state / "plans.json").read_text())[NAME]
    assert (kept["failures"], kept["until"]) == (1, running_until(running.state))
    assert kept["at"] > time.time() + 30


def test_it_waits_as_long_as_the_authority_says(start, monkeypatch):
    def refuses(*_):
        raise RefusedError("too many", wish=7200.0)

    monkeypatch.setattr(Authority, "obtain", refuses)
    running = start()
    running.work()
    in_an_hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    assert running.first["next"] > in_an_hour

"""The certificates of a process: given to its listeners, told of, counted, shown."""

import json

import pytest
from twisted.internet.testing import MemoryReactor

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.front.listeners import ListenError, endpoint
from daarion_gw.observe.counters import Counters
from daarion_gw.observe.metrics import Metrics
from daarion_gw.tls.watch import NONE, UNUSED, Watch
from tests.support.hierarchy import DAY, PLAIN, Authority
from tests.tls.test_store import settings_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Log:
    """What a watch says, by how loudly."""

    def __init__(self):
        self.told, self.warned = [], []

    def tell(self, text, **values):
        self.told.append(text.format(**values))

    def warn(self, text, **values):
        self.warned.append(text.format(**values))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def watch_of(log):
    def make(*entries, listen=("daarion-tls:443",), counters=None, state=None, **words):
        tls = settings_of(*entries, state=state)
        watch = Watch(
            tls, "gateway.yaml", counters or Counters(), log.tell, log.warn, **words
        )  # fmt: skip
        watch.give([(text, endpoint(MemoryReactor(), text)) for text in listen])
        return watch

    return make


def own(files):
    return f"daarion-tls:8443:privateKey={files[1]}:certKey={files[0]}"


def twisteds(files):
    return f"ssl:8444:privateKey={files[1]}:certKey={files[0]}"


def refused(watch_of, *entries, **words):
    with pytest.raises(ConfigurationError) as caught:
        watch_of(*entries, **words)
    return [str(problem) for problem in caught.value.problems]


def test_listeners_have_those_of_the_settings_or_their_own(watch_of, authority, tmp_path):
    shared = authority.issue(tmp_path / "a", "a.example")
    mine = authority.issue(tmp_path / "b", "b.example")
    place = endpoint(MemoryReactor(), "daarion-tls:443")
    private = endpoint(MemoryReactor(), own(mine))
    watch = Watch(settings_of(shared), None, Counters(), print, print)
    watch.give([("daarion-tls:443", place), (own(mine), private), ("tcp:80", object())])
    assert place.store is watch.store
    assert [found.names for found in private.store.certificates] == [("b.example",)]
    assert [found.names for found in watch.certificates()] == [("a.example",), ("b.example",)]


def test_a_listener_without_a_certificate_is_a_mistake(watch_of):
    assert refused(watch_of) == [f"cannot listen on 'daarion-tls:443': {NONE}"]
    assert watch_of(listen=["tcp:80"]).certificates() == []


def test_it_may_be_without_where_certificates_are_awaited(watch_of, tmp_path):
    watch = watch_of(state=tmp_path / "none")
    assert watch.certificates() == [] and watch.problems() == []


def test_twisteds_listeners_are_looked_at_before_a_client_comes(watch_of, authority, tmp_path):
    good = authority.issue(tmp_path / "a", "a.example", layout=PLAIN)
    other = authority.issue(tmp_path / "b", "b.example", layout=PLAIN)
    mixed = twisteds((good[0], other[1]))
    sentence = f"{other[1]}: this key does not belong to the certificate in {good[0]}"
    with pytest.raises(ListenError) as caught:
        endpoint(MemoryReactor(), mixed)
    assert f"cannot listen on '{mixed}': {sentence}" in str(caught.value)
    with pytest.raises(ConfigurationError) as problems:
        watch_of(listen=[]).give([(mixed, None)])
    assert str(problems.value) == f"cannot listen on '{mixed}': {sentence}"
    chain = tmp_path / "chain.pem"
    bare = authority.issue(tmp_path / "c", "c.example", with_chain=False)
    chain.write_bytes(good[0].read_bytes().partition(b"-----END CERTIFICATE-----\n")[2])
    watch = watch_of(listen=[twisteds(bare), f"{twisteds(bare)}:extraCertChain={chain}"])
    assert [bool(found.chain) for found in watch.certificates()] == [True, False]


def test_the_log_of_the_start(watch_of, log, authority, tmp_path):
    good = authority.issue(tmp_path / "live" / "a", "a.example", until=60 * DAY)
    late = authority.issue(tmp_path / "live" / "b", "b.example", since=-9 * DAY, until=-DAY)
    _, broken = authority.issue(tmp_path / "live" / "c", "c.example")
    broken.write_text("")
    watch_of(tmp_path / "live").tell()
    assert [line.partition(", by")[0] for line in log.told] == [
        "certificate for a.example", "certificate for b.example"
    ]  # fmt: skip
    assert "(in 59 days)" in log.told[0] and log.told[0].endswith(f": {good[0]}")
    expired, not_served = log.warned
    assert expired.startswith(f"{late[0]}: the certificate has expired on ")
    assert not_served.startswith(f"certificate not served: {broken}: a private key in PEM form")


def test_certificates_that_nobody_shows(watch_of, log, authority, tmp_path):
    files = authority.issue(tmp_path / "a", "a.example")
    watch_of(files, listen=["tcp:80"]).tell()
    assert log.warned == [UNUSED]
    # Those of ACME too, before there are any.
    watch_of(listen=["tcp:80"], state=tmp_path / "state").tell()
    assert log.warned == [UNUSED, UNUSED]


def test_what_becomes_of_them_is_told_and_counted(watch_of, log, authority, tmp_path):
    counters = Counters()
    shared = authority.issue(tmp_path / "a", "a.example", "*.a.example", until=50 * DAY)
    mine = authority.issue(tmp_path / "b", "b.example", "a.example", until=40 * DAY)
    more = authority.issue(tmp_path / "c", "a.example", until=60 * DAY)
    listen = ["daarion-tls:443", own(mine), own(more)]
    watch = watch_of(shared, listen=listen, counters=counters)
    first = watch.store.certificates[0].not_after
    worse = watch.certificates()[1].not_after
    assert counters.certificates == {"a.example": worse, "*.a.example": first, "b.example": worse}
    authority.issue(tmp_path / "b", "b.example", until=80 * DAY)
    watch.look()
    assert [line.partition(", by")[0] for line in log.told] == ["new: certificate for b.example"]
    shown = Metrics(counters, "0").text("")[0].decode()
    name = "daarion_certificate_expiry_timestamp_seconds"
    assert f"# TYPE {name} gauge" in shown
    samples = dict(line.rsplit(" ", 1) for line in shown.splitlines() if line.startswith(name))
    assert samples.keys() == {
        f'{name}{{name="{host}"}}' for host in ("a.example", "*.a.example", "b.example")
    }
    assert float(samples[f'{name}{{name="a.example"}}']) == first
    assert float(samples[f'{name}{{name="b.example"}}']) == watch.certificates()[1].not_after


def test_new_settings_all_at_once_or_not_at_all(watch_of, log, authority, tmp_path):
    files = authority.issue(tmp_path / "a", "a.example")
    new = authority.issue(tmp_path / "b", "b.example")
    watch = watch_of(files)
    for wrong in (settings_of(new, (files[0], new[1])), settings_of(), settings_of(tmp_path / "x")):
        with pytest.raises(ConfigurationError):
            watch.plan(wrong, "gateway.yaml")
    with pytest.raises(ConfigurationError, match="no certificate is left for daarion-tls:"):
        watch.plan(settings_of(), "gateway.yaml")
    watch.take(watch.plan(settings_of(new, files, strict=True), "gateway.yaml"))
    assert [line.partition(", by")[0] for line in log.told] == ["certificate for b.example"]
    assert watch.store.is_strict and log.warned == []


def test_the_status_page_has_all_of_it(watch_of, authority, tmp_path):
    files = authority.issue(tmp_path / "live" / "a", "a.example")
    _, key = authority.issue(tmp_path / "live" / "b", "b.example")
    key.unlink()
    shown = json.loads(json.dumps(watch_of(tmp_path / "live").described()))
    (row,) = shown["served"]
    assert row["names"] == ["a.example"]
    assert row["issuer"] == "Test Authority 1"
    assert row["standing"] == "valid"
    assert row["not_before"] < row["not_after"] and row["not_after"].endswith("Z")
    assert row["files"] == [str(file) for file in files]
    assert shown["problems"] == [f"{key}: No such file or directory"]
    assert shown["strict"] is False

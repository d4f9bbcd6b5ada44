"""What stands in the way of certificates, told before anything is done."""

import importlib.util
import os
import sys

import pytest

from daarion_gw.config.acme import ACME
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.tls.acme.readiness import check_readiness, kinds_for
from daarion_gw.tls.acme.readiness import obstacles as found_obstacles

PLAIN, OURS, TWISTED = "tcp:80", "daarion-tls:443", "ssl:443:privateKey=k:certKey=c"
OWN_FILES = "daarion-tls:8443:privateKey=k:certKey=c"


@pytest.mark.parametrize(
    ("challenge", "listen", "kinds"),
    [
        ("auto", [PLAIN, OURS], ("http-01", "tls-alpn-01")),
        ("auto", [PLAIN], ("http-01",)),
        ("auto", [OURS], ("tls-alpn-01",)),
        ("auto", ["systemd:domain=INET:index=0"], ("http-01",)),
        ("auto", ["haproxy:tcp:80", "haproxy:daarion-tls:443"], ("http-01", "tls-alpn-01")),
        ("auto", [TWISTED], ()),
        ("http-01", [PLAIN, OURS], ("http-01",)),
        ("http-01", [OURS], ()),
        ("tls-alpn-01", [PLAIN, OURS], ("tls-alpn-01",)),
        ("tls-alpn-01", [PLAIN, TWISTED], ()),
        ("tls-alpn-01", [OWN_FILES], ()),
        ("auto", [PLAIN, OWN_FILES], ("http-01",)),
        ("auto", [OWN_FILES, OURS], ("tls-alpn-01",)),
    ],
)
def test_which_challenges_the_listeners_allow(challenge, listen, kinds):
    assert kinds_for(challenge, listen) == kinds


def obstacles(acme, listen):
    return [str(found) for found in found_obstacles(acme, listen)]


def acme(folder, **words):
    return ACME(domains="app.example.com", **{"state": str(folder / "state"), **words})


def test_nothing_stands_in_the_way(tmp_path):
    assert obstacles(acme(tmp_path), [PLAIN]) == []
    assert list(tmp_path.iterdir()) == [], "it looks, and changes nothing"


def test_no_listener_that_could_answer(tmp_path):
    assert obstacles(acme(tmp_path, challenge="tls-alpn-01"), [PLAIN]) == [
        "tls.acme.challenge: tls-alpn-01 needs a listener daarion-tls:443 without files of its "
        "own, and there is none"
    ]
    (sentence,) = obstacles(acme(tmp_path), [TWISTED])
    assert "tcp:80 or daarion-tls:443" in sentence


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "state").write_text("")
    assert obstacles(acme(tmp_path), [PLAIN]) == [f"tls.acme.state: {tmp_path}/state is no folder"]


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """Root may write anywhere: what the system says is said here."""
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((str(path), mode)))
    (sentence,) = obstacles(acme(tmp_path, state=str(tmp_path / "a" / "b")), [PLAIN])
    assert sentence.startswith(f"tls.acme.state: the folder {tmp_path}/a/b cannot be written")
    assert asked == [(str(tmp_path), os.W_OK | os.X_OK)]


def test_no_file_of_the_authority(tmp_path):
    assert obstacles(acme(tmp_path, ca="/nowhere.pem"), [PLAIN]) == [
        "tls.acme.ca: /nowhere.pem cannot be read: No such file or directory"
    ]


def test_packages_that_are_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert obstacles(acme(tmp_path), [PLAIN]) == [
        f"tls.acme: the Python package {name} is missing: "
        f"{sys.executable} -m pip install acme josepy"
        for name in ("acme", "josepy")
    ]


def test_a_gateway_does_not_start_with_any_of_them(tmp_path):
    check_readiness(acme(tmp_path), [PLAIN])
    with pytest.raises(ConfigurationError, match="there is none"):
        check_readiness(acme(tmp_path), [TWISTED])

"""Listeners: strings that cannot be used, and who has the port."""

import os
import socket
import subprocess
import sys

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock

from daarion_gw.front.listeners import ListenError, endpoint, explain, owner_of, unusable


@pytest.fixture
def taken():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_the_owner_of_a_port_is_named(taken):
    owner = owner_of(taken)
    assert owner is not None and owner.endswith(f"(pid {os.getpid()})")


def test_another_processes_port_too():
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline())
        owner = owner_of(port)
        process.communicate("\n", timeout=10)
    assert owner is not None and owner.endswith(f"(pid {process.pid})")


def test_a_listener_on_ipv6_is_found(taken):
    try:
        sock = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with sock:
        assert str(os.getpid()) in (owner_of(sock.getsockname()[1]) or "")


def test_a_port_that_nobody_listens_on_has_no_owner():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert owner_of(sock.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), "CAP_NET_BIND_SERVICE"),
        (OSError(99, "Cannot assign requested address"), "no such address"),
        (OSError(24, "Too many open files"), "Too many open files"),
    ],
)
def test_why_a_listener_cannot_be_had(error, said):
    told = str(explain("tcp:80", CannotListenError("", 80, error)))
    assert told.startswith("cannot listen on 'tcp:80' (*:80): ") and said in told


@pytest.mark.parametrize(
    "description",
    ["", "tcp", "tcp:", "tcp:x", "nope:1", "tcp:80:interfac=x", "ssl:443",
     "systemd:domain=INET:index=0", "ssl:443:privateKey=/no/key"],
)  # fmt: skip
def test_a_string_that_is_no_listener_names_itself(description):
    with pytest.raises(ListenError) as caught:
        endpoint(MemoryReactorClock(), description)
    assert repr(description) in str(caught.value)
    assert "_parse" not in str(caught.value)


@pytest.mark.parametrize(
    ("description", "meant"),
    [
        ("443", 'did you mean "tcp:443"?'),
        (":443", 'did you mean "tcp:443"?'),
        ("0.0.0.0:8080", 'did you mean "tcp:8080:interface=0.0.0.0"?'),
        ("[::]:443", r"tcp:8080:interface=\:\:1"),
        ("tcp:8080:interface=::1", r"tcp:8080:interface=\:\:1"),
        ("tcp6:[::1]:8080", r"tcp:8080:interface=\:\:1"),
        ("http:80", "a listener looks like tcp:8080,"),
    ],
)
def test_what_was_probably_meant(description, meant):
    with pytest.raises(ListenError) as caught:
        endpoint(None, description)
    assert str(caught.value).endswith(meant) or f"; {meant}" in str(caught.value)


def test_all_that_are_none_are_told_before_a_start():
    fine = ["tcp:80", r"tcp:80:interface=\:\:1", "tcp6:80", "unix:/run/x.sock", "haproxy:tcp:80"]
    elsewhere = ["systemd:domain=UNIX:name=web", "daarion-tls:443", "ssl:443"]
    found = unusable([*fine, *elsewhere, "[::]:80", "8080"])
    assert [sentence.split(": ")[0] for sentence in found] == [
        "cannot listen on '[::]:80'",
        "cannot listen on '8080'",
    ]


def test_a_port_that_there_is_not_is_told_before_anything_is_bound():
    with pytest.raises(ListenError, match="there is no port 99999, only 0 to 65535"):
        endpoint(None, "tcp:99999")


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ListenError, match=r"/no/cert\.pem: No such file or directory"):
        endpoint(MemoryReactorClock(), "ssl:443:privateKey=/no/key.pem:certKey=/no/cert.pem")

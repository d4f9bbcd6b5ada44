"""Which of the sockets that systemd has bound a listener takes."""

import os
import socket

import pytest

from daarion_gw.net.activation import Activated, activated


def bound(host: str, family: int = socket.AF_INET, only: bool = False) -> tuple[int, int]:
    """A listening socket's descriptor, and its port."""
    sock = socket.socket(family)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind((host, 0))
    except OSError:
        sock.close()
        pytest.skip("this machine has no IPv6")
    sock.listen()
    # As systemd hands it over.
    sock.set_inheritable(True)
    port = sock.getsockname()[1]
    return sock.detach(), port


def drop(sockets: Activated) -> list[str]:
    """Where those are that are left; they are closed."""
    left = sockets.left()
    for sock in sockets._left.values():
        sock.close()
    return left


@pytest.mark.parametrize(
    ("host", "interface", "fits"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "", True),
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", "::", False),
        ("127.0.0.1", "localhost", False),
    ],
)
def test_the_one_that_is_at_the_same_address(host, interface, fits):
    file, port = bound(host)
    sockets = Activated([file])
    taken = sockets.take(port, interface)
    assert (taken is not None) is fits
    if taken is not None:
        assert taken.getsockname() == (host, port)
        assert not taken.getblocking() and not os.get_inheritable(taken.fileno())
        taken.close()
        assert sockets.take(port, interface) is None, "once"
    assert drop(sockets) == ([] if fits else [f"{host}:{port}"])


@pytest.mark.parametrize(
    ("host", "only", "interface", "fits"),
    [
        ("::", False, "", True),
        ("::", True, "", False),
        ("::", False, "::", True),
        ("::", True, "::", True),
        ("::1", False, "::1", True),
        ("::1", False, "", False),
        ("::", False, "127.0.0.1", False),
    ],
)
def test_a_bare_port_of_systemds_is_ipv4_too(host, only, interface, fits):
    file, port = bound(host, socket.AF_INET6, only)
    sockets = Activated([file])
    taken = sockets.take(port, interface)
    assert (taken is not None) is fits
    if taken is not None:
        taken.close()
    assert drop(sockets) == ([] if fits else [f"[{host}]:{port}"])


def test_the_port_decides_in_whatever_order_they_come():
    one, two = bound("127.0.0.1"), bound("127.0.0.1")
    sockets = Activated([one[0], two[0]])
    for file, port in (two, one):
        with sockets.take(port, "127.0.0.1") as taken:
            assert taken.fileno() == file
    assert sockets.take(0, "127.0.0.1") is None, "a free port is none of them"


def test_what_a_listener_has_named_is_not_taken():
    file, port = bound("127.0.0.1")
    sockets = Activated([file])
    sockets.claim(file)
    sockets.claim(99)
    assert sockets.take(port, "127.0.0.1") is None
    assert sockets.left() == []
    os.close(file)


def test_a_unix_socket_is_not_taken_by_a_port(tmp_path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    sockets = Activated([sock.detach()])
    assert sockets.take(80, "") is None
    assert drop(sockets) == [str(tmp_path / "s")]


def test_who_was_given_none_has_none():
    assert activated().left() == []

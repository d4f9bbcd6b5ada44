"""Servers, networks and origins as people write them. (What is refused: tests/cases/config.)"""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.addresses import network, origin, server
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.settings import Server


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://microdao-api:8000", Server(host="microdao-api", port=8000)),
        ("HTTP://Micro_DAO.Local", Server(host="micro_dao.local", port=80)),
        ("https://10.0.0.5", Server(scheme="https", host="10.0.0.5", port=443)),
        ("ws://a:1", Server(host="a", port=1)),
        ("wss://a", Server(scheme="https", host="a", port=443)),
        ("http://[::1]:8000", Server(host="::1", port=8000)),
        ("http://[0:0::1]", Server(host="::1", port=80)),
        ("http://a/", Server(host="a", port=80)),
        ("http://a/base/", Server(host="a", port=80, path="/base")),
        ("http://a/b%2Fc;d/e", Server(host="a", port=80, path="/b%2Fc;d/e")),
        ("http://a:65535", Server(host="a", port=65535)),
        ("unix:/run/x.sock", Server(host="localhost", port=0, unix="/run/x.sock")),
        ("unix:///run/x.sock", Server(host="localhost", port=0, unix="/run/x.sock")),
    ],
)
def test_a_server_is_read_from_its_url(written: str, meant: Server) -> None:
    assert server(written) == meant


@pytest.mark.parametrize(
    ("given_server", "label", "url"),
    [
        (Server(host="127.0.0.1", port=8000), "127.0.0.1:8000", "http://127.0.0.1:8000"),
        (Server(host="::1", port=80, path="/b"), "[::1]:80", "http://[::1]:80/b"),
        (Server(host="localhost", port=0, unix="/run/x"), "unix:/run/x", "unix:/run/x"),
    ],
)
def test_a_server_says_where_it_is(given_server: Server, label: str, url: str) -> None:
    assert (given_server.label, given_server.url) == (label, url)


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True).filter(
        lambda host: not host.isdigit()
    ),
    st.integers(1, 65535),
    st.from_regex(r"(/[a-z0-9._~-]{1,8}){0,3}", fullmatch=True),
)
def test_what_a_server_says_reads_back(scheme: str, host: str, port: int, path: str) -> None:
    read = server(f"{scheme}://{host}:{port}{path}")
    assert (read.scheme, read.host, read.port, read.path) == (scheme, host, port, path)
    assert server(read.url) == read


@given(st.text(max_size=30) | st.from_regex(r"(http|unix)s?://?.{0,20}"))
def test_any_text_is_a_server_or_is_refused(text: str) -> None:
    try:
        read = server(text)
    except UnfitError as refusal:
        assert refusal.expected
    else:
        assert read.host and (read.unix or 1 <= read.port <= 65535)


@pytest.mark.parametrize(
    "host", ["a" * 64, ".".join(["abc"] * 64), "-a", "a-", "a..b", "1.2.3", ""]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(UnfitError):
        server(f"http://{host}:80")


def test_a_host_is_judged_quickly_whatever_it_is() -> None:
    # A nested repetition would take until the end of the world for this one.
    with pytest.raises(UnfitError):
        server("http://" + "a" * 60 + "!" + "a" * 60)


def test_the_path_of_a_socket_has_a_limit() -> None:
    assert server("unix:/" + "x" * 106).unix == "/" + "x" * 106
    with pytest.raises(UnfitError):
        server("unix:/" + "x" * 107)


def test_networks() -> None:
    assert network("10.0.0.0/8") == ip_network("10.0.0.0/8")
    assert network("10.0.0.5") == ip_network("10.0.0.5/32")
    assert network("::1") == ip_network("::1/128")
    with pytest.raises(UnfitError) as refusal:
        network("10.0.0.5/8")
    assert refusal.value.suggestion == "10.0.0.0/8"
    for wrong in ("", "x", "10.0.0.0/33", 5, None):
        with pytest.raises(UnfitError):
            network(wrong)


def test_an_origin_is_kept_as_browsers_send_it() -> None:
    assert origin("https://App.Example.com") == "https://app.example.com"
    assert origin("https://app.example.com:443") == "https://app.example.com"
    assert origin("http://[::1]:8080") == "http://[::1]:8080"
    assert origin("null") == "null"
    assert origin("same") == "same"
    assert origin("*") == "*"
    for wrong in (
        "app.example.com",
        "https://a/",
        "ws://a",
        "https://a?b",
        "Same",
        "any",
        "**",
        "",
        5,
    ):
        with pytest.raises(UnfitError):
            origin(wrong)

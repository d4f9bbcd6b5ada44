"""Keys of routes: host, path, and whether they can match. (Refusals: tests/cases/config.)"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.problems import UnfitError
from daarion_gw.config.route_keys import check_path, normalised, parse_key


@pytest.mark.parametrize(
    ("key", "host", "path"),
    [
        ("/", None, "/"),
        ("/api/", None, "/api/"),
        ("/status", None, "/status"),
        ("/a%2Fb/", None, "/a%2Fb/"),
        ("/.well-known/", None, "/.well-known/"),
        ("/~joe/@a;b=c,d:e/", None, "/~joe/@a;b=c,d:e/"),
        ("/healthz/", None, "/healthz/"),
        ("App.Example.com/shop/", "app.example.com", "/shop/"),
        ("localhost/", "localhost", "/"),
        ("10.0.0.5/x", "10.0.0.5", "/x"),
        ("[::1]/x/", "::1", "/x/"),
        # A host beats no host: the gateway's own path stands for all hosts.
        ("app.example.com/healthz", "app.example.com", "/healthz"),
    ],
)
def test_a_key_is_a_host_and_a_path(key: str, host: str | None, path: str) -> None:
    assert parse_key(key) == (host, path)


@pytest.mark.parametrize("key", ["", "api", "/healthz", "a:80/x", "[::1]:80/x", "[x]/y", "*.a/x"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UnfitError):
        parse_key(key)


@given(st.text(alphabet="/.%2Fa~ ?#é", max_size=12).map(lambda rest: "/" + rest))
def test_a_path_is_good_or_its_normal_form_is_suggested(path: str) -> None:
    try:
        check_path(path, path)
    except UnfitError as refusal:
        if refusal.suggestion is not None:
            check_path(refusal.suggestion, refusal.suggestion)
    else:
        assert normalised(path) == path

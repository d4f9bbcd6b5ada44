"""``tls: {acme: …}``: what is taken, and what it becomes."""

import json

import pytest

from daarion_gw.config.acme import DIRECTORIES, STATE
from daarion_gw.config.load import ConfigurationError, load


def loaded(acme, folder):
    (folder / "g.yaml").write_text(json.dumps({"tls": {"acme": acme}, "routes": {}}))
    return load("g.yaml", {}, folder).tls.acme


def mistakes(acme, folder):
    with pytest.raises(ConfigurationError) as error:
        loaded(acme, folder)
    return [str(problem).partition(": ")[2] for problem in error.value.problems]


def test_domains_are_enough(tmp_path):
    acme = loaded({"domains": "App.Example.com."}, tmp_path)
    assert acme.domains == ("app.example.com",)
    assert acme.directory == DIRECTORIES["letsencrypt"]
    assert (acme.email, acme.ca, acme.challenge, acme.state) == (None, None, "auto", STATE)


def test_none_is_none(tmp_path):
    assert loaded(None, tmp_path) is None


@pytest.mark.parametrize("name", ["a.b", "localhost", "xn--e1a.xn--p1ai", "1.a", f"{'a' * 63}.b"])
def test_names(name, tmp_path):
    assert loaded({"domains": [name]}, tmp_path).domains == (name,)


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", "-a.b", "a-.b", "a b", "a/b", "../a", "a.b:443", "[::1]", "https://a.b",
     f"{'a' * 64}.b", ".".join(["a" * 60] * 5), "10.0.0.1", "a\n"],
)  # fmt: skip
def test_no_names(name, tmp_path):
    assert len(mistakes({"domains": [name]}, tmp_path)) == 1


def test_a_wildcard_is_told_what_it_would_take(tmp_path):
    (mistake,) = mistakes({"domains": ["*.example.com"]}, tmp_path)
    assert "dns-01" in mistake
    assert "certificates:" in mistake


def test_a_name_in_other_letters_is_told_how_it_is_written(tmp_path):
    (mistake,) = mistakes({"domains": ["приклад.укр"]}, tmp_path)
    assert mistake.endswith('did you mean "xn--80aikifvh.xn--j1amh"?')


def test_a_name_that_stands_there_twice(tmp_path):
    (mistake,) = mistakes({"domains": ["a.b", "A.b."]}, tmp_path)
    assert "twice" in mistake


def test_well_known_directories_have_names(tmp_path):
    words = {"domains": "a.b", "directory": "letsencrypt-staging"}
    assert loaded(words, tmp_path).directory == DIRECTORIES["letsencrypt-staging"]


@pytest.mark.parametrize("url", ["http://ca.example/", "https://", "ca.example", "https://a:b", 7])
def test_a_directory_is_asked_over_https_alone(url, tmp_path):
    assert len(mistakes({"domains": "a.b", "directory": url}, tmp_path)) == 1


@pytest.mark.parametrize("acme", ["ops@example.com", True, ["a.b"]])
def test_it_is_a_mapping(acme, tmp_path):
    assert len(mistakes(acme, tmp_path)) == 1


def test_workers_get_it_as_it_is(tmp_path):
    (tmp_path / "g.yaml").write_text("tls: {acme: {domains: a.b, retry: 5m}}\nroutes: {}\n")
    settings = load("g.yaml", {}, tmp_path)
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings

"""Loading again: which changes of which files are noticed, and when they count as done."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.front.loading import Loading
from tests.support.authority import Authority

FILE = "routes: {/api/: '${URL:-http://127.0.0.1:1}'}\n"


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    (tmp_path / "gateway.yaml").write_text(FILE)
    loading = Loading("gateway.yaml", {}, tmp_path)
    loading()
    return loading


def looks(loading: Loading, times: int = 3) -> list[bool]:
    return [loading.has_changed() for _ in range(times)]


def test_nothing_changes_by_being_looked_at(loading: Loading) -> None:
    assert looks(loading) == [False] * 3


def replace(file: Path, text: str) -> None:
    """As editors do it: a new file in the place of the old one."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def same_size(file: Path) -> None:
    before = file.stat()
    replace(file, file.read_text().replace("/api/", "/abc/"))
    assert file.stat().st_size == before.st_size


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text(FILE + "# more\n"),
        lambda file: replace(file, FILE),
        same_size,
        lambda file: (file.parent / ".env").write_text("URL=http://127.0.0.1:2\n"),
    ],
)
def test_a_change_counts_when_it_is_the_same_at_two_looks(
    loading: Loading, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    looks(loading)
    change(tmp_path / "gateway.yaml")
    assert looks(loading) == [False, True, True]
    loading()
    assert looks(loading) == [False] * 3


def test_one_that_goes_on_is_waited_for(loading: Loading, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    for number in range(4):
        file.write_text(FILE + "#" * number + "more\n")
        assert not loading.has_changed()
    assert loading.has_changed()


def test_a_file_that_is_away_is_about_to_come_back(loading: Loading, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.unlink()
    assert looks(loading) == [False] * 3
    file.write_text(FILE + "# again\n")
    assert looks(loading, 2) == [False, True]


def test_a_change_while_it_is_read_is_not_missed(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("routes: {/a/: '${URL}'}\n")

    class Changing(dict):
        def __contains__(self, name: object) -> bool:
            file.write_text("routes: {/a/: 'http://127.0.0.1:1', /b/: 'http://127.0.0.1:1'}\n")
            return super().__contains__(name)

    loading = Loading("gateway.yaml", Changing(URL="http://127.0.0.1:1"), tmp_path)
    assert len(loading().routes) == 1
    assert looks(loading, 2) == [False, True]


def test_files_that_values_stand_in_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://127.0.0.1:1")
    (tmp_path / "gateway.yaml").write_text("routes: {/a/: '${file:url}'}\n")
    loading = Loading("gateway.yaml", {}, tmp_path)
    loading()
    (tmp_path / "url").write_text("http://127.0.0.1:22")
    assert looks(loading, 2) == [False, True]


def test_what_mends_a_file_that_did_not_load_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("routes: {/a/: '${file:url}'}\n")
    loading = Loading("gateway.yaml", {}, tmp_path)
    with pytest.raises(ConfigurationError):
        loading()
    assert looks(loading) == [False] * 3, "the mistake is told once"
    (tmp_path / "url").write_text("http://127.0.0.1:1")
    assert looks(loading, 2) == [False, True]


def test_a_file_in_a_place_that_comes_first_is_a_change(tmp_path: Path) -> None:
    loading = Loading(None, {}, tmp_path)
    loading()
    (tmp_path / "gateway.yaml").write_text(FILE)
    assert looks(loading, 2) == [False, True]


def test_what_servers_are_to_be_shown_is_tried(tmp_path: Path) -> None:
    """OpenSSL has demands of its own, on sizes."""
    own = Authority(tmp_path).issue("gateway.example", key=rsa.generate_private_key(65537, 1024))
    tls = f"{{cert: {own.cert}, key: {own.key}}}"
    (tmp_path / "gateway.yaml").write_text(
        f"routes: {{/api/: {{to: {{url: 'https://a:1', tls: {tls}}}}}}}\n"
    )
    with pytest.raises(ConfigurationError, match="OpenSSL does not take it: ee key too small"):
        Loading("gateway.yaml", {}, tmp_path)()

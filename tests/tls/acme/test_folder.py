"""The state folder: who may read it, what changes at once, and what is never lost."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daarion_gw.tls.acme.folder import ALPN, CHAIN, HTTP, KEPT, KEY, StateFolder, write

NAME = "app.example.com"
CA = "https://ca.example/directory"


@pytest.fixture
def folder(tmp_path):
    made = StateFolder(tmp_path / "state")
    made.prepare()
    return made


def test_nobody_else_may_read_any_of_it(folder):
    folder.install(NAME, b"chain", b"key")
    folder.keep_account(CA, {"key": "secret"})
    folder.keep_plans({NAME: {}})
    folder.publish(HTTP, "token", b"answer")
    folder.publish(ALPN, NAME, b"pem")
    assert folder.take_lock()
    found = [folder.root, *folder.root.rglob("*")]
    assert len(found) > 15
    for path in found:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path


def test_no_umask_opens_it(tmp_path):
    before = os.umask(0)
    try:
        made = StateFolder(tmp_path / "state")
        made.prepare()
        test_nobody_else_may_read_any_of_it(made)
    finally:
        os.umask(before)


def test_certificate_and_key_change_together(folder):
    folder.install(NAME, b"chain 1", b"key 1")
    place = folder.certificates / NAME
    old = os.open(place, os.O_RDONLY)
    folder.install(NAME, b"chain 2", b"key 2")
    assert folder.chain(NAME) == b"chain 2"
    assert (place / KEY).read_bytes() == b"key 2"
    # Whoever was in the middle of reading has the old pair still.
    for file, content in ((CHAIN, b"chain 1"), (KEY, b"key 1")):
        assert os.read(os.open(file, os.O_RDONLY, dir_fd=old), 100) == content
    os.close(old)


def test_the_last_ones_are_kept_and_no_more(folder):
    for number in range(5):
        folder.install(NAME, b"chain %d" % number, b"key")
    kept = sorted((folder.root / "issued" / NAME).iterdir())
    assert [(each / CHAIN).read_bytes() for each in kept] == [b"chain 3", b"chain 4"]
    assert len(kept) == KEPT
    assert [each.name for each in folder.certificates.iterdir()] == [NAME]


def test_one_that_cannot_be_written_leaves_the_old_one(folder, monkeypatch):
    folder.install(NAME, b"chain 1", b"key 1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.install(NAME, b"chain 2", b"key 2")
    monkeypatch.undo()
    assert folder.chain(NAME) == b"chain 1"
    assert (folder.certificates / NAME / KEY).read_bytes() == b"key 1"
    folder.install(NAME, b"chain 3", b"key 3")
    assert folder.chain(NAME) == b"chain 3"


def test_a_file_is_there_whole_or_as_it_was(folder, monkeypatch):
    file = folder.root / "plans.json"
    write(file, b"old")

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="Input/output"):
        write(file, b"new")
    monkeypatch.undo()
    assert file.read_bytes() == b"old"


def test_what_was_kept_is_found_again(folder):
    assert folder.account(CA) == {}
    folder.keep_account(CA, {"key": "k", "uri": "u"})
    folder.keep_plans({NAME: {"at": 1.0}})
    again = StateFolder(folder.root)
    assert again.account(CA) == {"key": "k", "uri": "u"}
    assert again.account("https://other.example/") == {}
    assert again.plans() == {NAME: {"at": 1.0}}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_file_that_is_not_understood_is_none(folder, content):
    write(folder.root / "plans.json", content)
    assert folder.plans() == {}


def test_challenges_of_a_process_that_has_ended_are_taken_away(folder):
    folder.publish(HTTP, "token", b"answer")
    folder.publish(ALPN, NAME, b"pem")
    folder.clear_challenges()
    assert not list(folder.tokens.iterdir()) + list(folder.alpn.iterdir())


def test_one_process_asks_until_it_ends(folder):
    program = (
        "import sys; from pathlib import Path; from daarion_gw.tls.acme.folder import StateFolder\n"
        "print(StateFolder(Path(sys.argv[1])).take_lock(), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, folder.root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"True\n"
    assert not folder.take_lock()
    other.kill()
    other.communicate()
    assert folder.take_lock()
    assert folder.take_lock()
    second = StateFolder(folder.root)
    assert not second.take_lock()
    folder.release()
    assert second.take_lock()

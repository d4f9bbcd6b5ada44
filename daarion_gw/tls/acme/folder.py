"""The state folder: keys, accounts, certificates, plans, and challenges that are pending.

    accounts/ID.json                     the account at one directory, with its key
    certificates/NAME -> ../issued/…     what is served: fullchain.pem, privkey.pem
    issued/NAME/0007/                    a certificate as it came; the one before it is kept
    challenges/http-01/TOKEN             what is answered to that token
    challenges/tls-alpn-01/NAME.pem      what is shown to whoever offers acme-tls/1
    plans.json                           when each is renewed, and what went wrong
    lock                                 held by the one process that asks

Folders are 0700 and files 0600. A file is written whole and then put in its place; certificate
and key change together, as what is changed is one link.
"""

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

CHAIN, KEY = "fullchain.pem", "privkey.pem"
HTTP, ALPN = "http-01", "tls-alpn-01"
# How many of a name's certificates are kept: the last, and the one before it.
KEPT = 2


class StateFolder:
    """Everything below ``root``; all methods raise OSError, naming the file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.certificates = root / "certificates"
        self.tokens = root / "challenges" / HTTP
        self.alpn = root / "challenges" / ALPN
        self._issued = root / "issued"
        self._accounts = root / "accounts"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make all that is not there, and see that it can be written."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = (self.certificates, self._issued, self._accounts, self.tokens.parent, self.tokens)
        for part in (*parts, self.alpn):
            part.mkdir(mode=0o700, exist_ok=True)
        probe = self.root / f".probe.{os.getpid()}"
        write(probe, b"")
        probe.unlink()

    # certificates

    def chain(self, name: str) -> bytes | None:
        """The certificate that is served for ``name``, with its chain, in PEM form."""
        try:
            return (self.certificates / name / CHAIN).read_bytes()
        except FileNotFoundError:
            return None

    def install(self, name: str, chain: bytes, key: bytes) -> None:
        """Serve this certificate for ``name`` from now on."""
        numbers = self._numbers(name)
        folder = self._issued / name / f"{max(numbers, default=0) + 1:04}"
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        write(folder / KEY, key)
        write(folder / CHAIN, chain)
        _sync(folder)
        link = self.certificates / f".{name}.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..", "issued", name, folder.name))
        link.replace(self.certificates / name)
        _sync(self.certificates)
        for number in sorted(numbers)[: -(KEPT - 1)]:
            shutil.rmtree(self._issued / name / f"{number:04}", ignore_errors=True)

    def _numbers(self, name: str) -> list[int]:
        try:
            found = [each.name for each in (self._issued / name).iterdir()]
        except FileNotFoundError:
            return []
        return [int(each) for each in found if each.isdigit()]

    # accounts and plans

    def account(self, directory: str) -> dict[str, Any]:
        """What was kept of the account at ``directory``; nothing, if there is none."""
        found = _json(self._account(directory))
        return found if isinstance(found, dict) else {}

    def keep_account(self, directory: str, account: dict[str, Any]) -> None:
        """Keep it for the next time."""
        write(self._account(directory), json.dumps(account, indent=1).encode())

    def _account(self, directory: str) -> Path:
        return self._accounts / f"{hashlib.sha256(directory.encode()).hexdigest()[:16]}.json"

    def plans(self) -> dict[str, Any]:
        """What was kept of plans, by name. A file that cannot be understood is none."""
        found = _json(self.root / "plans.json")
        return found if isinstance(found, dict) else {}

    def keep_plans(self, plans: dict[str, Any]) -> None:
        """Keep them for the next start."""
        write(self.root / "plans.json", json.dumps(plans, indent=1).encode())

    # challenges

    def publish(self, kind: str, name: str, content: bytes) -> Path:
        """Let every process answer a challenge; ``name`` is a token, or a domain."""
        file = self.tokens / name if kind == HTTP else self.alpn / f"{name}.pem"
        write(file, content)
        return file

    def clear_challenges(self) -> None:
        """Those that are still there are of a process that has ended."""
        for folder in (self.tokens, self.alpn):
            for file in folder.iterdir():
                file.unlink(missing_ok=True)

    # who asks

    def take_lock(self) -> bool:
        """Whether this process is the one that asks; it is until `release`, or its end."""
        if self._lock is None:
            file = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            except OSError:
                os.close(file)
                raise
            self._lock = file
        return True

    def release(self) -> None:
        """Let another process ask."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def write(file: Path, content: bytes) -> None:
    """Put a file with ``content`` in its place, whole, for its owner alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(descriptor)
    fresh.replace(file)


def _sync(folder: Path) -> None:
    """What a folder lists is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None

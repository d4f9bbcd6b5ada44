"""``/.well-known/acme-challenge/TOKEN`` (RFC 8555 8.3): what a certificate authority asks for.

Answered for every host and before any route, from the files of whoever asks for certificates:
this gateway (`daarion_gw.tls.acme`), or another program that was told of a webroot (certbot). A
token that none of them has goes the way of every other path.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any, Self

from twisted.web.pages import notFound
from twisted.web.resource import Resource

from daarion_gw.config.tls import TLS
from daarion_gw.wire.target import path_of

from .error_page import refuse_method
from .routing import Miss
from .tree import ProxyResource, Root

PREFIX = b"/.well-known/acme-challenge/"
# Letters of base64url: no path can be made of them. Authorities send 43.
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,200}")
# A token, a dot and a thumbprint are 87 bytes.
_LONGEST = 4096


def folders_of(tls: TLS) -> tuple[Path, ...]:
    """Where the answers lie, by the settings."""
    folders = []
    if tls.acme is not None:
        folders.append(Path(tls.acme.state, "challenges", "http-01"))
    if tls.acme_webroot is not None:
        folders.append(Path(tls.acme_webroot, ".well-known", "acme-challenge"))
    return tuple(folders)


def new_root(tls: TLS) -> Root:
    """An empty tree; where nobody asks for certificates it pays nothing for it."""
    folders = folders_of(tls)
    return _AnsweringRoot(folders) if folders else Root()


class _AnsweringRoot(Root):
    """Knows the tokens before it looks for a route."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__()
        self._folders = folders

    def find(self, host: bytes | None, target: bytes) -> ProxyResource | Self | Miss:
        if target.startswith(PREFIX) and answer_to(target, self._folders) is not None:
            return self
        return super().find(host, target)

    def body_limit(self, target: bytes) -> int:
        return _Answer.max_body if target.startswith(PREFIX) else super().body_limit(target)

    def getChild(self, path: bytes, request: Any) -> Any:
        # No child of a name: that would take all of /.well-known/ from the routes.
        if request.uri.startswith(PREFIX):
            return _Answer(self._folders)
        return super().getChild(path, request)


class _Answer(Resource):
    isLeaf = True
    max_body = 0

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__()
        self._folders = folders

    def render_GET(self, request: Any) -> Any:
        content = answer_to(request.uri, self._folders)
        if content is None:
            # It went in this moment.
            missing: Any = notFound()
            return missing.render(request)
        request.setHeader(b"Content-Type", b"application/octet-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        return content

    def render(self, request: Any) -> Any:
        if request.method in (b"GET", b"HEAD"):
            return super().render(request)
        return refuse_method(request, "A challenge takes GET and HEAD.")


def answer_to(target: bytes, folders: tuple[Path, ...]) -> bytes | None:
    """What is to be answered to ``target``, in origin-form; None when nobody knows its token."""
    token = path_of(target)[len(PREFIX) :]
    if not _TOKEN.fullmatch(token):
        return None
    name = token.decode("ascii")
    return next((found for folder in folders if (found := _read(folder / name))), None)


def _read(file: Path) -> bytes | None:
    """A small ordinary file; a link, or anything else that lies there, is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        is_fit = stat.S_ISREG(found.st_mode) and found.st_size <= _LONGEST
        return os.read(descriptor, _LONGEST) if is_fit else None
    finally:
        os.close(descriptor)

"""The signed cookie that brings a client back to the server that it had. Pure.

What stands in the cookie is the server's mark: a MAC over its address. Only who has the secret
can make one, or find out whose it is; and there is nothing else in it that could be read.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from daarion_gw.config.resilience import Sticky
from daarion_gw.wire.request import RequestHead

from .balance import cookies

if TYPE_CHECKING:
    from .member import Member

# A client may send the cookie of each of several paths; more than these are nobody's.
_AT_MOST = 8


class Stickiness:
    """Who is bound to which of an upstream's servers.

    secret: taken where the settings have none.
    """

    def __init__(
        self, sticky: Sticky, upstream: str, members: Sequence["Member"], secret: bytes
    ) -> None:
        key = sticky.secret.encode() if sticky.secret is not None else secret
        self._name = sticky.cookie.encode("ascii")
        self._age = b"; Max-Age=%d" % sticky.max_age if sticky.max_age else b""
        self._marks = [(_mark(key, upstream, member.server.url), member) for member in members]

    def bound(self, head: RequestHead) -> "Member | None":
        """The server that the client had; None without a cookie, and with one of others."""
        for sent in cookies(head, self._name)[:_AT_MOST]:
            for mark, member in self._marks:
                if hmac.compare_digest(mark, sent):
                    return member
        return None

    def line(self, head: RequestHead, member: "Member", path: str, secure: bool) -> bytes:
        """The Set-Cookie line that binds the client to ``member``; empty if it is already.

        path: of the route. secure: whether the client came over TLS.
        """
        if self.bound(head) is member:
            return b""
        mark = next(mark for mark, known in self._marks if known is member)
        return b"Set-Cookie: %b=%b; Path=%b%b; HttpOnly; SameSite=Lax%b\r\n" % (
            self._name,
            mark,
            _cookie_path(path),
            self._age,
            b"; Secure" if secure else b"",
        )


def _mark(key: bytes, upstream: str, url: str) -> bytes:
    mac = hmac.digest(key, f"sticky\n{upstream}\n{url}".encode(), sha256)
    return urlsafe_b64encode(mac).rstrip(b"=")


def _cookie_path(path: str) -> bytes:
    """``path``, or as much of it as a cookie can name: a semicolon would end it."""
    before, semicolon, _ = path.partition(";")
    return (before.rpartition("/")[0] + "/" if semicolon else path).encode("ascii")

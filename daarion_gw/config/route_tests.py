"""What stands under ``tests:``: where a request must lead.

The settings and the form in which they are written. Who tries them stands above: it takes the
code that routes traffic.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, model_validator

from daarion_gw.config.model import Model
from daarion_gw.config.problems import UnfitError

URL = "a path such as /api/x?y=1, or a URL such as http://app.example.com/shop/"
METHOD = "a method such as GET or POST"
STATUS = "a status such as 404"
EXPECTATIONS = ("route", "upstream", "target", "status")
A_TEST = f"a mapping with url: and at least one of {', '.join(EXPECTATIONS)}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Nothing else may stand in a request's target.
_VISIBLE = re.compile(r"[!-~]+")


class RouteTest(Model):
    """One request and what must become of it; what is None is not looked at.

    ``url``: a path with its query, or an absolute URL. ``route``: the key of the route that takes
    it, as written in the file. ``upstream``: a name. ``target``: as the upstream's first server
    gets it. ``status``: what the gateway itself answers. ``line`` and ``column``: where the test
    stands in the file. ``hidden``: some of it came out of a variable, and is not to be shown.
    """

    url: str
    method: str = "GET"
    route: str | None = None
    upstream: str | None = None
    target: str | None = None
    status: int | None = None
    line: int = 1
    column: int = 1
    hidden: bool = False


def _url(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UnfitError(URL)
    if not _VISIBLE.fullmatch(value):
        raise UnfitError(URL, reason="it holds a character that stands percent-encoded in a URL")
    host, _ = split(value)
    if host == "" or (not value.startswith("/") and host is None):
        raise UnfitError(URL, reason="it is neither a path nor a URL with a host")
    if "#" in value:
        raise UnfitError(URL, reason="what follows a # never leaves the browser")
    return value


def split(url: str) -> tuple[str | None, str]:
    """Host with its port (None for a path alone) and target of a test's URL."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https", "ws", "wss"):
        return None, url
    try:
        host = urlsplit(url).netloc
    except ValueError:
        # Brackets around what is no address.
        return "", url
    target = rest[len(host) :]
    return host.rpartition("@")[2], target if target.startswith("/") else f"/{target}"


def _method(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UnfitError(METHOD)
    if value != value.upper():
        raise UnfitError(METHOD, suggestion=value.upper())
    return value


def _status(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 599:
        raise UnfitError(STATUS)
    return value


class WrittenTest(Model):
    """An entry of ``tests:``."""

    url: Annotated[str, BeforeValidator(_url)]
    method: Annotated[str, BeforeValidator(_method)] = "GET"
    route: str | None = None
    upstream: str | None = None
    target: str | None = None
    status: Annotated[int | None, BeforeValidator(_status)] = None

    @model_validator(mode="after")
    def _expects_something(self) -> WrittenTest:
        if all(getattr(self, name) is None for name in EXPECTATIONS):
            raise UnfitError(A_TEST, reason="it expects nothing")
        return self

    def settings(self, line: int, column: int, hidden: bool) -> RouteTest:
        """The same, with its place in the file."""
        return RouteTest(**self.model_dump(), line=line, column=column, hidden=hidden)

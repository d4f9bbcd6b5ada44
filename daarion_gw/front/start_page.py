"""The page at `/`: the services behind the gateway, their paths, whether each answers now.

It is given the rows and the probe; it knows neither settings nor routes. It works
without JavaScript; its script only keeps it fresh.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from daarion_gw.front import error_page
from daarion_gw.front.start_probe import Answer, CachedProbe, Probe, ServiceRow, treq_probe
from daarion_gw.front.start_texts import LANGUAGES, Texts, preferred_language

__all__ = ["Answer", "CachedProbe", "Probe", "ServiceRow", "StartPage", "treq_probe"]

log = Logger()

Checked = Sequence[tuple[ServiceRow, Answer]]


def _asset(name: str) -> str:
    return files("daarion_gw.front").joinpath("assets", name).read_text("utf-8")


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


_PAGE = Template(_asset("start_page.html"))
_ROW = Template(_asset("start_row.html"))
_STYLE = _asset("start_page.css")
_SCRIPT = _asset("start_page.js")

# Style and script stand inside the page, so one answer is all of it; nothing that
# could be smuggled in beside them runs, and nothing is fetched but this address.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src {_source_hash(_STYLE)}",
        f"script-src {_source_hash(_SCRIPT)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class StartPage(Resource):
    """GET and HEAD; HTML, or JSON where Accept prefers it or the query says `format=json`.

    `services` gives the rows of the configuration in force; `probe` says whether a row
    answers; `is_trusted` tells who may see the addresses of servers.
    """

    isLeaf = True
    max_body = 0

    def __init__(
        self,
        services: Callable[[], Sequence[ServiceRow]],
        probe: Probe,
        is_trusted: Callable[[Request], bool] = lambda _request: False,
    ) -> None:
        super().__init__()
        self._services = services
        self._probe = probe
        self._is_trusted = is_trusted

    def render(self, request: Request) -> bytes | int:
        if request.method not in (b"GET", b"HEAD"):
            return error_page.refuse_method(request, "The start page takes GET and HEAD.")
        gone: list[object] = []
        # The answers are kept for the next one who asks: nothing is cancelled.
        request.notifyFinish().addErrback(gone.append)
        answered = Deferred.fromCoroutine(self._answer(request, gone))
        answered.addErrback(lambda failure: log.failure("The start page failed", failure))
        return NOT_DONE_YET

    async def _answer(self, request: Request, gone: list[object]) -> None:
        rows = list(self._services())
        asked = [Deferred.fromCoroutine(self._ask(row)) for row in rows]
        checked = list(zip(rows, await gatherResults(asked), strict=True))
        if gone:
            return
        texts = LANGUAGES[_language(request)]
        trusted = self._is_trusted(request)
        now = datetime.now(UTC)
        if _wants_json(request):
            content_type, body = "application/json", _json(checked, texts, trusted, now)
        else:
            content_type, body = "text/html; charset=utf-8", _html(checked, texts, trusted, now)
            request.setHeader("content-security-policy", CONTENT_SECURITY_POLICY)
        request.setHeader("content-type", content_type)
        request.setHeader("content-language", texts.lang)
        request.setHeader("cache-control", "no-store")
        request.setHeader("vary", "Accept, Accept-Language")
        request.setHeader("content-length", str(len(body)))
        request.write(body)
        request.finish()

    async def _ask(self, row: ServiceRow) -> Answer:
        try:
            return await self._probe(row)
        except Exception:
            log.failure("Could not ask {row.name} whether it answers", row=row)
            return Answer(False, "could not be asked")


def _parameter(request: Request, name: bytes) -> str:
    values: list[bytes] = (request.args or {}).get(name, [b""])
    return values[0].decode("latin-1")


def _wants_json(request: Request) -> bool:
    wanted = _parameter(request, b"format")
    if wanted in ("json", "html"):
        return wanted == "json"
    html, plain = error_page.preferences(request.getHeader(b"accept"))
    return plain > html


def _language(request: Request) -> str:
    asked = _parameter(request, b"lang")
    if asked in LANGUAGES:
        return asked
    return preferred_language(request.getHeader("accept-language"))


def _json(checked: Checked, texts: Texts, trusted: bool, now: datetime) -> bytes:
    services = []
    for row, answer in checked:
        service: dict[str, Any] = {
            "path": row.path,
            "name": row.name,
            "protocol": row.protocol,
            "link": row.link,
            "answers": answer.answers,
            "detail": texts.detail(answer.detail),
        }
        if trusted:
            service["servers"] = [server.url for server in row.servers]
        services.append(service)
    status = {
        "answering": sum(answer.answers for _row, answer in checked),
        "checked": _iso(now),
        "services": services,
    }
    return json.dumps(status, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"


def _html(checked: Checked, texts: Texts, trusted: bool, now: datetime) -> bytes:
    answering = sum(answer.answers for _row, answer in checked)
    rows = [_row(row, answer, texts, trusted) for row, answer in checked]
    page = _PAGE.substitute(
        {name: escape(text) for name, text in texts.words().items()},
        lang=texts.lang,
        uk_is_current=_current(texts.lang == "uk"),
        en_is_current=_current(texts.lang == "en"),
        counted=texts.counted(answering, len(checked)) if checked else "",
        rows="\n".join(rows) or f'<li class="empty">{escape(texts.nothing)}</li>',
        iso=_iso(now),
        clock=f"{now:%H:%M:%S} UTC",
        style=_STYLE,
        script=_SCRIPT,
    )
    return page.encode("utf-8", "replace")


def _row(row: ServiceRow, answer: Answer, texts: Texts, trusted: bool) -> str:
    path = escape(row.path)
    servers = row.servers if trusted else ()
    return _ROW.substitute(
        state="up" if answer.answers else "down",
        path=path,
        title=path if row.link is None else f'<a href="{escape(row.link)}">{path}</a>',
        name=escape(row.name),
        protocol=escape(row.protocol),
        servers="".join(f'<span class="server">{escape(server.url)}</span>' for server in servers),
        word=escape(texts.up if answer.answers else texts.down),
        detail=escape(texts.detail(answer.detail)),
    ).strip()


def _current(is_current: bool) -> str:
    return ' aria-current="true"' if is_current else ""


def _iso(moment: datetime) -> str:
    return re.sub(r"\.\d+", "", moment.isoformat()).replace("+00:00", "Z")

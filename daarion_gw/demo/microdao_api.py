"""Stand-in for microdao-api: a JSON API whose paths show what a gateway does to a request."""

import hashlib
from typing import Any

from twisted.internet.task import deferLater
from twisted.web.server import Request

from daarion_gw.demo.answers import Content, Outlet, Refusal, Service, body_piece, number, redirect

BLOCK = b"daarion " * 8192  # 64 KiB, the size of one write of /bytes
TEXT_LIMIT = 4096  # a body up to this many bytes is echoed whole, a longer one as its digest


def microdao_api(reactor: Any) -> Service:
    """The service, on `reactor`'s clock."""

    async def echo(request: Request) -> Content:
        path, _, query = request.uri.partition(b"?")
        return {
            "method": request.method.decode("latin-1"),
            "path": path.decode("latin-1"),
            "query": query.decode("latin-1"),
            "headers": _headers(request),
            "body": await _body(request, reactor),
        }

    async def slow(request: Request) -> Content:
        seconds = number(request, "s", 1, 3600)
        await deferLater(reactor, seconds)
        return {"slept": seconds}

    async def stream(request: Request) -> Content:
        lines = int(number(request, "n", 10, 1_000_000))
        request.setHeader("content-type", "text/plain; charset=utf-8")
        if request.method == b"HEAD":
            return b""
        outlet = Outlet(request)
        for line in range(1, lines + 1):
            await outlet.send(b"line %d of %d\n" % (line, lines))
            if line < lines:
                await deferLater(reactor, 0.2)
        outlet.close()
        return None

    service = Service(
        {
            "GET /": lambda _request: {"service": "microdao-api", "paths": service.index()},
            "GET /health": lambda _request: {"status": "ok"},
            "* /echo": echo,
            "* /echo/*": echo,
            "GET /slow": slow,
            "GET /stream": stream,
            "GET /bytes": _bytes,
            "* /status/*": _status,
            "GET /redirect": redirect("/health"),
            "GET /cookie": _cookie,
        }
    )
    return service


def _headers(request: Request) -> list[list[str]]:
    """The header lines as name and value; repeated names stay repeated."""
    return [
        [name.decode("latin-1"), value.decode("latin-1")]
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    ]


async def _body(request: Request, reactor: Any) -> dict[str, Any]:
    digest, length, block = hashlib.sha256(), 0, b""
    while piece := body_piece(request):
        block = piece
        length += len(piece)
        digest.update(piece)
        # The gateway may live in this process: let it work between two pieces.
        await deferLater(reactor, 0)
    found: dict[str, Any] = {"length": length, "sha256": digest.hexdigest()}
    if length <= TEXT_LIMIT:
        found["text"] = block.decode("utf-8", "replace")
    return found


async def _bytes(request: Request) -> Content:
    left = int(number(request, "n", 1024, 1 << 40))
    request.setHeader("content-type", "application/octet-stream")
    request.setHeader("content-length", str(left))
    if request.method == b"HEAD" or not left:
        request.write(b"")
        return None
    outlet = Outlet(request)
    while left:
        piece = BLOCK[:left]
        await outlet.send(piece)
        left -= len(piece)
    outlet.close()
    return None


def _status(request: Request) -> Content:
    text = request.path.rpartition(b"/")[2].decode("latin-1")
    if not (text.isascii() and text.isdigit() and 200 <= int(text) <= 599):
        raise Refusal(400, f"{text}: expected a status from 200 to 599.")
    request.setResponseCode(int(text))
    if text in ("204", "304"):
        return None  # RFC 9110 8.6: a 204 carries no Content-Length
    return b"" if text == "205" else {"status": int(text)}


def _cookie(request: Request) -> Content:
    request.addCookie("visited", "yes", path="/", httpOnly=True, sameSite="lax")
    return {"cookie": "visited", "received": request.getHeader("cookie")}

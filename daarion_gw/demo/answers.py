"""A very small JSON service on Twisted Web: paths to functions, and answers that stream.

What every stand-in is made of. It knows no particular service, and it is not how the
gateway answers: a stand-in is an upstream, so it may store a request body first.
"""

import json
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

Content = bytes | dict[str, Any] | None
Action = Callable[[Request], Content | Coroutine[Any, Any, Content]]
PlainAction = Callable[[Request], Content]

log = Logger()


class Refusal(Exception):  # noqa: N818 - not an error of ours
    """The request cannot be served: the status and a sentence for the client."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Service(Resource):
    """Serves `{"GET /path": action}`; `*` stands for any method, or for any rest of a path.

    An action returns JSON (dict), finished bytes, or None where it wrote the answer
    itself; it may be a coroutine. `sockets` maps paths to the resources that take
    `Upgrade: websocket` requests.
    """

    isLeaf = True

    def __init__(
        self, paths: Mapping[str, Action], sockets: Mapping[str, IResource] | None = None
    ) -> None:
        super().__init__()
        self.paths = dict(paths)
        self.sockets = dict(sockets or {})

    def render(self, request: Request) -> int:
        path = request.path.decode("latin-1")
        if (request.getHeader("upgrade") or "").lower() == "websocket":
            socket = _longest(self.sockets, path)
            if socket is not None:
                return socket.render(request)
        running = Deferred.fromCoroutine(self._answer(request, path))
        # The client has gone: stop whatever still runs for it.
        request.notifyFinish().addErrback(lambda _gone: running.cancel())
        running.addErrback(_swallow_cancelled)
        return NOT_DONE_YET

    async def _answer(self, request: Request, path: str) -> None:
        try:
            content = self._choose(request, path)(request)
            if isinstance(content, Coroutine):
                content = await content
            if content is not None:
                _write(request, content)
        except Refusal as refusal:
            refuse(request, refusal)
        except CancelledError:
            raise
        except Exception:
            log.failure("A stand-in failed on {path}", path=path)
            refuse(request, Refusal(500, "The stand-in failed; its log says why."))
        request.finish()

    def _choose(self, request: Request, path: str) -> Action:
        method = request.method.decode("latin-1")
        known = {key.partition(" ")[0] for key in self.paths if _matches(key, path)}
        for wanted in ("GET" if method == "HEAD" else method, "*"):
            action = _longest(self.paths, f"{wanted} {path}")
            if action is not None and wanted in known:
                return action
        if known:
            request.setHeader("allow", ", ".join(sorted(known)))
            raise Refusal(405, f"{path} takes {', '.join(sorted(known))}, not {method}.")
        raise Refusal(404, f"There is no {path} here. Known: {', '.join(self.index())}.")

    def index(self) -> list[str]:
        """The paths this service knows, as written."""
        return [*self.paths, *(f"WebSocket {path}" for path in self.sockets)]


def _matches(key: str, path: str) -> bool:
    pattern = key.partition(" ")[2]
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _longest(table: Mapping[str, Any], wanted: str) -> Any:
    """The value of the exact key, else of the longest `prefix*` key, else None."""
    if wanted in table:
        return table[wanted]
    fitting = [key for key in table if key.endswith("*") and wanted.startswith(key[:-1])]
    return table[max(fitting, key=len)] if fitting else None


def _swallow_cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)


def _write(request: Request, content: bytes | dict[str, Any]) -> None:
    if isinstance(content, dict):
        request.setHeader("content-type", "application/json")
        content = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
    request.setHeader("content-length", str(len(content)))
    request.write(content)


def refuse(request: Request, refusal: Refusal) -> None:
    """Write a refusal as JSON, unless the answer has begun already."""
    if request.startedWriting:
        request.loseConnection()
        return
    request.setResponseCode(refusal.status)
    title = HTTPStatus(refusal.status).phrase
    _write(request, {"error": title, "status": refusal.status, "detail": refusal.detail})


def number(request: Request, name: str, default: float, most: float) -> float:
    """The query parameter as a number from 0 to `most`; a 400 says what is wrong with it."""
    text = request.args.get(name.encode(), [str(default).encode()])[0].decode("latin-1")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise Refusal(400, f"{name}={text}: expected a number from 0 to {most:g}.")
    return value


def body_piece(request: Request) -> bytes:
    """The next 1 MiB of the request's body, b"" at its end."""
    return b"" if request.content is None else bytes(request.content.read(1 << 20))


def body_json(request: Request) -> dict[str, Any]:
    """The request's body, a JSON object of at most 1 MiB."""
    body = body_piece(request)
    try:
        value = json.loads(body)
    except ValueError as mistake:
        raise Refusal(400, f"The body is not JSON: {mistake}.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return value


def redirect(location: str, status: int = 302) -> PlainAction:
    """An action that sends the client elsewhere."""

    def answer(request: Request) -> Content:
        request.setResponseCode(status)
        request.setHeader("location", location)
        return b""

    return answer


@cache
def _asset(name: str) -> bytes:
    return files("daarion_gw.demo").joinpath("assets", name).read_bytes()


def asset(name: str) -> PlainAction:
    """An action that serves one file of demo/assets."""
    types = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
    content_type = types[name.rpartition(".")[2]] + "; charset=utf-8"

    def answer(request: Request) -> Content:
        request.setHeader("content-type", content_type)
        return _asset(name)

    return answer


@implementer(IPushProducer)
class Outlet:
    """Writes an answer piece by piece and waits while the client does not read."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._resumed: Deferred[None] | None = None
        request.registerProducer(self, True)

    async def send(self, piece: bytes) -> None:
        """Write one piece, as soon as there is room for it."""
        if self._resumed is not None:
            await self._resumed
        self._request.write(piece)

    def close(self) -> None:
        """The last piece has been sent."""
        self._request.unregisterProducer()

    def pauseProducing(self) -> None:
        if self._resumed is None:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)

    def stopProducing(self) -> None:
        """The client has gone; `Service` cancels the action, there is nothing to do here."""

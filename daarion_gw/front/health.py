"""``/healthz``: the gateway itself is there. Says nothing about what is behind it.

``/healthz?ready`` says besides whether it should be sent more: not once it has been told to stop.
"""

from collections.abc import Callable
from typing import Any

from twisted.web.pages import notFound
from twisted.web.resource import Resource

from daarion_gw.wire.target import has_word

from .error_page import refuse_method


class Health(Resource):
    """200, ``text/plain``, ``OK`` (SPEC.md section 2); 503 when asked for ``ready`` and it is not.

    Liveness is not readiness: one that drains must not be killed for it.
    """

    max_body = 0

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__()
        self._is_ready = is_ready

    def getChild(self, path: bytes, request: Any) -> Any:
        return notFound()

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain")
        request.setHeader(b"Cache-Control", b"no-store")
        if has_word(request.uri, b"ready") and not self._is_ready():
            request.setResponseCode(503)
            request.setHeader(b"Retry-After", b"1")
            return b"draining"
        return b"OK"

    def render(self, request: Any) -> Any:
        if request.method in (b"GET", b"HEAD"):
            return super().render(request)
        return refuse_method(request, "/healthz takes GET and HEAD.")

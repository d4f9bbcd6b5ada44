"""``/healthz``: the gateway itself is there. Says nothing about what is behind it."""

from typing import Any

from twisted.web.pages import notFound
from twisted.web.resource import Resource

from .error_page import refuse_method


class Health(Resource):
    """200, ``text/plain``, ``OK`` (SPEC.md section 2)."""

    max_body = 0

    def getChild(self, path: bytes, request: Any) -> Any:
        return notFound()

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain")
        request.setHeader(b"Cache-Control", b"no-store")
        return b"OK"

    def render(self, request: Any) -> Any:
        if request.method in (b"GET", b"HEAD"):
            return super().render(request)
        return refuse_method(request, "/healthz takes GET and HEAD.")

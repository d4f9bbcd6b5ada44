"""Stand-ins for rag-service and notification-service."""

import json
import time
from collections import deque
from itertools import count
from typing import Any

from twisted.internet.task import deferLater
from twisted.web.server import Request

from daarion_gw.demo.answers import Content, Outlet, Refusal, Service, body_json

KEPT = 100  # notifications remembered
ANSWER = "This is a stand-in: it has read your question and knows nothing about {question!r}."


def rag_service(reactor: Any) -> Service:
    """Questions and answers: whole, or word by word as server-sent events."""

    async def stream(request: Request) -> Content:
        asked = request.args.get(b"question", [b"everything"])[0].decode("utf-8", "replace")
        request.setHeader("content-type", "text/event-stream")
        request.setHeader("cache-control", "no-cache")
        if request.method == b"HEAD":
            return b""
        outlet = Outlet(request)
        for word in ANSWER.format(question=asked).split():
            await outlet.send(b"data: " + json.dumps({"token": word}).encode() + b"\n\n")
            await deferLater(reactor, 0.1)
        await outlet.send(b"event: done\ndata: {}\n\n")
        outlet.close()
        return None

    service = Service(
        {
            "GET /": lambda _request: {"service": "rag-service", "paths": service.index()},
            "GET /health": lambda _request: {"status": "ok"},
            "POST /query": _query,
            "GET /stream": stream,
        }
    )
    return service


def _query(request: Request) -> Content:
    question = _text(body_json(request), "question")
    return {"question": question, "answer": ANSWER.format(question=question), "sources": []}


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal(400, f'The body must be JSON such as {{"{key}": "…"}}.')
    return value


def notification_service(_reactor: Any) -> Service:
    """Takes notifications and shows the last hundred; sends nothing anywhere."""
    sent: deque[dict[str, Any]] = deque(maxlen=KEPT)
    numbers = count(1)

    def send(request: Request) -> Content:
        body = body_json(request)
        note = {"to": _text(body, "to")[:200], "text": _text(body, "text")[:2000]}
        sent.append({"id": next(numbers), "at": round(time.time(), 3), **note})
        request.setResponseCode(202)
        return sent[-1]

    service = Service(
        {
            "GET /": lambda _request: {"service": "notification-service", "paths": service.index()},
            "GET /health": lambda _request: {"status": "ok"},
            "POST /send": send,
            "GET /sent": lambda _request: {"sent": list(sent)},
        }
    )
    return service

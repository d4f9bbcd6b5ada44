"""Stand-ins for Grafana and Prometheus: web pages that live under a sub path of their own.

Both get their paths whole and load their assets by absolute paths, as the real ones do
when they are told the prefix: a gateway that strips it here shows a broken page.
"""

import json
import time
from typing import Any

from twisted.web.server import Request

from daarion_gw.demo import sockets
from daarion_gw.demo.answers import Content, Refusal, Service, asset, redirect

SESSION = "grafana_session"


def grafana(reactor: Any) -> Service:
    """A dashboard with a login, a cookie for its sub path and a live value."""
    return Service(
        {
            "GET /": redirect("/grafana/"),
            "GET /health": lambda _request: {"status": "ok"},
            "GET /grafana/": asset("grafana.html"),
            "GET /grafana/login": asset("login.html"),
            "POST /grafana/login": _log_in,
            "GET /grafana/logout": _log_out,
            "GET /grafana/public/board.css": asset("board.css"),
            "GET /grafana/public/grafana.js": asset("grafana.js"),
            "GET /grafana/api/health": lambda _request: {"database": "ok", "version": "stand-in"},
            "GET /grafana/api/user": _user,
        },
        sockets={"/grafana/api/live/ws": sockets.live_number(reactor)},
    )


def _log_in(request: Request) -> Content:
    user = request.args.get(b"user", [b""])[0].decode("utf-8", "replace").strip()
    if not (user.isascii() and user.isalnum() and len(user) <= 32):
        raise Refusal(400, "user: expected up to 32 letters and digits.")
    request.addCookie(SESSION, user, path="/grafana/", httpOnly=True, sameSite="lax")
    return redirect("/grafana/", 303)(request)


def _log_out(request: Request) -> Content:
    request.addCookie(SESSION, "", path="/grafana/", httpOnly=True, max_age=0, sameSite="lax")
    return redirect("/grafana/login", 303)(request)


def _user(request: Request) -> Content:
    user = request.getCookie(SESSION.encode())
    if not user:
        request.setResponseCode(401)
        return {"message": "Unauthorized"}
    return {"login": user.decode("latin-1")}


def prometheus(reactor: Any) -> Service:
    """The query page with its asset, the health paths, one query and a few metrics."""
    started = reactor.seconds()

    def metrics(request: Request) -> Content:
        request.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8")
        name = "process_uptime_seconds"
        return f"# TYPE {name} gauge\n{name} {reactor.seconds() - started:.1f}\nup 1\n".encode()

    return Service(
        {
            "GET /": redirect("/prometheus/graph"),
            "GET /health": lambda _request: {"status": "ok"},
            "GET /prometheus/": redirect("/prometheus/graph"),
            "GET /prometheus/graph": asset("prometheus.html"),
            "GET /prometheus/static/board.css": asset("board.css"),
            "GET /prometheus/static/prometheus.js": asset("prometheus.js"),
            "GET /prometheus/-/healthy": lambda _request: b"Prometheus Server is Healthy.\n",
            "GET /prometheus/-/ready": lambda _request: b"Prometheus Server is Ready.\n",
            "GET /prometheus/api/v1/query": _query,
            "GET /prometheus/metrics": metrics,
        }
    )


def _query(request: Request) -> Content:
    query = request.args.get(b"query", [b""])[0].decode("utf-8", "replace")
    if query != "up":
        request.setResponseCode(400)
        error = f"the stand-in knows only the query up, not {json.dumps(query)}"
        return {"status": "error", "errorType": "bad_data", "error": error}
    metric = {"__name__": "up", "job": "stand-in", "instance": "localhost:9090"}
    sample = {"metric": metric, "value": [time.time(), "1"]}
    return {"status": "success", "data": {"resultType": "vector", "result": [sample]}}

"""Stand-in for microdao-ws: a WebSocket echo, a clock, and a page to try them from."""

from typing import Any

from daarion_gw.demo import sockets
from daarion_gw.demo.answers import Service, asset


def microdao_ws(reactor: Any) -> Service:
    """Echo on every path but `/clock`; a plain GET gets the console page."""
    return Service(
        {"GET /health": lambda _request: {"status": "ok"}, "GET /*": asset("console.html")},
        sockets={"/clock": sockets.clock(reactor), "/*": sockets.echo(reactor)},
    )

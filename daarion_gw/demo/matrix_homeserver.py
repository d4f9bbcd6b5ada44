"""Stand-in for the Matrix homeserver: what a client asks first, and the long poll."""

from typing import Any

from twisted.internet.task import deferLater
from twisted.web.server import Request

from daarion_gw.demo.answers import Content, Service, number

VERSIONS = ["v1.1", "v1.5", "v1.11"]


def matrix_homeserver(reactor: Any) -> Service:
    """The service, on `reactor`'s clock."""

    async def sync(request: Request) -> Content:
        """An empty sync after `timeout` milliseconds; the first one (no `since`) at once."""
        since = int(number(request, "since", 0, 1 << 53))
        if since:
            await deferLater(reactor, number(request, "timeout", 0, 600_000) / 1000)
        return {"next_batch": str(since + 1), "rooms": {"join": {}, "invite": {}, "leave": {}}}

    service = Service(
        {
            "GET /": lambda _request: {"service": "matrix-homeserver", "paths": service.index()},
            "GET /health": lambda _request: b"OK",
            "GET /_matrix/client/versions": lambda _request: {"versions": VERSIONS},
            "GET /_matrix/federation/v1/version": lambda _request: {
                "server": {"name": "daarion-gw stand-in", "version": "1"}
            },
            "GET /_matrix/client/v3/sync": sync,
        }
    )
    return service

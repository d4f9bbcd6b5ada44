"""A plain site with the start page at `/` in front of the stand-ins; run by the tests.

    python start_page_site.py '{"trusted": true, "down": ["grafana"]}'

Prints one line of JSON: the page's port and the stand-ins' addresses. The line
`stop NAME` on standard input leads one service's rows to where nothing listens.
"""

import json
import sys
from urllib.parse import urlsplit

from twisted.internet import protocol, reactor, stdio
from twisted.web.resource import Resource
from twisted.web.server import Site

from daarion_gw.config.settings import Server
from daarion_gw.demo.service import DemoService
from daarion_gw.front.start_page import ServiceRow, StartPage, treq_probe

options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
urls = DemoService(reactor).listen()
# Nothing listens on port 1 of the loopback.
urls.update(dict.fromkeys(options.get("down", []), "http://127.0.0.1:1"))
urls.update(options.get("urls", {}))

TABLE = [
    ("/api/", "microdao-api", "HTTP"),
    ("/ws/", "microdao-ws", "WebSocket"),
    ("/matrix/", "matrix-homeserver", "HTTP"),
    ("/_matrix/", "matrix-homeserver", "HTTP"),
    ("/grafana/", "grafana", "HTTP + WebSocket"),
    ("/prometheus/", "prometheus", "HTTP"),
    ("/rag/", "rag-service", "HTTP"),
    ("/notify/", "notification-service", "HTTP"),
]


def server(url):
    """The server of a URL, whatever its path is."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Server(host="localhost", port=0, unix=parts.path)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return Server(scheme=scheme, host=parts.hostname, port=parts.port, path=parts.path.rstrip("/"))


def services():
    return [
        ServiceRow(path, name, (server(urls[name]),), kind, None if path == "/_matrix/" else path)
        for path, name, kind in ([] if options.get("empty") else TABLE)
    ]


class Orders(protocol.Protocol):
    def dataReceived(self, data):
        for line in data.decode().splitlines():
            urls[line.removeprefix("stop ")] = "http://127.0.0.1:1"

    def connectionLost(self, reason):
        # The test has gone. (When it has not, its signal comes first.)
        reactor.callLater(1, reactor.stop)


root = Resource()
page = StartPage(services, treq_probe(reactor), lambda _request: options.get("trusted", False))
root.putChild(b"", page)
port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
print(json.dumps({"port": port.getHost().port, "urls": urls}), flush=True)
stdio.StandardIO(Orders())
reactor.run()

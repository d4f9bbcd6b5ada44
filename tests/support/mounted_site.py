"""A gateway with a user's own resources beside the routes; run by the tests.

python mounted_site.py gateway.yaml
"""

import os
import signal
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.static import File
from twisted.web.wsgi import WSGIResource

from daarion_gw.config.load import load
from daarion_gw.service import Gateway


def application(environ, start_response):
    """Say what came, and give the body back."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")
    told = {name: environ[name] for name in names}
    told |= {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    yield "".join(f"{name}={value}\n" for name, value in told.items()).encode()
    yield body


class Broken(Resource):
    isLeaf = True

    def render_GET(self, request):
        raise RuntimeError("broken on purpose")


class Never(Resource):
    isLeaf = True

    def render_GET(self, request):
        request.notifyFinish().addErrback(lambda _: print("never: the client left", flush=True))
        return NOT_DONE_YET


class Form(Resource):
    """Says what Twisted made of a form, and how much came."""

    isLeaf = True
    max_body = 2_000_000

    def render_POST(self, request):
        fields = sorted(name.decode() for name in request.args)
        return f"{fields} {len(request.content.read())}".encode()


def mount(root):
    root.putChild(b"form", Form())
    root.putChild(b"static", File("static"))
    root.putChild(b"wsgi", WSGIResource(reactor, reactor.getThreadPool(), application))
    root.putChild(b"broken", Broken())
    root.putChild(b"never", Never())


globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
settings = load(sys.argv[1], os.environ, Path.cwd())
gateway = Gateway(reactor, settings, ["tcp:0:interface=127.0.0.1"], admin=None, mount=mount)
gateway.privilegedStartService()
gateway.startService()
reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)
reactor.callWhenRunning(
    lambda: signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
)
reactor.run()

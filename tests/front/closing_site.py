"""A gateway that does not wait long for the last of an answer to be taken; run by the tests.

python closing_site.py gateway.yaml SECONDS BYTES LISTEN...

A minute, which is what the gateway gives everybody, is too long for a test. ``/much`` is
answered with so many bytes at once, as a resource of a user's may do.
"""

import os
import signal
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource

from daarion_gw.config.load import load
from daarion_gw.service import Gateway

file, seconds, size, *listen = sys.argv[1:]


class Much(Resource):
    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"Content-Length", size.encode())
        return b"x" * int(size)


globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
gateway = Gateway(
    reactor,
    load(file, os.environ, Path.cwd()),
    listen,
    admin=None,
    mount=lambda root: root.putChild(b"much", Much()),
)
gateway.reception.send_timeout = float(seconds)
gateway.privilegedStartService()
gateway.startService()
reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)
reactor.callWhenRunning(
    lambda: signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
)
reactor.run()

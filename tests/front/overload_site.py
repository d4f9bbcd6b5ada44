"""A gateway whose loop can be kept busy, and whose memory can be filled; run by the tests.

python overload_site.py gateway.yaml ADMIN LISTEN...

``/busy?SECONDS``: each turn of the loop takes so long, until there is a file ``calm``.
``/hoard?BYTES``: so much memory is taken in small pieces, until there is a file ``calm``.
"""

import os
import signal
import sys
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource

from daarion_gw.config.load import load
from daarion_gw.service import Gateway

file, admin, *listen = sys.argv[1:]
CALM = Path("calm")
# Small enough to be taken from the heap, which does not shrink by itself.
PIECE = 60_000
hoard = []


def argument(request):
    return float(request.uri.partition(b"?")[2])


class Busy(Resource):
    isLeaf = True

    def render_GET(self, request):
        self.length = argument(request)
        reactor.callLater(0, self.turn)
        return b"busy"

    def turn(self):
        if CALM.exists():
            print("calm", flush=True)
            return
        time.sleep(self.length)
        reactor.callLater(0, self.turn)


class Hoard(Resource):
    isLeaf = True

    def render_GET(self, request):
        count = int(argument(request)) // PIECE
        hoard.extend(os.urandom(8) * (PIECE // 8) for _ in range(count))
        self.looks = LoopingCall(self.look)
        self.looks.start(0.1, now=False)
        return b"full"

    def look(self):
        if CALM.exists():
            # What stays lies between what goes.
            hoard[:] = hoard[::100]
            print("calm", flush=True)
            self.looks.stop()


def mount(root):
    root.putChild(b"busy", Busy())
    root.putChild(b"hoard", Hoard())


globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
settings = load(file, os.environ, Path.cwd())
gateway = Gateway(
    reactor, settings, listen, admin, load=lambda: load(file, os.environ, Path.cwd()), mount=mount
)
gateway.privilegedStartService()
gateway.startService()
reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)


def obey():
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(gateway.reload))


reactor.callWhenRunning(obey)
reactor.run()

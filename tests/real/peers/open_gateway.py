"""A gateway that can be looked into: `open_gateway.py FILE CODE LISTENER…`.

`/look` says what its reactor holds, as JSON. CODE runs before it starts: see tests/real/without.py.
"""

import json
import os
import signal
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource

from daarion_gw.config.load import load
from daarion_gw.service import Gateway


class Look(Resource):
    isLeaf = True

    def render_GET(self, request):
        timers = sorted(str(call.func) for call in reactor.getDelayedCalls() if call.active())
        return json.dumps({"timers": timers}).encode()


def read():
    return load(sys.argv[1], os.environ, Path.cwd())


globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
exec(sys.argv[2])
gateway = Gateway(
    reactor,
    read(),
    sys.argv[3:],
    admin=None,
    load=read,
    mount=lambda root: root.putChild(b"look", Look()),
)
gateway.privilegedStartService()
gateway.startService()
reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)


def take_signals():
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(gateway.reload))


reactor.callWhenRunning(take_signals)
reactor.run()

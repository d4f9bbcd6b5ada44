"""Gateways that lack one of their protections, so that a test is seen to fail without it.

Each is a piece of code that runs in the gateway's process before the gateway does. What it takes
out must be there: a name that is gone fails the start, and with it the test.
"""

import sys

RUN = "from twisted.scripts.twistd import run; run()"

# Names are looked up once and believed for ever.
FORGETTING_NAMES = """
from daarion_gw.upstream import names
assert names.REMEMBER == 5.0 and names.Names.forget
names.REMEMBER = 1e9
names.Names.forget = lambda self, host: None
"""

# Each connection costs time whether it does anything or not, as where all of them are looked
# through: a quarter of a millisecond, four times a second.
LOOKING_AT_EVERY_CONNECTION = """
import time
from daarion_gw.net.sweep import Sweep
tick = Sweep.tick
def look_at_each(self):
    end = time.perf_counter() + 250e-6 * len(self.watched)
    while time.perf_counter() < end:
        pass
    tick(self)
Sweep.tick = look_at_each
"""

# Each connection that has ended leaves 100 KB, each tenth a descriptor and a timer.
LEAKING = """
from daarion_gw.front.http1 import HTTP1Connection
lost = HTTP1Connection.connectionLost
kept = []
def leave_something(self, reason):
    kept.append(bytearray(b"x" * 100_000))
    if len(kept) % 10 == 0:
        os.dup(0)
        reactor.callLater(3600, kept.clear)
    lost(self, reason)
HTTP1Connection.connectionLost = leave_something
"""


def twistd(*arguments: str, without: str = "") -> list[str]:
    """The command line of a gateway, after this code."""
    return [
        *(sys.executable, "-c", f"{without}\n{RUN}", "-n", "--pidfile="),
        *("daarion-gw", "--config", "gateway.yaml", *arguments),
    ]

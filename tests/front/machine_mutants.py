"""What the two state machines watch over, broken once per invariant."""

from typing import Final

from tests.wire.mutants import Mutant

EXCHANGE: Final = "daarion_gw/front/exchange.py"
HTTP1: Final = "daarion_gw/front/http1.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
POOL: Final = "daarion_gw/upstream/pool.py"
CONNECTION: Final = "daarion_gw/upstream/connection.py"
_EXCHANGING: Final = "tests/front/test_exchange_machine.py::TestExchanging"
_POOLING: Final = "tests/upstream/test_pool_machine.py::TestPooling"

MUTANTS: Final = (
    *(
        Mutant("machine-exchange", file, old, new, _EXCHANGING)
        for file, old, new in (
            # Finished, whatever happened.
            (EXCHANGE, 'or "the client closed the connection"\n        self._let_go()\n'
                       "        self._finish()",
             'or "the client closed the connection"\n        self._let_go()'),
            # An answer that broke off is cut, and looks like it.
            (HTTP1, "        self.deadline = NEVER\n        self.abort()",
             "        self.deadline = NEVER\n        self.transport.loseConnection()"),
            (EXCHANGE, "            self.cut(Fault.UPSTREAM_BROKE, detail)",
             '            self.answer_ended(b"")'),
            # Whatever is waited for has a deadline.
            (EXCHANGE, "            near.deadline = later(self, self.proxy.timeouts.first_byte)\n",
             ""),
            # A connection with half a request on it carries no other.
            (EXCHANGE, "        if heard_all:", "        if True:"),
            # Nothing is in the pool that is gone.
            (CONNECTION, "        if self._can_be_used_again:", "        if True:"),
            # Nothing stays in the sweep.
            (RECEPTION, "        self.sweep.watched.discard(near)\n", ""),
        )
    ),
    *(
        Mutant("machine-pool", file, old, new, _POOLING)
        for file, old, new in (
            # Last in, first out.
            (POOL, "connection = self._idle.pop()", "connection = self._idle.pop(0)"),
            # In one hand only.
            (POOL, "connection = self._idle.pop()", "connection = self._idle[-1]"),
            # No more idle ones than agreed.
            (POOL, "        if len(self._idle) >= IDLE_AT_MOST:", "        if False:"),
            # None is left after the close.
            (POOL, "        if not self._keeps:", "        if False:"),
            # Bytes, or an end, while idle.
            (CONNECTION, "            self.pool.forget(self)\n            self.abort()",
             "            self.abort()"),
            (POOL, "        if connection.taker is None:\n            self.forget(connection)\n",
             ""),
            # The counters.
            (POOL, "        self.counters.connections_open -= 1\n", ""),
            # What is old is closed.
            (POOL, "            if before is not None and connection.idle_until > before:",
             "            if before is not None:"),
        )
    ),
)  # fmt: skip

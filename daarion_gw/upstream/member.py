"""One server of an upstream at run time: its pool, and what is known about it.

It lives as long as (upstream, server) does, over reloads; routes and their settings come and go.
"""

from daarion_gw.config.settings import Server

from .pool import Pool


class Member:
    """A server, compared by identity: the hot path looks things up by it."""

    __slots__ = ("pool", "server")

    def __init__(self, server: Server, pool: Pool) -> None:
        # As configured now: weight and drain may change over a reload, the address does not.
        self.server = server
        self.pool = pool

    def __repr__(self) -> str:
        return f"<Member {self.server.label}>"

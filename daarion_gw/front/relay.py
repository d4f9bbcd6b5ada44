"""The WebSocket relay: two sides, and what both together must keep to.

The upstream's handshake came first, as an exchange. From its 101 on the relay owns both
connections: back-pressure, silence, pings, and which side hears what when the other ends.
How a side speaks WebSocket is `sides`' affair.
"""

from typing import TYPE_CHECKING, Any

from daarion_gw.net.sweep import NEVER
from daarion_gw.net.transport import backlog
from daarion_gw.wire.answer import AnswerHead
from daarion_gw.wire.fields import pairs, values, without
from daarion_gw.wire.frames import CloseCode, FrameFollower
from daarion_gw.wire.passage import answer_block
from daarion_gw.wire.upgrade import (
    agreed_extensions,
    handshake_answer,
    handshake_request,
    not_offered,
    subprotocols,
)

from .sides import FarSide, NearSide, Offering, factories_for

if TYPE_CHECKING:
    from .exchange import Exchange
    from .reception import Reception

# What Autobahn writes itself into its 101.
_AUTOBAHNS_OWN = frozenset({b"sec-websocket-accept", b"sec-websocket-protocol", b"server"})
# How long a side may take to answer a close of ours, and to take what is left (seconds).
_CLOSE_WITHIN = 5.0


def open_relay(reception: "Reception", exchange: "Exchange", head: AnswerHead) -> str | None:
    """Make a relay of an exchange that the upstream answered with 101.

    Gives None when both sides are open, else what was wrong with the upstream's handshake;
    then nothing was sent to the client.
    """
    return Relay(reception, exchange).open(head)


class Relay:
    """Two sides and what both together must keep to: idle time, pings, the end."""

    def __init__(self, reception: "Reception", exchange: "Exchange") -> None:
        self.reception = reception
        self.exchange = exchange
        self.near = NearSide()
        self.far = FarSide()
        self.deadline = NEVER
        # When something came last, by the sweep's clock: none is read per frame.
        self.sweep = reception.sweep
        self.heard_at = self.sweep.now
        self.is_closing = False
        options = exchange.proxy.route.websocket
        self._idle_timeout = options.idle_timeout
        self._ping_interval = options.ping_interval
        self._max_message = options.max_message_size
        self._blocked: set[Any] = set()
        self._pinged_at = 0.0
        self._last_backlog = -1

    def open(self, head: AnswerHead) -> str | None:
        exchange = self.exchange
        connection = exchange.far
        assert connection is not None
        request = exchange.head
        near, far = self.near, self.far
        factories = factories_for(self.reception.reactor)
        far.adopt(self, connection.transport, factories.far)
        far.websocket_key = values(request.fields.kept, b"sec-websocket-key")[0]
        offered = subprotocols(request.fields.kept)
        far.factory = Offering(factories.far, offered)
        far.dataReceived(handshake_answer(head))
        if far.state != far.STATE_OPEN:
            return f"sent a 101 that is no WebSocket handshake ({far.wasNotCleanReason})"
        extensions = agreed_extensions(head)
        if wrong := not_offered(extensions, request.fields.kept):
            return f"sent a 101 with the extension {wrong} that was not offered"
        self._switch(head, extensions, near, far)
        return None

    def _switch(
        self, head: AnswerHead, extensions: list[bytes], near: NearSide, far: FarSide
    ) -> None:
        exchange = self.exchange
        connection, shell = exchange.far, exchange.near
        assert connection is not None
        near.lead(far, FrameFollower(True, extensions, self._max_message))
        far.lead(near, FrameFollower(False, extensions, self._max_message))
        late = connection.receiver.detach()
        connection.hand_over(far)
        early = shell.switch(near)
        shell.transport.resumeProducing()
        near.answer = (far.websocket_protocol_in_use, self._fields(head))
        near.adopt(self, shell.transport, factories_for(self.reception.reactor).near)
        near.dataReceived(handshake_request(exchange.head))
        near._handshake = far._handshake = False
        counters = exchange.proxy.counters
        counters.websockets_opened += 1
        counters.websockets_open += 1
        self.reception.relays.add(self)
        self.sweep.watched.add(self)
        self._look_again()
        if late:
            far.dataReceived(late)
        if early:
            near.dataReceived(early)

    def _fields(self, head: AnswerHead) -> dict[str, list[str]]:
        """The upstream's fields for the client's 101, but those that Autobahn writes."""
        exchange = self.exchange
        block = answer_block(head, exchange.passage, exchange.head)
        found: dict[str, list[str]] = {}
        for name, value in pairs(without(block, _AUTOBAHNS_OWN.__contains__)):
            found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        found["X-Request-Id"] = [exchange.request_id.decode("ascii")]
        return found

    # what both sides tell

    def count(self, side: Any, size: int) -> None:
        """``size`` bytes came from ``side`` and passed."""
        if side is self.near:
            self.exchange.frames_passed(size, 0)
        else:
            self.exchange.frames_passed(0, size)

    def blocked(self, side: Any, is_full: bool) -> None:
        if is_full:
            self._blocked.add(side)
            self._last_backlog = -1
            self.deadline = min(self.deadline, self._soon())
        else:
            self._blocked.discard(side)
            self._look_again()

    def _soon(self) -> float:
        return self.sweep.now + (self.exchange.proxy.timeouts.send or NEVER)

    def side_lost(self, side: Any) -> None:
        """One TCP connection ended: the other side is told with the fitting code."""
        other = side.other
        if other.is_gone:
            self.sweep.watched.discard(self)
        if self.is_closing:
            return
        self.is_closing = True
        if side.follower.closed:
            # It closed properly, and what it said last was passed on.
            other.finish_writing()
            self._settle(f"the {side.word} closed")
        else:
            code = CloseCode.GOING_AWAY if side is self.near else CloseCode.INTERNAL_ERROR
            other.end(code, f"the {side.word} went away")
            self._settle(f"the {side.word} went away without a close")

    def close(self, code: int, reason: str) -> None:
        """Close both sides with ``code``."""
        if self.is_closing:
            return
        self.is_closing = True
        self.near.end(code, reason)
        self.far.end(code, reason)
        self._settle(reason)

    def go_away(self) -> None:
        """The gateway stops."""
        self.close(CloseCode.GOING_AWAY, "the gateway is going away")

    def dropped(self) -> None:
        """Autobahn gave a side up."""
        self.close(CloseCode.PROTOCOL_ERROR, "the WebSocket was dropped")

    def _settle(self, detail: str) -> None:
        """Exactly once: count, log, and set the time by which both connections must end."""
        self.reception.relays.discard(self)
        self.deadline = self.sweep.now + _CLOSE_WITHIN
        self.exchange.proxy.counters.websockets_open -= 1
        self.exchange.relay_ended(detail)

    # time

    def _look_again(self) -> None:
        """Set the time of the next look: for a ping, or for the end of a long silence."""
        self.deadline = min(self._silent_at, self._ping_at)

    @property
    def _silent_at(self) -> float:
        return self.heard_at + (self._idle_timeout or NEVER)

    @property
    def _ping_at(self) -> float:
        return max(self.heard_at, self._pinged_at) + (self._ping_interval or NEVER)

    def deadline_passed(self, now: float) -> None:
        """Called by the sweep."""
        if self.is_closing:
            self._end_for_good()
        elif self._blocked:
            self._look_at_blocked()
        elif now >= self._silent_at:
            self.close(CloseCode.GOING_AWAY, "nothing was said for too long")
        else:
            if now >= self._ping_at:
                self._ping()
            self._look_again()

    def _end_for_good(self) -> None:
        """The time for taking the last bytes is over."""
        self.sweep.watched.discard(self)
        self.deadline = NEVER
        for side in (self.near, self.far):
            if not side.is_gone:
                side.transport.abortConnection()

    def _look_at_blocked(self) -> None:
        waiting = sum(backlog(side.transport) for side in self._blocked if not side.is_gone)
        last, self._last_backlog = self._last_backlog, waiting
        if waiting == last:
            self.close(CloseCode.GOING_AWAY, "a side stopped taking messages")
        else:
            self.deadline = self._soon()

    def _ping(self) -> None:
        self._pinged_at = self.sweep.now
        for side in (self.near, self.far):
            if side.other.follower.between_frames and not side.other.follower.closed:
                side.sendPing(b"")

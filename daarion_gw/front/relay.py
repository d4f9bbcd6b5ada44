"""The WebSocket relay: two sides, and what both together must keep to.

The upstream's handshake came first, as an exchange. From its 101 on the relay owns both
connections: back-pressure, silence, pings, and which side hears what when the other ends.
How a side speaks WebSocket is `sides`' affair.
"""

from collections.abc import Container
from typing import TYPE_CHECKING

from twisted.logger import Logger

from daarion_gw.net.sweep import NEVER
from daarion_gw.wire.answer import AnswerHead, Has
from daarion_gw.wire.fields import values, without
from daarion_gw.wire.frames import CloseCode, FrameFollower
from daarion_gw.wire.passage import answer_block
from daarion_gw.wire.upgrade import (
    agreed_extensions,
    handshake_answer,
    handshake_request,
    not_offered,
    subprotocols,
    what_is_wrong,
)

from .http1 import HTTP1Connection
from .outcome import binding
from .sides import FarSide, NearSide, Offering, Side, factories_for

if TYPE_CHECKING:
    from .exchange import Exchange
    from .reception import Reception

_log = Logger()

_DATE = Has.DATE.value
# What Autobahn writes itself into its 101.
_AUTOBAHNS_OWN = frozenset({b"sec-websocket-accept", b"sec-websocket-protocol"})
# How long a side that has taken all may take to answer a close of ours (seconds).
_CLOSE_WITHIN = 5.0
# And how long one may take nothing of what is left for it.
_TAKE_WITHIN = 60.0


def open_relay(reception: "Reception", exchange: "Exchange", head: AnswerHead) -> str | None:
    """Make a relay of an exchange that the upstream answered with 101.

    Gives None when both sides are open, else what was wrong with the upstream's handshake;
    then nothing was sent to the client.
    """
    relay = Relay(reception, exchange)
    try:
        wrong = relay.shake_hands(head)
    except Exception:
        # Both handshakes are strangers' bytes in a library's hands: whatever it does not
        # expect of them must not leave the client without an answer.
        _log.failure(
            "{request_id}: judging the WebSocket's handshake failed",
            request_id=exchange.request_id.decode("ascii"),
        )
        return "sent a 101 that could not be judged; the gateway's log says why"
    if wrong:
        return f"sent a 101 {wrong}"
    relay.begin()
    return None


class Relay:
    """Two sides and what both together must keep to: idle time, pings, the end."""

    def __init__(self, reception: "Reception", exchange: "Exchange") -> None:
        self.reception = reception
        self.exchange = exchange
        self.near = NearSide()
        self.far = FarSide()
        self.deadline = NEVER
        # When it must end because its route is gone.
        self._leaves_at = NEVER
        # When something came is told by the sweep's clock: none is read per frame.
        self.sweep = reception.sweep
        self.is_closing = False
        options = exchange.proxy.route.websocket
        self._idle_timeout = options.idle_timeout or NEVER
        self._ping_interval = options.ping_interval or NEVER
        self._max_message = options.max_message_size
        self._send_timeout = exchange.proxy.timeouts.send or NEVER

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self.near, self.far

    # opening

    def shake_hands(self, head: AnswerHead) -> str:
        """Let both handshakes be judged; give what is wrong with the upstream's, or nothing.

        Nothing is sent, and neither connection is taken over yet.
        """
        connection, shell = self.exchange.far, self.exchange.near
        assert connection is not None
        if wrong := what_is_wrong(head):
            return f"with {wrong}"
        offers = self.exchange.head.fields.kept
        extensions = agreed_extensions(head)
        if extra := not_offered(extensions, offers):
            return f"with the extension {extra} that was not offered"
        near, far = self.near, self.far
        factories = factories_for(self.reception.reactor)
        far.adopt(self, connection.transport, Offering(factories.far, subprotocols(offers)))
        far.websocket_key = values(offers, b"sec-websocket-key")[0]
        if not far.shake(handshake_answer(head)):
            return f"that is no WebSocket handshake ({far.wasNotCleanReason})"
        near.adopt(self, shell.transport, factories.near)
        near.subprotocol = far.websocket_protocol_in_use
        near.fields = self._fields(head)
        if not near.shake(handshake_request(self.exchange.head)):
            return f"to a handshake that is none ({near.wasNotCleanReason})"
        near.lead(far, FrameFollower(True, extensions, self._max_message))
        far.lead(near, FrameFollower(False, extensions, self._max_message))
        return ""

    def _fields(self, head: AnswerHead) -> bytes:
        """The lines for the client's 101 that Autobahn does not write, byte for byte."""
        exchange = self.exchange
        block = answer_block(head, exchange.passage, exchange.head)
        block = without(block, _AUTOBAHNS_OWN.__contains__)
        if not head.has & _DATE:
            block += self.reception.date_line()
        if exchange.proxy.group.sticky is not None:
            block += binding(exchange)
        return b"%bX-Request-Id: %b\r\n" % (block, exchange.request_id)

    def begin(self) -> None:
        """Take both connections over, and send the client its 101."""
        exchange, near, far = self.exchange, self.near, self.far
        connection, shell = exchange.far, exchange.near
        # Nobody else is asked for an upgrade.
        assert connection is not None and isinstance(shell, HTTP1Connection)
        late = connection.receiver.detach()
        connection.hand_over(far)
        early = shell.switch(near)
        counters = exchange.proxy.counters
        counters.websockets_opened += 1
        counters.websockets_open += 1
        self.reception.relay_opened(self)
        self.sweep.watched.add(self)
        # The route may have gone while the upstream was asked.
        self.look_for_route(self.reception.root.keys)
        self._look_again()
        shell.transport.resumeProducing()
        if shell.is_blocked:
            near.pauseProducing()
        near.transport.write(near.answer)
        if late:
            far.dataReceived(late)
        if early:
            near.dataReceived(early)

    # what both sides tell

    def count(self, side: Side, size: int) -> None:
        """``size`` bytes came from ``side`` and passed."""
        if side is self.near:
            self.exchange.frames_passed(size, 0)
        else:
            self.exchange.frames_passed(0, size)

    def blocked(self) -> None:
        """A side does not take what it is sent as fast as it comes."""
        self.deadline = min(self.deadline, self.sweep.now + self._send_timeout)

    def drained(self) -> None:
        """A side has taken all that waited for it."""
        for side in self._sides:
            # The one was not read meanwhile, the other's ping may have waited: no silence.
            side.heard_at = self.sweep.now
        self._look_again()

    def look_for_route(self, keys: Container[str]) -> None:
        """Where the route is none of ``keys`` any more, end in a while; else live on."""
        if self.exchange.proxy.route.key in keys:
            self._leaves_at = NEVER
        elif self._leaves_at == NEVER:
            self._leaves_at = self.sweep.now + self.reception.drain_timeout
            self.deadline = min(self.deadline, self._leaves_at)

    # the end

    def side_lost(self, side: Side) -> None:
        """One TCP connection ended: the other side is told with the fitting code."""
        if side.other.is_gone:
            self.sweep.watched.discard(self)
        if self.is_closing:
            return
        if side.follower.closed:
            # It closed properly, and what it said last was passed on.
            self.is_closing = True
            side.other.finish_writing()
            self._settle(f"the {side.word} closed")
        else:
            self._lose(side, f"the {side.word} went away", " without a close")

    def _lose(self, side: Side, reason: str, more: str = "") -> None:
        """``side`` is dead: close the other."""
        self.is_closing = True
        code = CloseCode.GOING_AWAY if side is self.near else CloseCode.INTERNAL_ERROR
        side.other.end(code, reason)
        self._settle(reason + more)

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

    def _settle(self, detail: str) -> None:
        """Exactly once: count, log, and set the time by which both connections must end."""
        self.reception.relays.discard(self)
        for side in self._sides:
            side.look_whether_it_moves()
        self.deadline = self.sweep.now + _CLOSE_WITHIN
        self.exchange.proxy.counters.websockets_open -= 1
        self.exchange.relay_ended(detail)

    # time

    def deadline_passed(self, now: float) -> None:
        """Called by the sweep."""
        if self.is_closing:
            self._look_at_ends(now)
            return
        full = [side for side in self._sides if side.is_full]
        for side in full:
            side.look_whether_it_moves()
        stuck = [side for side in full if now >= side.moved_at + self._send_timeout]
        if stuck:
            self._lose(stuck[0], f"the {stuck[0].word} stopped taking messages")
            for side in stuck:
                side.transport.abortConnection()
        elif now >= self._leaves_at:
            self.close(CloseCode.SERVICE_RESTART, "the route is gone")
        elif now >= self._silent_at:
            self.close(CloseCode.GOING_AWAY, "nothing was said for too long")
        else:
            if not full:
                self._ask_the_silent(now)
            self._look_again()

    def _look_again(self) -> None:
        """Set the time of the next look: somebody may have been silent, or full, for too long."""
        if self.is_closing:
            return
        full = [side.moved_at + self._send_timeout for side in self._sides if side.is_full]
        asked = [side.quiet_since + self._ping_interval for side in self._sides]
        # Nobody is asked while one is full: a ping would wait behind what it does not take.
        self.deadline = min(self._silent_at, self._leaves_at, *(full or asked))

    @property
    def _silent_at(self) -> float:
        return max(max(side.heard_at, side.moved_at) for side in self._sides) + self._idle_timeout

    def _ask_the_silent(self, now: float) -> None:
        """Ping who has been silent for the interval, and give up who was after a ping."""
        for side in self._sides:
            if self.is_closing or now < side.quiet_since + self._ping_interval:
                continue
            if side.owes_answer:
                self._lose(side, f"the {side.word} answered no ping")
                side.transport.abortConnection()
            else:
                side.ask()

    def _look_at_ends(self, now: float) -> None:
        """A side that is slow to take what waits for it may go on; any other has had its time."""
        self.deadline = self.sweep.now + _CLOSE_WITHIN
        for side in self._sides:
            side.look_whether_it_moves()
            if side.is_gone or (side.left and now < side.moved_at + _TAKE_WITHIN):
                continue
            if side.left or side.is_finishing:
                side.transport.abortConnection()
            else:
                # What the kernel still holds for it goes out behind our back.
                side.finish_writing()

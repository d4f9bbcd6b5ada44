"""What is decided about a request before anything is done for it, and what all exchanges share.

head → route: refusals that need no upstream, the gateway's own answers, and whom the request
goes to. Everything here that a reload replaces is one reference (`Reception.root`).
"""

import os
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from itertools import count
from typing import Any

from twisted.logger import Logger

from daarion_gw.config.settings import Gateway
from daarion_gw.config.tls import TLS
from daarion_gw.errors import Fault
from daarion_gw.net.sweep import Sweep
from daarion_gw.observe.access_log import AccessLog
from daarion_gw.observe.counters import Counters
from daarion_gw.wire.answer import AnswerHead, Framing
from daarion_gw.wire.client import Origin, Peer, Trust, believed_request_id, origin_of
from daarion_gw.wire.faults import WireError
from daarion_gw.wire.passage import PSEUDONYM, SECURITY_LINES, strict_line
from daarion_gw.wire.request import RequestFields, RequestHead
from daarion_gw.wire.target import path_of
from daarion_gw.wire.upgrade import origin_allowed, wants_websocket

from .admission import Admission
from .conversation import Connected, Near
from .crowds import Crowds
from .exchange import Exchange
from .leaving import FAREWELL, Later, Spread, time_for
from .peers import peer_of
from .records import entry_of, entry_of_own
from .refusals import ALLOW, CLOSING, send_refusal
from .relay import Relay, open_relay
from .rendering import Rendering
from .routing import Miss, redirect_status
from .to_https import HEALTH, ToHTTPS, way_to_https
from .tree import ProxyResource, Root

# Where no server was asked, these hold for many requests: the change was told when it came.
_TOLD_ONCE = frozenset({Fault.UPSTREAM_DOWN, Fault.BREAKER_OPEN})


class Reception:
    """One per gateway: every client connection asks it."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        gateway: Gateway,
        root: Root,
        counters: Counters,
        access_log: AccessLog,
        sweep: Sweep,
        instance: bytes,
        site: Any,
        share: int = 1,
    ) -> None:
        self.reactor = reactor
        self.root = root
        self.counters = counters
        self.sweep = sweep
        self.site = site
        self.connections: set[Connected] = set()
        self.relays: set[Relay] = set()
        self.is_draining = False
        # Whether connections outlive an answer, and whether new requests are turned down: see
        # `protection`.
        self.keeps_alive = True
        self.refuses = False
        self.admission = Admission(counters.front, share)
        self._crowds = Crowds()
        sweep.every_second(lambda: self._crowds.report(sweep.now))
        # How many clients that were turned away are still there.
        self.lingering = 0
        self.send_timeout = 60.0
        # Of clients over TLS: the field that asks them to stay there; of others: where they go.
        self.strict = b""
        self.to_https: ToHTTPS | None = None
        self.asks_certificates = False
        self.settle(gateway, access_log)
        self._loop_mark = b"%b (%b)" % (PSEUDONYM, instance)
        # Unique without asking for randomness each time: a prefix per process, and a count.
        self._id_prefix = os.urandom(6).hex().encode() + b"-"
        self._id_count = count(1)
        self._date = (0, b"")
        self._when_idle: Callable[[], None] | None = None

    def settle(self, gateway: Gateway, access_log: AccessLog) -> None:
        """Take over settings of the gateway's own; connections that are there keep their peer."""
        self.head_timeout = gateway.head_timeout
        self.drain_timeout = gateway.drain_timeout
        self.keep_alive = gateway.keep_alive
        self._trust = Trust(gateway.trusted_proxies)
        peers = [near.peer for near in self.connections]
        self.admission.settle(gateway.limits, self._trust, peers)
        self._access_log = access_log
        self._logs = access_log.enabled

    def settle_tls(self, tls: TLS, listeners: Iterable[tuple[str, Any]]) -> None:
        """Take over what is said about TLS, for the open listeners (their strings and ports)."""
        hsts = tls.hsts
        self.strict = b"" if hsts is None else strict_line(**dict(hsts))
        self.asks_certificates = tls.client_certificates is not None
        self.to_https = way_to_https(tls.redirect, [port for _, port in listeners])

    def lead_by(self, root: Root) -> None:
        """Requests go by ``root`` from now on; WebSockets whose route it lacks end in a while."""
        self.root = root
        for relay in self.relays:
            relay.look_for_route(root.keys)

    # connections

    def peer_of(self, transport: Any, is_secure: bool) -> Peer:
        """Who is at the other end (`peers`)."""
        return peer_of(transport, is_secure, self._trust, self.asks_certificates)

    def connection_opened(self, near: Connected) -> None:
        front = self.counters.front
        front.connections_accepted += 1
        front.connections_open += 1
        self.admission.enter(near.peer)
        self.connections.add(near)
        self.sweep.watched.add(near)

    def connection_changed(self, before: Connected, after: Connected) -> None:
        """The same connection speaks another protocol from here on."""
        for known in (self.connections, self.sweep.watched):
            known.discard(before)
            known.add(after)

    def connection_closed(self, near: Connected) -> None:
        self.counters.front.connections_open -= 1
        self.admission.leave(near.peer)
        self.connections.discard(near)
        self.sweep.watched.discard(near)
        if self._when_idle is not None and not self.connections:
            call, self._when_idle = self._when_idle, None
            call()

    def announce(self) -> None:
        """The gateway is about to stop: every answer from here on is its connection's last."""
        self.is_draining = True
        self.keeps_alive = False
        for near in tuple(self.connections):
            near.announce_end()

    def drain(self, when_idle: Callable[[], None], limit: float) -> None:
        """No connection comes any more; call ``when_idle`` when the last one is done.

        limit: when those that are left will be cut (seconds from now).
        """
        if not self.is_draining:
            self.announce()
        if not self.connections:
            when_idle()
            return
        self._when_idle = when_idle
        # A request may be on its way on any that looks idle: to close now is to lose it.
        Later(self.sweep, min(FAREWELL, limit / 2), self._close_idle)
        relays = tuple(self.relays)
        Spread(self.sweep, relays, Relay.go_away, time_for(len(relays), limit))

    def relay_opened(self, relay: Relay) -> None:
        self.relays.add(relay)
        if self._when_idle is not None:
            # Its handshake was under way when all others were told.
            Later(self.sweep, 0.0, relay.go_away)

    def _close_idle(self) -> None:
        for near in tuple(self.connections):
            near.no_keep_alive()
            if near.is_idle:
                near.close()

    def cut_all(self) -> None:
        """The time for draining is over."""
        for near in tuple(self.connections):
            near.abort()

    # head → route

    def receive(self, near: Near, head: RequestHead) -> None:
        """Decide about one request; afterwards somebody has it, or it is answered."""
        fields = head.fields
        request_id = None
        if fields.request_id is not None:
            request_id = believed_request_id(near.peer, fields.request_id)
        if request_id is None:
            request_id = b"%b%08x" % (self._id_prefix, next(self._id_count))
        if self.refuses and path_of(head.target) != HEALTH:
            self._refuse(near, head, request_id, Fault.OVERLOADED, "there is too much to do")
            return
        if fields.expect is not None and head.minor and fields.expect != b"100-continue":
            self._refuse(near, head, request_id, Fault.EXPECTATION_FAILED, "an unknown expectation")
            return
        if head.method == b"OPTIONS" and (head.target == b"*" or self._is_last_hop(fields)):
            self._answer(near, head, request_id, 204, b"No Content", ALLOW)
            return
        if self._loop_mark in fields.kept:
            self._refuse(
                near, head, request_id, Fault.LOOP, "this gateway sent this request itself"
            )
            return
        if self.to_https is not None and self.to_https.takes(near, head):
            self._send_elsewhere(near, head, request_id, self.to_https.place(head))
            return
        found = self.root.find(head.host, head.target)
        if type(found) is ProxyResource:
            self._proxy(near, head, request_id, found)
        elif isinstance(found, Miss):
            self._miss(near, head, request_id, found)
        else:
            self._render(near, head, request_id)

    @staticmethod
    def _is_last_hop(fields: RequestFields) -> bool:
        hops = fields.max_forwards
        return hops is not None and hops.isdigit() and not int(hops[:18])

    def _proxy(
        self, near: Near, head: RequestHead, request_id: bytes, proxy: ProxyResource
    ) -> None:
        route = proxy.route
        length = head.fields.content_length
        refusal = proxy.objection(path_of(head.target))
        if proxy.needs_certificate and not near.peer.has_certificate:
            refusal = (Fault.CERTIFICATE_REQUIRED, "the client has shown no certificate of its own")
        upgrade = False
        if proxy.max_body and length is not None and length > proxy.max_body:
            refusal = (Fault.BODY_TOO_LARGE, f"a body of {length} bytes; {proxy.max_body} may pass")
        elif refusal is None and head.fields.upgrade:
            try:
                upgrade = wants_websocket(head)
            except WireError as error:
                refusal = (error.fault, error.detail)
            if upgrade and not origin_allowed(head, route.websocket.origins):
                refusal = (Fault.ORIGIN_NOT_ALLOWED, "its Origin is none of the route's origins")
        if refusal is not None:
            self._refuse(near, head, request_id, *refusal, proxy=proxy)
            return
        exchange = Exchange(self, near, proxy, head, request_id, upgrade)
        near.conversation = exchange
        exchange.begin()

    def _render(self, near: Near, head: RequestHead, request_id: bytes) -> None:
        length = head.fields.content_length
        limit = self.root.body_limit(head.target)
        if length is not None and length > limit:
            detail = f"a body of {length} bytes; {limit} may come"
            self._refuse(near, head, request_id, Fault.BODY_TOO_LARGE, detail)
            return
        rendering = Rendering(self, near, head, request_id, limit)
        near.conversation = rendering
        rendering.begin()

    def _miss(self, near: Near, head: RequestHead, request_id: bytes, miss: Miss) -> None:
        if miss is Miss.SLASH:
            path, mark, query = head.target.partition(b"?")
            self._send_elsewhere(near, head, request_id, b"%b/%b%b" % (path, mark, query))
        elif miss is Miss.AMBIGUOUS:
            detail = "as it came and as it reads, the path leads to two different routes"
            self._refuse(near, head, request_id, Fault.AMBIGUOUS_PATH, detail)
        else:
            self._refuse(near, head, request_id, Fault.NOT_FOUND, "no route leads there")

    def _send_elsewhere(
        self, near: Near, head: RequestHead, request_id: bytes, place: bytes | None
    ) -> None:
        if place is None:
            detail = "without a Host field it cannot be told where the same is to be had over TLS"
            self._refuse(near, head, request_id, Fault.MALFORMED, detail)
            return
        status = redirect_status(head)
        reason = b"Moved Permanently" if status == 301 else b"Permanent Redirect"
        self._answer(near, head, request_id, status, reason, b"Location: %b\r\n" % place)

    # answers of the gateway's own

    def refuse_early(self, near: Near, error: WireError) -> None:
        """Refuse what has not become a request: there is no head to go by."""
        head = RequestHead(b"", error.line, 1, None, RequestFields(b""))
        near.head = head
        near.no_keep_alive()
        request_id = b"%b%08x" % (self._id_prefix, next(self._id_count))
        self._refuse(near, head, request_id, error.fault, error.detail)

    def fell_over(self, near: Near, head: RequestHead) -> None:
        """Called within the exception that stopped the work on a request."""
        request_id = b"%b%08x" % (self._id_prefix, next(self._id_count))
        self._log.failure("{request_id}: a mistake in the gateway", request_id=request_id.decode())
        self._refuse(near, head, request_id, Fault.INTERNAL, "the work on this request failed")

    def _refuse(
        self,
        near: Near,
        head: RequestHead,
        request_id: bytes,
        fault: Fault,
        detail: str,
        proxy: ProxyResource | None = None,
    ) -> None:
        if proxy is None:
            self.counters.front.refuse(fault.status)
        else:
            proxy.counters.requests += 1
            proxy.counters.answers[fault.status // 100] += 1
            proxy.counters.failed(fault.name)
        if fault in CLOSING:
            near.no_keep_alive()
        sent = self.send_refusal(near, head, request_id, fault, detail)
        if self._logs and (proxy is None or proxy.route.access_log):
            self._access_log.write(
                entry_of_own(near.peer, head, request_id, fault.status, sent, fault.name, proxy)
            )
        near.end()

    def answer_refusal(
        self, near: Near, head: RequestHead, request_id: bytes, fault: Fault,
        exchange: Exchange,
    ) -> int:  # fmt: skip
        """Send an exchange's refusal; give the size of its body in bytes."""
        if fault.blame != "client" and self._is_news(fault, exchange):
            self._log.warn(
                "{request_id}: {detail}", request_id=request_id.decode(), detail=exchange.detail
            )
        detail = f"route {exchange.proxy.route.key}: {exchange.detail}"
        return self.send_refusal(near, head, request_id, fault, detail)

    def _is_news(self, fault: Fault, exchange: Exchange) -> bool:
        """Whether the log has to tell of this one refusal; the access log does in any case."""
        if fault is Fault.UPSTREAM_BUSY:
            return self._crowds.is_first(exchange.proxy.route.upstream, self.sweep.now)
        return bool(exchange.server) or fault not in _TOLD_ONCE

    def send_refusal(
        self, near: Near, head: RequestHead, request_id: bytes, fault: Fault, detail: str
    ) -> int:
        """Head and body of a refusal in the form that the client asked for; the body's size."""
        origin = origin_of(near.peer, head.fields.identity, head.host)
        told = detail if origin.trusted else None
        own_lines = self._own_lines(origin, request_id)
        return send_refusal(near, head, fault, own_lines, request_id, told)

    def _answer(
        self, near: Near, head: RequestHead, request_id: bytes, status: int,
        reason: bytes, lines: bytes,
    ) -> None:  # fmt: skip
        """An answer of the gateway's own, without a body."""
        length = None if status == 204 else 0
        origin = origin_of(near.peer, head.fields.identity, head.host)
        block = self._own_lines(origin, request_id) + lines
        near.send_head(status, reason, block, Framing.NONE, length)
        if self._logs:
            self._access_log.write(entry_of_own(near.peer, head, request_id, status, 0, "", None))
        near.end()

    def _own_lines(self, origin: Origin, request_id: bytes) -> bytes:
        secured = SECURITY_LINES[0] + self.strict if origin.is_secure else SECURITY_LINES[0]
        return b"%b%bX-Request-Id: %b\r\n" % (self.date_line(), secured, request_id)

    def date_line(self) -> bytes:
        """The Date field of this second."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, b"Date: %b\r\n" % formatdate(now, usegmt=True).encode("ascii"))
        return self._date[1]

    # finish

    def finished(self, exchange: Exchange, seconds: float) -> None:
        if self._logs and exchange.proxy.route.access_log:
            self._access_log.write(entry_of(exchange, seconds))

    def rendered(self, rendering: Rendering, seconds: float) -> None:
        """A resource of Twisted Web has answered; the health check is never logged."""
        if self._logs and path_of(rendering.head.target) != b"/healthz":
            near, head, request_id = rendering.near, rendering.head, rendering.request_id
            status, sent = rendering.status, rendering.sent
            entry = entry_of_own(near.peer, head, request_id, status, sent, "", None, seconds)
            self._access_log.write(entry)

    def relay(self, exchange: Exchange, head: AnswerHead) -> str | None:
        """Make a WebSocket of an exchange whose upstream agreed; else say what is wrong."""
        return open_relay(self, exchange, head)

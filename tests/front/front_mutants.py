"""The rules of the near side, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

TABLE: Final = "daarion_gw/config/table.py"
TREE: Final = "daarion_gw/front/tree.py"
ROUTING: Final = "daarion_gw/front/routing.py"
TARGET: Final = "daarion_gw/wire/target.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
HTTP1: Final = "daarion_gw/front/http1.py"
FACTORY: Final = "daarion_gw/front/factory.py"
ANSWERING: Final = "daarion_gw/front/answering.py"
REFUSALS: Final = "daarion_gw/front/refusals.py"
EXCHANGE: Final = "daarion_gw/front/exchange.py"
UPLOAD: Final = "daarion_gw/front/upload.py"
PATIENCE: Final = "daarion_gw/front/patience.py"
RENDERING: Final = "daarion_gw/front/rendering.py"
LISTENERS: Final = "daarion_gw/front/listeners.py"
SERVICE: Final = "daarion_gw/service.py"
TAP: Final = "daarion_gw/tap.py"


def _of(file: str, module: str, *rows: tuple[str, str, str, str]) -> tuple[Mutant, ...]:
    """Rows of (rule, old, new, test) about one file, tested in one module."""
    return tuple(
        Mutant(rule, file, old, new, f"tests/{module}.py::test_{test}")
        for rule, old, new, test in rows
    )


_REFUSED = "it_is_refused_and_the_connection_closed"
_NOT_TAKEN = "the_end_of_an_answer_that_nobody_takes_is_cut"
_SHUT = "what_a_route_keeps_shut_is_not_found_however_it_is_written"
_CLIMBING = "a_path_that_some_server_reads_as_climbing_out_is_refused"

MUTANTS: Final = (
    *_of(
        TABLE, "front/test_routing",
        ("longest", "routes.sort(key=lambda route: -len(route[0]))", "pass",
         "the_longest_prefix_wins"),
        ("exact", "found = self._exact.get(path)", "found = None",
         "an_exact_path_beats_a_prefix"),
        ("host", "paths = self._hosts.get(bare_host(host))", "paths = None",
         "a_host_beats_no_host"),
        ("host", "return host[1 : host.find(b\"]\")]", "return host", "an_ipv6_host"),
    ),
    *_of(
        ROUTING, "front/test_routing",
        ("ambiguous", "return Miss.AMBIGUOUS", "pass",
         "a_path_that_reads_as_another_route_is_refused[/kept/%2e%2e/api/x]"),
        ("slash", "if slashed is not None and", "if False and",
         "a_missing_slash_is_a_redirect_that_keeps_query_and_method[GET-301]"),
        ("deny", "        found = set(readings(path))\n", "        found = {path}\n",
         f"{_SHUT}[/shut-whole/..%2Fshut-whole/-/quit]"),
        ("deny", " or read == denied[:-1]", "",
         f"{_SHUT}[/shut/admin]"),
        ("deny", "read.rstrip(b\"/\") == denied", "read == denied",
         f"{_SHUT}[/shut/-/quit/]"),
        ("climb", " or b\"%\" in path) and", ") and",
         f"{_CLIMBING}[/api/%252e%252e/admin]"),
        ("climb", "(b\"..\" in path or ", "(", f"{_CLIMBING}[/api/..;/admin]"),
        ("climb", "if self._is_moved and (", "if (",
         "where_the_servers_paths_are_ours_there_is_nothing_to_climb_out_of[/kept/..%2fx]"),
        ("climb", "way.prefix or way.base", "way.prefix",
         f"{_CLIMBING}[/based-whole/..%2f..%2fx]"),
        ("climb", "climbs(path[len(self._prefix) :])", "climbs(path)",
         f"{_CLIMBING}[/api/..%2Fadmin]"),
        ("base", 'base=server.path.encode("ascii")', 'base=b""',
         "a_base_path_stands_before_the_rest"),
        ("strip", "strips = route.strip_prefix and", "strips =",
         "a_route_that_does_not_strip_keeps_the_path_and_says_nothing"),
        ("slash", 'return 301 if head.method in (b"GET", b"HEAD") and', "return 301 if True or",
         "a_missing_slash_is_a_redirect_that_keeps_query_and_method[POST-308]"),
    ),
    *_of(
        TARGET, "front/test_routing",
        ("deny", "frozenset((folded(path), later))", "frozenset((folded(path),))",
         f"{_SHUT}[/shut/-/a//../../quit]"),
        ("deny", "frozenset((folded(path), later))", "frozenset((later,))",
         f"{_SHUT}[/shut/a/b//../../-/quit]"),
        ("climb", "_SLASHES.sub(b\"/\", _unescaped(path)).strip",
         "_SLASHES.sub(b\"/\", path).strip", f"{_CLIMBING}[/api/..%2Fadmin]"),
        ("climb", "for _ in range(2):", "for _ in range(1):",
         f"{_CLIMBING}[/api/%252e%252e/admin]"),
        ("climb", "return _PARAMETERS.sub(b\"\", path)", "return path",
         f"{_CLIMBING}[/api/..;/admin]"),
        ("climb", "segment not in (b\"\", b\".\")", "segment != b\"\"",
         f"{_CLIMBING}[/api/.%2F..%2Fadmin]"),
    ),
    *_of(
        RECEPTION, "front/test_requests",
        ("expectation", 'and fields.expect != b"100-continue":', "and False:",
         f"{_REFUSED}[an unknown expectation]"),
        ("closing", "if fault in CLOSING:", "if False:", f"{_REFUSED}[an unknown expectation]"),
        ("asterisk", 'if head.method == b"OPTIONS" and (', "if False and (",
         "options_of_the_gateway_itself"),
        ("max-forwards", " or self._is_last_hop(fields)", "",
         "options_for_the_last_hop_is_answered_here"),
        ("declared length",
         "if proxy.max_body and length is not None and length > proxy.max_body:", "if False:",
         "a_declared_body_too_large_is_refused_before_the_upstream_sees_any_of_it"),
    ),
    *_of(
        RECEPTION, "front/test_loops",
        ("loop", "if self._loop_mark in fields.kept:", "if False:", "our_own_via_line_is_a_loop"),
    ),
    *_of(
        RECEPTION, "front/test_forwarding_trusted",
        ("request id", "request_id = believed_request_id(near.peer, fields.request_id)", "pass",
         "a_well_formed_request_id_is_kept[abcd-1234]"),
    ),
    *_of(
        RECEPTION, "front/test_websocket_handshake",
        ("origins", "if upgrade and not origin_allowed(", "if False and not origin_allowed(",
         "only_the_routes_origins_may_open_one[Origin: https://evil.example-403]"),
    ),
    *_of(
        RECEPTION, "front/test_refusals_untrusted",
        ("untrusted", "detail if origin.trusted else None", "detail",
         "only_the_status_and_the_id[no route]"),
    ),
    *_of(
        RECEPTION, "front/test_refusals",
        ("security fields", "if origin.is_secure else SECURITY_LINES[0]",
         'if origin.is_secure else b""', "every_refusal_has_the_security_fields_once_and_a_date"),
    ),
    *_of(
        REFUSALS, "front/test_refusals",
        ("form", 'wants_html(head.value(b"accept"))', "False", "a_browser_gets_a_page"),
        ("head", '    if head.method == b"HEAD":', "    if False:",
         "a_refusal_to_head_has_no_body"),
    ),
    *_of(
        RECEPTION, "front/test_access_log",
        ("log", '!= b"/healthz":', '!= b"/":',
         "neither_the_health_check_nor_a_quiet_route_is_logged"),
        ("log", "if self._logs and exchange.proxy.route.access_log:", "if self._logs:",
         "neither_the_health_check_nor_a_quiet_route_is_logged"),
    ),
    *_of(
        RECEPTION, "test_service",
        ("drain", "            if near.is_idle:\n                near.close()", "",
         "an_idle_connection_is_closed"),
    ),
    *_of(
        HTTP1, "front/test_bodies",
        ("lingering",
         "        self.deadline = sweep.now + LINGER\n        if not self.is_secure:\n"
         "            self.transport.loseWriteConnection()",
         "        self.transport.loseConnection()",
         "a_client_that_still_sends_sees_why_it_was_refused"),
        ("lingering", "self.deadline = sweep.now + LINGER", "self.deadline = NEVER",
         "the_wait_for_such_a_client_ends"),
        ("early answer", "if self._drained > DRAIN_AT_MOST:", "if False:",
         "an_early_answer_to_much_more_body_ends_the_connection"),
        ("early answer", "            self._drained = 0\n            self._resume_all()",
         "            self.close()",
         "an_early_answer_is_relayed_at_once_and_a_little_body_drained"),
        ("client goes away", "            conversation.near_lost()\n        # Last",
         "            pass\n        # Last",
         "a_client_that_goes_away_takes_the_upstream_with_it[waiting-close]"),
    ),
    *_of(
        HTTP1, "front/test_requests",
        ("read-ahead", "self.pause_reading(Why.READ_AHEAD)", "pass", "read_ahead_is_bounded"),
        ("read-ahead", "        if self._paused_for and receiver.held <= READ_AHEAD:\n",
         "        if self._paused_for:\n",
         "also_while_they_are_answered_one_by_one"),
        ("read-ahead", "self.resume_reading(Why.CONNECTING | Why.UPSTREAM_FULL)",
         "self._resume_all()", "also_while_they_are_answered_one_by_one"),
        ("read-ahead", "        if self._paused_for and receiver.held <= READ_AHEAD:\n",
         "        if False:\n",
         "a_body_that_was_read_ahead_in_part_comes_whole[1000000]"),
        ("read-ahead", "_BUSY = (_EXCHANGE, _FULL, _YIELDING)", "_BUSY = (_EXCHANGE, _YIELDING)",
         "what_a_full_client_goes_on_asking_is_not_read"),
        ("read-ahead", "        if self.is_blocked:\n", "        if False:\n",
         "answers_do_not_pile_up_before_a_client_that_reads_none"),
        ("closing", "head.keep_alive and self.reception.keeps_alive", "True",
         "a_request_after_close_is_not_answered"),
    ),
    *_of(
        HTTP1, "front/test_haproxy_endpoint",
        ("proxy", "        if isinstance(transport, ProtocolWrapper):", "        if False:",
         "the_client_is_whom_the_balancer_names"),
    ),
    *_of(
        HTTP1, "test_service",
        ("drain", "        # Last: when all are closed, all else ends.\n", "        return\n",
         "what_does_not_end_in_time_is_cut"),
    ),
    *_of(
        HTTP1, "front/test_one_turn",
        ("fairness", "IN_A_ROW = 16", "IN_A_ROW = 10_000",
         "many_requests_of_one_client_do_not_go_before_the_others"),
    ),
    *_of(
        HTTP1, "front/test_own_trouble",
        ("mistakes", "            self._fell_over(head)", "            raise",
         "a_mistake_is_a_500_and_its_traceback_is_logged"),
    ),
    *_of(
        RECEPTION, "front/test_refusals_behind_a_proxy",
        ("untrusted", "told = detail if origin.trusted else None",
         "told = detail if near.peer.trusted else None",
         "a_stranger_is_told_nothing_of_what_is_behind[/unknown]"),
    ),
    *_of(
        SERVICE, "front/test_refusals_behind_a_proxy",
        ("untrusted", "request.channel.origin.trusted", "request.channel.near.peer.trusted",
         "nor_does_the_start_page_tell_a_stranger_where_servers_are"),
    ),
    *_of(
        TREE, "test_service",
        ("own pages", 'getattr(child, "max_body", self.mounted_max_body)',
         "self.mounted_max_body", "the_gateways_own_pages_take_no_body[/healthz]"),
    ),
    *_of(
        ANSWERING, "front/test_requests",
        ("http-1.0", "            if self.head.minor:\n                lines",
         "            if True:\n                lines", "it_never_gets_chunks"),
        ("http-1.0", "        if self.head.minor:\n            self.transport",
         "        if True:\n            self.transport", "it_gets_no_1xx"),
        ("http-1.0", "elif not self.head.minor:", "elif False:", "unless_it_asks_for_more"),
    ),
    *_of(
        HTTP1, "front/test_closing",
        ("closing", "            self.transport.abortConnection()\n",
         "            self.transport.loseConnection()\n", f"{_NOT_TAKEN}[tcp]"),
        ("closing", "            self.transport.abortConnection()\n",
         "            self.transport.loseConnection()\n",
         "who_never_says_goodbye_is_not_waited_for[ssl]"),
        ("closing", "self.deadline = sweep.now + self.reception.send_timeout",
         "self.deadline = NEVER", f"{_NOT_TAKEN}[daarion-tls]"),
        ("full", "self.deadline = self.reception.sweep.now + self.reception.send_timeout",
         "self.deadline = NEVER", "so_is_one_that_takes_no_answer_and_has_asked_for_more[ssl]"),
    ),
    *_of(
        FACTORY, "front/test_tls",
        ("alpn", "@implementer(IProtocolNegotiationFactory)\n", "", "what_alpn_agrees_on"),
    ),
    *_of(
        HTTP1, "front/test_time_limits",
        ("slow head", "        elif stage is _HEAD:", "        elif False:",
         "a_head_that_does_not_end_in_time_is_a_408"),
        ("slow head", "            elif self._stage is _IDLE:",
         "            elif self._stage in (_IDLE, _HEAD):",
         "however_slowly_it_drips"),
        ("slow head", "        if self._stage is _IDLE and receiver.held:",
         "        if False:", "also_when_it_came_together_with_the_first"),
        ("keep-alive", "self.reception.sweep.now + self.reception.keep_alive", "NEVER",
         "an_idle_connection_is_closed_after_keep_alive"),
    ),
    *_of(
        HTTP1, "front/test_answers",
        ("cut", "self._lowest.abortConnection()", "self._lowest.loseConnection()",
         "a_cut_reaches_a_1_0_client_too"),
    ),
    *_of(
        ANSWERING, "front/test_answers",
        ("closing", "        if not self._keep_alive:\n            lines",
         "        if False:\n            lines", "a_client_that_asks_for_the_close_gets_it"),
    ),
    *_of(
        HTTP1, "front/test_tls",
        ("cut", "return self.transport.transport if self.is_secure else self.transport",
         "return self.transport", "an_answer_cut_short_is_no_end"),
    ),
    *_of(
        HTTP1, "test_service",
        ("drain", "        if not self._keep_alive:\n            # The gateway",
         "        if False:\n            # The gateway",
         "a_body_that_is_only_drained_does_not_hold_it_up"),
    ),
    *_of(
        EXCHANGE, "front/test_requests",
        ("counted body", "if limit and upload.received + len(data) > limit:", "if False:",
         "a_chunked_body_is_counted"),
        ("expect",
         "if head.status == 100 and not (upload is not None and upload.said_continue()):",
         "if False:", "a_100_that_nobody_asked_for_is_not_passed_on"),
    ),
    *_of(
        EXCHANGE, "front/test_bodies",
        ("streaming", "        self.near.flush()", "        pass",
         "each_piece_of_an_answer_passes_when_it_comes"),
        ("back-pressure", "            self.far.pause_reading()", "            pass",
         "a_client_that_does_not_read_holds_the_server_back"),
    ),
    *_of(
        EXCHANGE, "front/test_answers",
        ("cut short", "            self.cut(Fault.UPSTREAM_BROKE, detail)",
         "            self.near.end()",
         "an_answer_cut_short_cuts_the_client[close-no last chunk]"),
        ("date", "        if not head.has & _DATE:\n", "        if False:\n",
         "a_date_is_added_where_there_is_none"),
        ("trailers", "near.end(trailers_for(self.head, trailers) if trailers",
         "near.end(trailers if trailers", "and_to_no_other"),
    ),
    *_of(
        EXCHANGE, "front/test_forwarding_untrusted",
        ("request id", 'b"%bX-Request-Id: %b\\r\\n" % (block, self.request_id)', "block",
         "a_new_request_id_goes_both_ways_and_into_the_log"),
    ),
    *_of(
        EXCHANGE, "front/test_time_limits",
        ("first byte",
         "            near.deadline = later(self, self.proxy.timeouts.first_byte)\n"
         "            return",
         "            return", "no_answer_in_time_is_a_504"),
        ("send", "            if self._is_uploading:\n                self.near.deadline = later(",
         "            if False:\n                self.near.deadline = later(",
         "a_body_that_the_server_does_not_take_is_a_504"),
    ),
    *_of(
        PATIENCE, "front/test_time_limits",
        ("idle", 'exchange.cut(Fault.UPSTREAM_TIMEOUT, "stopped in the middle of its answer")',
         "exchange.near.end()", "an_answer_that_stops_is_cut"),
        ("send", 'exchange.cut(None, "the client stopped taking the answer")', "pass",
         "a_client_that_takes_nothing_of_its_answer_is_cut"),
        ("send", "elif upload.is_stuck:", "elif False:",
         "a_body_that_the_server_does_not_take_is_a_504"),
    ),
    *_of(
        PATIENCE, "front/test_patience",
        ("send", "        if near.is_moving():", "        if False:",
         "a_client_that_takes_a_little_is_given_more_time"),
        ("send", "        if upload.far_moved():", "        if False:",
         "a_server_that_takes_a_little_is_given_more_time"),
    ),
    *_of(
        PATIENCE, "front/test_requests",
        ("expect", "elif upload.said_continue():", "elif False:",
         "the_gateways_own_100_after_a_second"),
    ),
    *_of(
        PATIENCE, "front/test_slow_bodies",
        ("slow body", "elif upload.is_too_slow:", "elif False:",
         "a_body_that_stops_is_too"),
    ),
    *_of(
        UPLOAD, "front/test_patience",
        ("slow body", "return not self._far_full and self.received", "return self.received",
         "a_body_is_not_slow_while_the_server_is_full"),
    ),
    *_of(
        UPLOAD, "front/test_slow_bodies",
        ("slow body", "SLOWEST_BODY = 64 * 30", "SLOWEST_BODY = 64",
         "the_rule_is_64_bytes_a_second_over_30_seconds"),
    ),
    *_of(
        UPLOAD, "front/test_bodies",
        ("back-pressure", "        self.near.pause_reading(Why.UPSTREAM_FULL)", "        pass",
         "a_server_that_does_not_read_holds_the_client_back"),
    ),
    *_of(
        RENDERING, "test_service",
        ("back-pressure", "            self._pulling.pause()", "            pass",
         "a_large_file_for_a_slow_client"),
        ("client goes away", "        self._request.connectionLost(Failure(ConnectionDone()))",
         "        pass", "a_slow_resource_whose_client_leaves"),
        ("expect", '            self.near.send_informational(100, b"Continue", b"")',
         "            pass", "a_wsgi_application_gets_its_body"),
    ),
    *_of(
        LISTENERS, "test_tap",
        ("port in use", "owner = owner_of(error.port) if isinstance(error.port, int) else None",
         "owner = None", "a_port_in_use_names_itself_and_its_owner"),
    ),
    *_of(
        LISTENERS, "front/test_crowd",
        ("queue", "        sock.listen(QUEUE)\n", "        pass\n",
         "a_crowd_is_connected_before_anybody_is_accepted"),
        ("queue", '"backlog=" not in description and ', "", "it_is_as_long_as_the_listener_says"),
    ),
    *_of(
        SERVICE, "test_service",
        ("reload", "        self.reception.lead_by(root)\n", "",
         "a_new_route_is_live_after_sighup"),
        ("reload", "self._members.pop(key).close()", "self._members.pop(key)",
         "idle_connections_to_a_server_that_is_gone_are_closed"),
    ),
    *_of(
        SERVICE, "front/test_access_log",
        ("reload", "        self._access_log.reopen()\n", "",
         "the_file_is_opened_again_on_sighup"),
    ),
    *_of(
        TAP, "test_tap",
        ("exit code", 'raise SystemExit(1 if self["check"] else WRONG_USAGE)',
         "raise SystemExit(1)", "a_bad_file_is_told_before_anything_listens"),
    ),
    *_of(
        TAP, "test_service",
        ("exit code", "        self._on(signal.SIGTERM, self._stop)\n", "",
         "nothing_under_way_ends_at_once_with_0"),
    ),
)  # fmt: skip

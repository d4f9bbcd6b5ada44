"""The rules of several servers, their health and their names, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

EXCHANGE: Final = "daarion_gw/front/exchange.py"
ASKING: Final = "daarion_gw/front/asking.py"
OUTCOME: Final = "daarion_gw/front/outcome.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
RELAY: Final = "daarion_gw/front/relay.py"
SERVICE: Final = "daarion_gw/service.py"
WORKER: Final = "daarion_gw/workers/worker.py"
METRICS: Final = "daarion_gw/observe/metrics.py"
SUMS: Final = "daarion_gw/observe/sums.py"
DESCRIBED: Final = "daarion_gw/admin/described.py"
_HERE: Final = "daarion_gw/upstream/"
GROUP: Final = _HERE + "group.py"
MEMBER: Final = _HERE + "member.py"
BALANCE: Final = _HERE + "balance.py"
STICKY: Final = _HERE + "sticky.py"
CONDITION: Final = _HERE + "condition.py"
WINDOW: Final = _HERE + "window.py"
BREAKER: Final = _HERE + "breaker.py"
PROBE: Final = _HERE + "probe.py"
AGENT: Final = _HERE + "agent.py"
ATTEMPT: Final = _HERE + "attempt.py"
NAMES: Final = _HERE + "names.py"
_CONNECTIONS: Final = "tests/upstream/test_connections.py::test_"
_BALANCE: Final = "tests/upstream/test_balance.py::test_"
_STICKY: Final = "tests/upstream/test_sticky.py::test_"
_CONDITION: Final = "tests/upstream/test_condition.py::test_"
_BREAKER: Final = "tests/upstream/test_breaker.py::test_"
_PROBE: Final = "tests/upstream/test_probe.py::test_"
_RACING: Final = "tests/upstream/test_racing.py::test_"
_NAMES: Final = "tests/upstream/test_names.py::test_"
_FAILING: Final = "tests/upstream/test_failing_servers.py::test_"
_BOUND: Final = "tests/upstream/test_bound_clients.py::test_"

MUTANTS: Final = (
    # who is asked
    Mutant("balance", BALANCE, "now + self._step[best]", "now", _BALANCE + "in_turn"),
    Mutant("balance", BALANCE, "member: 1 / weight for", "member: 1.0 for",
           _BALANCE + "heavier_ones_come_more_often_and_not_in_a_row"),
    Mutant("balance", BALANCE, "if due[member] < now)", "if False)",
           _BALANCE + "who_comes_back_does_not_make_up_for_what_it_missed"),
    Mutant("balance", GROUP, "self._judged != Condition.changes", "self._judged < 0",
           _BALANCE + "who_is_away_for_a_while_leaves_the_others_their_shares"),
    Mutant("balance", BALANCE, "in_flight + 1) / weights[member]", "in_flight + 1)",
           _BALANCE + "filled_one_by_one_they_hold_what_they_weigh"),
    Mutant("balance", BALANCE, "first = next(self._turn) % len(candidates)", "first = 0",
           _BALANCE + "of_equals_each_gets_its_turn"),
    Mutant("balance", BALANCE, "if _load(other, weights) < _load(one, weights) else one",
           "if False else one", _BALANCE + "the_less_busy_of_two"),
    Mutant("balance", BALANCE, "return self._weights[member] / -log(drawn)", "return drawn",
           _BALANCE + "a_heavier_server_has_more_clients"),
    Mutant("balance", BALANCE, "key=blake2b(self._names[member]).digest()",
           'key=b"%d" % list(self._weights).index(member)',
           _BALANCE + "it_does_not_depend_on_the_process"),
    Mutant("balance", BALANCE, "return found or request.client", "return found or b''",
           _BALANCE + "without_it_by_the_clients_address[header]"),
    Mutant("servers", GROUP, "for each in self._takers if each not in tried]",
           "for each in self._takers]", _BALANCE + "each_is_tried_once_and_then_there_is_none"),
    Mutant("servers", GROUP, "for each in self.members if each not in self._draining)",
           "for each in self.members)",
           _STICKY + "a_drained_server_gets_those_who_are_bound_to_it_and_nobody_else"),
    Mutant("servers", GROUP, "ready = [each for each in left if each.condition.is_ready]",
           "ready = left", _CONDITION + "an_ejected_one_is_not_asked"),
    Mutant("servers", GROUP, "return [each for each in left if not each.condition.is_down]",
           "return left", _CONDITION + "when_all_are_down_nobody_is_asked"),
    Mutant("servers", GROUP, "return [each for each in left if not each.condition.is_down]",
           "return []", _CONDITION + "when_the_last_one_fails_those_that_were_left_out_are_tried"),
    Mutant("servers", GROUP, "is_plain = upstream.health_check is None and not self._draining",
           "is_plain = True", _CONDITION + "also_when_there_is_only_one"),
    # cookies
    Mutant("sticky", STICKY, "if hmac.compare_digest(mark, sent):", "if sent:",
           _STICKY + "a_forged_one_binds_to_nobody"),
    Mutant("sticky", STICKY, "mac = hmac.digest(key, f", "mac = hmac.digest(b'', f",
           _STICKY + "it_means_nothing_under_another_secret"),
    Mutant("sticky", STICKY, "return urlsafe_b64encode(mac)",
           "return urlsafe_b64encode(url.encode())",
           _STICKY + "nothing_of_the_server_can_be_read_in_it"),
    Mutant("sticky", STICKY, "[:_AT_MOST]", "", _STICKY + "but_not_of_very_many"),
    Mutant("sticky", STICKY, 'b"; Secure" if secure else b""', 'b""',
           _BOUND + "over_tls_before_the_gateway_it_is_for_tls_alone"),
    Mutant("sticky", STICKY, "if self.bound(head) is member:", "if self.bound(head):",
           _STICKY + "one_that_is_not_up_loses_its_clients_until_it_is_back"),
    Mutant("sticky", STICKY, "if semicolon else path", "if False else path",
           _STICKY + "a_path_that_no_cookie_could_name_is_cut"),
    Mutant("sticky", GROUP, "if bound is not None and bound.condition.is_ready and",
           "if bound is not None and",
           _STICKY + "one_that_is_not_up_loses_its_clients_until_it_is_back"),
    Mutant("sticky", GROUP, "and bound not in tried:", ":",
           _STICKY + "one_that_was_tried_is_not_tried_again"),
    Mutant("sticky", EXCHANGE, "            block += binding(self)\n", "            pass\n",
           _BOUND + "a_client_that_has_the_cookie_comes_back"),
    Mutant("sticky", RELAY, "            block += binding(exchange)\n", "            pass\n",
           _BOUND + "a_websocket_binds_too"),
    Mutant("sticky", SERVICE, "Group(upstream, members, self._secret)",
           "Group(upstream, members, os.urandom(32))",
           _BOUND + "a_reload_leaves_clients_where_they_were"),
    Mutant("sticky", WORKER, 'secret=bytes.fromhex(begin["secret"])', "secret=os.urandom(32)",
           _BOUND + "every_worker_knows_the_cookies_of_every_other"),
    # health and ejection
    Mutant("health", CONDITION, "if self.is_down or self._wrong < check.fall:", "if self.is_down:",
           _CONDITION + "so_many_probes_in_a_row_must_fail"),
    Mutant("health", CONDITION, "if not self.is_down or self._passed < check.rise:",
           "if not self.is_down:", _CONDITION + "and_so_many_must_pass"),
    Mutant("health", CONDITION, "            self._wrong = 0\n            self._passed += 1",
           "            self._passed += 1", _CONDITION + "so_many_probes_in_a_row_must_fail"),
    Mutant("health", CONDITION, "        if self.state is before:\n            return None\n", "",
           _CONDITION + "a_reload_that_changes_nothing_changes_nothing"),
    Mutant("eject", CONDITION, "        self._row = 0\n        return self._noted(status",
           "        return self._noted(status",
           _CONDITION + "an_answer_ends_the_row_an_error_too"),
    Mutant("eject", CONDITION, "window.seen < max(1, eject.requests)", "False",
           _CONDITION + "few_exchanges_say_nothing"),
    Mutant("eject", WINDOW, "            self.seen -= self._seens[place]\n", "",
           "tests/upstream/test_window.py::"
           "test_what_is_younger_is_counted_and_what_is_older_is_not"),
    Mutant("eject", CONDITION, "2 ** min(level, 32)", "1",
           _CONDITION + "each_time_it_is_out_for_longer_up_to_the_longest"),
    Mutant("eject", CONDITION, "        self._calm_down(now)\n", "",
           _CONDITION + "good_behaviour_makes_the_next_time_shorter_again"),
    Mutant("eject", CONDITION, "window is None or not self.is_ready:", "window is None:",
           _CONDITION + "what_ends_while_it_is_out_is_no_news"),
    Mutant("eject", CONDITION, "if not self.is_ejected or now < self._back_at:",
           "if not self.is_ejected:",
           _CONDITION + "it_is_out_for_its_time_and_then_asked_again"),
    Mutant("eject", CONDITION,
           "        if self.is_down:\n            return None\n        self._judge(",
           "        self._judge(",
           _CONDITION + "a_time_out_that_is_over_makes_nobody_up_that_is_down"),
    Mutant("eject", GROUP, "if reason is not None and self._is_spare(member):",
           "if reason is not None:", _CONDITION + "the_last_one_is_never_ejected"),
    Mutant("eject", GROUP, "each is not member and each not in self._draining",
           "each is not member", _CONDITION + "nor_where_the_others_are_down_or_drained"),
    Mutant("eject", MEMBER, "        if self._is_closed:\n", "        if False:\n",
           _FAILING + "one_that_a_reload_took_out_is_nobodys_when_it_fails_after_that"),
    Mutant("eject", SERVICE, "            member.tick()\n", "",
           _FAILING + "a_server_that_is_killed_is_left_out_after_some_failures"),
    Mutant("eject", EXCHANGE,
           "        report(self, fault)\n        seek(self).not_reached(fault, detail)",
           "        seek(self).not_reached(fault, detail)",
           _FAILING + "a_server_that_is_killed_is_left_out_after_some_failures"),
    Mutant("eject", ASKING, 'if group.watches and fault.blame == "upstream":',
           "if group.watches:",
           _FAILING + "what_clients_do_wrong_is_not_the_servers_fault"),
    Mutant("health", SERVICE, "member.settle(*said, self.reactor)", "pass",
           _FAILING + "one_that_is_down_gets_no_exchanges_until_it_is_up_again"),
    Mutant("health", MEMBER, "            probing.stop()\n        self._probing = None",
           "            pass\n        self._probing = None",
           _FAILING + "after_a_reload_that_says_so_nobody_is_probed"),
    Mutant("health", RECEPTION,
           "return bool(exchange.server) or fault not in _TOLD_ONCE", "return True",
           _FAILING + "when_all_are_down_it_is_a_503_with_retry_after"),
    # probes
    Mutant("probe", PROBE, "allow_redirects=False", "allow_redirects=True",
           _PROBE + "a_redirect_is_not_followed"),
    Mutant("probe", PROBE, "self._data += data[: BODY_AT_MOST - len(self._data)]",
           "self._data += data",
           _PROBE + "the_body_must_have_the_pattern_in_its_first_64_kib"),
    Mutant("probe", PROBE, "                self._done()\n                self._hang_up()\n",
           "                pass\n", _PROBE + "of_a_body_without_end_no_more_is_read"),
    Mutant("probe", PROBE, ".addTimeout(limit, self._reactor)", "",
           _PROBE + "one_that_is_late_with_any_of_its_answer"),
    Mutant("probe", PROBE, "        if asked is not None:\n            asked.cancel()\n", "",
           _PROBE + "stopped_it_leaves_no_timer_and_tells_nothing"),
    Mutant("probe", PROBE, "        if call is not None:\n            call.cancel()\n", "",
           _PROBE + "stopped_between_two_it_leaves_no_timer"),
    Mutant("probe", PROBE, "self._wait(self._chance() * min(_SOON, self.check.interval))",
           "self._wait(0.0)", _PROBE + "several_do_not_begin_at_the_same_moment"),
    Mutant("probe", AGENT, "secured: Any = Secured(server)",
           "secured: Any = Secured(server.model_copy(update={'verify': False}))",
           _FAILING + "tls_is_verified_as_for_traffic[true]"),
    # the breaker
    Mutant("breaker", BREAKER, "window.seen < max(1, settings.requests)", "False",
           _BREAKER + "few_exchanges_or_those_of_long_ago_say_nothing"),
    Mutant("breaker", BREAKER,
           "        elif now < self._trial_ends:\n            return False\n", "",
           _BREAKER + "half_open_it_admits_one_at_a_time"),
    Mutant("breaker", BREAKER, "        self._trial_ends = now + self._settings.open_for\n",
           "        self._trial_ends = inf\n",
           _BREAKER + "one_that_does_not_end_does_not_keep_all_others_out"),
    Mutant("breaker", BREAKER, "        if began <= self._opened_at:", "        if False:",
           _BREAKER + "what_was_under_way_when_it_opened_says_nothing_new"),
    Mutant("breaker", BREAKER, "            self._trial_ends = -inf\n        elif good:",
           "            pass\n        elif good:",
           _BREAKER + "one_whose_client_leaves_makes_room_for_the_next"),
    Mutant("breaker", BREAKER,
           '            self._open(now, "the exchange', '            str("the exchange',
           _BREAKER + "one_that_fails_opens_it_again_without_a_word"),
    Mutant("breaker", EXCHANGE, "and not group.breaker.admits(self._started)", "and False",
           _FAILING + "an_upstream_that_fails_is_spared_and_asked_again"),
    Mutant("breaker", EXCHANGE,
           "            tell_breaker(self, time.perf_counter() - self._started)\n",
           "            pass\n", _FAILING + "a_websocket_that_opens_closes_it"),
    Mutant("breaker", GROUP, "            self.breaker = before.breaker\n", "            pass\n",
           _BREAKER + "it_outlives_a_reload_that_does_not_change_it"),
    # names
    Mutant("names", ATTEMPT, "            self._stop_waiting()\n            self._begin_next()\n",
           "            pass\n", _RACING + "after_one_that_refuses_the_next_is_tried_at_once"),
    Mutant("names", ATTEMPT, "        if self._left:\n            self._head_start",
           "        if False:\n            self._head_start",
           _RACING + "one_that_is_silent_has_a_head_start_and_no_more"),
    Mutant("names", ATTEMPT, "            names.failed(slower, port)\n", "            pass\n",
           _RACING + "and_goes_last_the_next_time_too"),
    Mutant("names", ATTEMPT, "            self.pool.names.failed(address, self.pool.server.port)\n",
           "            pass\n", _RACING + "and_goes_last_the_next_time"),
    Mutant("names", ATTEMPT,
           "timeout = max(0.0, timeout - (pool.reactor.seconds() - self._began))", "pass",
           _RACING + "the_limit_is_for_all_of_them_together"),
    Mutant("names", ATTEMPT, "                connector.stopConnecting()\n",
           "                pass\n",
           _RACING + "who_does_not_wait_any_more_leaves_nothing_behind"),
    Mutant("names", NAMES, "for pair in zip_longest(same, others)",
           "for pair in [[*same, *others]]",
           _NAMES + "families_take_turns_and_the_systems_favourite_is_first"),
    Mutant("names", NAMES, "AVOID = 10.0", "AVOID = 1000.0",
           _NAMES + "what_failed_lately_goes_last"),
    # told
    Mutant("told", METRICS, "        if each.members:\n", "        if True:\n",
           _FAILING + "status_and_metrics_say_how_it_stands"),
    Mutant("told", MEMBER, "self.pool.counters.out = int(not is_ready)",
           "self.pool.counters.out = 0", _CONDITION + "an_ejected_one_is_not_asked"),
    Mutant("told", SUMS, '"connections_open", "members", "out")', '"connections_open", "members")',
           _BOUND + "health_adds_up_over_workers"),
    Mutant("told", DESCRIBED, "return max(one, other,", "return min(one, other,",
           "tests/admin/test_described.py::test_the_worst_state_is_shown_with_its_reason"),
)  # fmt: skip

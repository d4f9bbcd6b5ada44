"""The rules of asking again, of waiting for a server and for a place, each taken out once."""

from typing import Final

from tests.wire.mutants import Mutant

EXCHANGE: Final = "daarion_gw/front/exchange.py"
SEEKING: Final = "daarion_gw/front/seeking.py"
ASKING: Final = "daarion_gw/front/asking.py"
UPLOAD: Final = "daarion_gw/front/upload.py"
GROUP: Final = "daarion_gw/upstream/group.py"
BUDGET: Final = "daarion_gw/upstream/budget.py"
QUEUE: Final = "daarion_gw/upstream/queue.py"
DRAINING: Final = "daarion_gw/upstream/draining.py"
SERVICE: Final = "daarion_gw/service.py"
WORKER: Final = "daarion_gw/workers/worker.py"
_CONNECTIONS: Final = "tests/upstream/test_connections.py::test_"
_RETRIES: Final = "tests/front/test_retries.py::test_"
_WAITING: Final = "tests/front/test_waiting.py::test_"
_BUSY: Final = "tests/front/test_busy.py::test_"
_LIMITS: Final = "tests/workers/test_limits.py::test_"

MUTANTS: Final = (
    # A kept-alive connection that dies.
    Mutant("retry", ASKING, "return exchange.head.is_idempotent and (", "return (",
           _CONNECTIONS + "nor_what_has_no_body"),
    Mutant("retry", SEEKING, "elif far.used and can_repeat(exchange):",
           "elif can_repeat(exchange):", _CONNECTIONS + "a_new_connection_is_not_tried_again"),
    Mutant("retry", SEEKING, "    if far.receiver.has_begun:\n",
           "    if far.receiver.has_begun and not far.is_lost:\n",
           _CONNECTIONS + "nor_where_an_answer_has_begun"),
    Mutant("retry", SEEKING, "        connect(self._exchange)\n",
           '        self._exchange.refuse(Fault.UPSTREAM_BROKE, "gone")\n',
           _CONNECTIONS + "a_kept_connection_that_dies_silently_is_no_end[GET]"),
    # No connection.
    Mutant("servers", SEEKING,
           "        member = self._next()\n        if member is not None:\n            self._ask(",
           "        member = self._next()\n        if False:\n            self._ask(",
           _CONNECTIONS + "the_next_one_is_tried_when_one_refuses"),
    Mutant("early answer", ASKING, "return exchange.near.request_complete and (",
           "return True or (", "tests/front/test_bodies.py::"
           "test_an_early_answer_is_relayed_at_once_and_a_little_body_drained"),
    # Another server.
    Mutant("again", EXCHANGE, "status in group.passed_over and", "False and",
           _RETRIES + "another_server_answers_instead[503]"),
    Mutant("again", GROUP, "retry.statuses if repeats else ()", "range(400, 600)",
           _RETRIES + "any_other_answer_is_one[500]"),
    Mutant("again", SEEKING,
           "member = self._another(has_answer=True) if can_repeat(exchange) else None",
           "member = self._another(has_answer=True)", _RETRIES + "what_is_not_is_never_sent_twice"),
    Mutant("again", SEEKING, "        if can_repeat(exchange):\n", "        if True:\n",
           _RETRIES + "what_is_not_is_never_sent_twice"),
    Mutant("again", SEEKING, "return self._again < self._exchange.proxy.group.upstream.retry.tries",
           "return True", _RETRIES + "not_to_all_of_many_servers"),
    Mutant("again", SEEKING,
           "            self._tried += (exchange.member,)\n        return",
           "            pass\n        return",
           _CONNECTIONS + "502_when_all_refuse"),
    Mutant("again", SEEKING, " or not group.budget.has_left(group.requests):", ":",
           _RETRIES + "ten_in_ten_seconds_where_nothing_else_may"),
    Mutant("again", SEEKING, "        group.budget.spend()\n", "",
           _RETRIES + "ten_in_ten_seconds_where_nothing_else_may"),
    Mutant("again", SEEKING, "self._in(uniform(0.0, delay), self._ask, member)",
           "self._ask(member)", _RETRIES + "not_at_once_and_not_for_a_client_that_has_left"),
    Mutant("again", EXCHANGE, "(connection.used or may_repeat(self))", "connection.used",
           _RETRIES + "a_body_of_sixty_kilobytes_is_still_here"),
    Mutant("again", UPLOAD, "self.received > REPLAY_AT_MOST", "False",
           _RETRIES + "a_larger_one_is_not"),
    Mutant("again", SEEKING, "        if not heard_all:\n            draining.abort()\n", "",
           _RETRIES + "the_rest_of_a_body_goes_to_the_other"),
    Mutant("again", DRAINING, "            connection.release()\n",
           "            connection.abort()\n",
           _RETRIES + "an_answer_that_was_given_up_does_not_cost_its_connection"),
    Mutant("again", DRAINING, "        if self._left < 0:\n", "        if False:\n",
           _RETRIES + "unless_it_has_no_end"),
    Mutant("again", DRAINING, "        self._watched.add(self)\n", "",
           _RETRIES + "nor_an_end_in_time"),
    Mutant("budget", BUDGET, "max(ALWAYS, self._share * first)", "self._share * first",
           "tests/upstream/test_budget.py::"
           "test_ten_may_be_sent_again_however_little_is_asked"),
    Mutant("budget", BUDGET, "        first = requests - self._before[0] - spent\n",
           "        first = requests - self._before[0]\n",
           "tests/upstream/test_budget.py::test_of_many_requests_it_is_their_share"),
    Mutant("budget", BUDGET, "        self._spent.append(0)\n", "",
           "tests/upstream/test_budget.py::test_a_model_that_keeps_all_agrees"),
    # A server that is not there.
    Mutant("wait for", SEEKING, "        held.pop().look_soon()\n", "        held.pop()\n",
           _WAITING + "whom_the_server_answers_first_brings_all_others"),
    Mutant("wait for", EXCHANGE, "        self.request_paused()\n\n    def far_failed",
           "        self.request_paused()\n        wake(self.proxy.group.held)\n\n"
           "    def far_failed",
           _WAITING + "what_accepts_and_has_no_server_behind_it_is_no_reason_to_hurry"),
    Mutant("again", SEEKING, "or (has_answer and not member.condition.is_ready):", "or False:",
           "tests/upstream/test_failing_servers.py::"
           "test_an_answer_is_not_given_up_for_a_server_that_is_left_out"),
    Mutant("places", "daarion_gw/net/sweep.py",
           "            if watched.deadline <= now and watched in self.watched:\n",
           "            if True:\n", _BUSY + "a_place_that_comes_free_as_the_wait_ends_is_one"),
    Mutant("places", "daarion_gw/front/reception.py",
           "            return self._crowds.is_first(", "            return True or (",
           _BUSY + "a_crowd_that_is_refused_is_told_in_a_few_lines"),
    Mutant("wait for", SEEKING, "elif self._may_hold and fault in _NOT_THERE:", "elif False:",
           _WAITING + "a_request_is_held_until_its_server_is_back"),
    Mutant("wait for", SEEKING, "            if is_silent and self._may_hold:\n",
           "            if False:\n",
           _WAITING + "a_server_that_goes_before_it_has_answered_may_be_on_its_way_back"),
    Mutant("wait for", SEEKING, "            if is_silent and self._may_hold:\n",
           "            if self._may_hold:\n",
           _WAITING + "nor_a_request_to_a_server_that_answers_badly"),
    Mutant("wait for", SEEKING, "        self._wait(WaitsFor.SERVER, self.until)\n",
           "        self._wait(WaitsFor.SERVER, NEVER)\n        self.until = NEVER\n",
           _WAITING + "when_the_time_is_over_it_is_a_503[/hasty/x]"),
    Mutant("wait for", SEEKING, "            timer.cancel()\n", "            pass\n",
           _WAITING + "a_client_that_leaves_ends_it"),
    Mutant("waiting", SEEKING, "counters.waiting += change", "counters.waiting += abs(change)",
           _LIMITS + "two_workers_have_one_of_two_places_each"),
    Mutant("waiting", SEEKING, "        exchange.proxy.group.counters.busy += 1\n", "",
           _LIMITS + "two_workers_have_one_of_two_places_each"),
    Mutant("waiting", WORKER, "share=begin[\"of\"],", "",
           _LIMITS + "two_workers_have_one_of_two_places_each"),
    Mutant("wait for", ASKING, "        exchange.upload.wait()\n", "        pass\n",
           _WAITING + "what_a_held_client_sends_is_not_read"),
    Mutant("wait for", SEEKING, "min(self._pause * 2, LONGEST_PAUSE)", "1000.0",
           _WAITING + "a_server_that_goes_before_it_has_answered_may_be_on_its_way_back"),
    # A place.
    Mutant("places", EXCHANGE, "if group.places is not None and not seek(self).has_place():",
           "if False:", _BUSY + "one_more_waits_and_gets_its_place_and_the_connection"),
    Mutant("places", SEEKING, "        self._in(0.0, self._look_again)\n",
           "        self._look_again()\n",
           _BUSY + "one_more_waits_and_gets_its_place_and_the_connection"),
    Mutant("places", SEEKING, "            deadline = exchange.reception.sweep.now + ",
           "            deadline = 1000 + exchange.reception.sweep.now + ",
           _BUSY + "who_has_waited_in_vain_gets_a_503"),
    Mutant("places", SEEKING,
           "            queue.forget(self._client, self)\n        self.give",
           "            pass\n        self.give", _BUSY + "one_who_leaves_waits_no_more"),
    Mutant("places", SEEKING, "self._client, self)\n        self.give_place_back()",
           "self._client, self)",
           _BUSY + "one_who_leaves_while_it_is_asked_leaves_its_place"),
    Mutant("places", SEEKING, "place, self._place = self._place, None", "place = self._place",
           _BUSY + "a_websocket_has_its_place_until_it_is_open"),
    Mutant("places", EXCHANGE, "                self.seeking.give_place_back()\n",
           "                pass\n", _BUSY + "a_websocket_has_its_place_until_it_is_open"),
    Mutant("places", GROUP, "if before is not None and before.upstream.limits == upstream.limits:",
           "if False:", _BUSY + "what_is_under_way_counts_over_a_reload"),
    Mutant("places", SERVICE, "self._share, self._groups.get(name))", "self._share, None)",
           _BUSY + "what_is_under_way_counts_over_a_reload"),
    Mutant("places", QUEUE, "        self._lines.move_to_end(client)\n", "",
           _BUSY + "clients_take_turns"),
    Mutant("places", QUEUE, "if self.waiting >= self._room:", "if False:",
           _BUSY + "more_than_may_wait_are_a_503_at_once"),
    Mutant("places", QUEUE, "displaced = line.pop()", "displaced = line.popleft()",
           _BUSY + "but_not_for_a_client_that_has_fewer_waiting"),
    Mutant("places", QUEUE, "if len(line) <= len(self._lines.get(client, ())):", "if False:",
           "tests/upstream/test_queue.py::"
           "test_when_no_more_may_wait_the_newcomer_is_turned_away"),
    Mutant("places", QUEUE, "if limits.wait else 0", "",
           "tests/upstream/test_queue.py::test_who_may_wait_for_no_time_does_not_wait"),
    Mutant("places", QUEUE, "ceil(limits.in_flight / share)", "limits.in_flight // share",
           "tests/upstream/test_queue.py::"
           "test_each_of_several_processes_has_its_share_rounded_up"),
)  # fmt: skip

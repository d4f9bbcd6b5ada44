"""The rules of the far side and of the net, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

UPLOAD: Final = "daarion_gw/front/upload.py"
CONNECTION: Final = "daarion_gw/upstream/connection.py"
POOL: Final = "daarion_gw/upstream/pool.py"
ATTEMPT: Final = "daarion_gw/upstream/attempt.py"
NAMES: Final = "daarion_gw/upstream/names.py"
TRANSPORT: Final = "daarion_gw/net/transport.py"
SPLICE: Final = "daarion_gw/net/splice.py"
SHORTCUT: Final = "daarion_gw/front/shortcut.py"
SWEEP: Final = "daarion_gw/net/sweep.py"
REACTOR: Final = "daarion_gw/net/reactor.py"
_TURNS: Final = "tests/net/test_reactor.py::test_"
_CONNECTIONS: Final = "tests/upstream/test_connections.py::test_"
_LARGE: Final = "tests/front/test_large_bodies.py::test_"
_ANSWERS: Final = "tests/front/test_answers.py::test_"

MUTANTS: Final = (
    Mutant("poll loop", REACTOR, "if timeout <= 0:", "if False:",
           _TURNS + "a_timer_is_not_kept_waiting_by_readers"),
    Mutant("poll loop", REACTOR, "or self._newTimedCalls or", "or",
           _TURNS + "what_is_to_be_called_in_the_next_turn_is_called_before_the_next_poll"),
    Mutant("poll loop", REACTOR, "if self.threadCallQueue or", "if",
           _TURNS + "a_call_from_a_thread_is_not_kept_waiting_by_readers"),
    Mutant("poll loop", REACTOR, " or self._justStopped:", ":",
           _TURNS + "it_does_not_poll_again_when_it_was_told_to_stop"),
    Mutant("poll loop", REACTOR, "while self._poll_once(timeout):", "if self._poll_once(timeout):",
           _TURNS + "it_polls_again_while_nothing_else_is_to_be_done"),
    Mutant("retry", UPLOAD, "self.received > REPLAY_AT_MOST", "False",
           _CONNECTIONS + "nor_a_body_that_is_not_here_any_more"),
    Mutant("retry", POOL, "if not (careful or self._asks_always) or not has_ended(", "if True or (",
           "tests/upstream/test_pool.py::"
           "test_bytes_that_nobody_asked_for_are_noticed_where_it_matters[True]"),
    Mutant("idle bytes", CONNECTION,
           "            self.pool.forget(self)\n            self.abort()\n",
           "", _CONNECTIONS + "bytes_on_an_idle_connection_end_it[x]"),
    Mutant("excess", CONNECTION, "if not self.receiver.is_reusable or self.is_lost:",
           "if self.is_lost:", _ANSWERS + "more_bytes_than_declared_end_the_connection"),
    Mutant("reset", CONNECTION, "whole=reason.check(ConnectionDone) is not None", "whole=True",
           _ANSWERS + "a_reset_does_not_end_such_a_body"),
    Mutant("splice", SHORTCUT, "        exchange.sent += size\n", "",
           _LARGE + "the_log_has_its_size"),
    Mutant("splice", SHORTCUT, "        upload.received += size\n", "",
           _LARGE + "the_log_has_its_size"),
    Mutant("splice", UPLOAD, "self.near.receiver.skip(self.splice.stop())", "self.splice.stop()",
           "tests/front/test_patience.py::test_what_is_lost_on_the_way_is_not_still_to_come"),
    Mutant("splice", SPLICE, "wanted = min(self._left, self._piece)", "wanted = self._piece",
           _LARGE + "what_follows_an_answer_in_the_same_piece_does_not_belong_to_it"),
    Mutant("splice", SPLICE, "            self._sink.producer.pauseProducing()\n", "",
           _LARGE + "a_slow_client_holds_the_server_back_and_gets_all"),
    Mutant("splice", SPLICE, "return main.CONNECTION_DONE", "return None",
           _LARGE + "a_server_that_breaks_off_cuts_the_client"),
    Mutant("stale", CONNECTION, "size >= READ_SIZE or self.is_tls", "self.is_tls",
           _LARGE + "nor_where_one_piece_was_just_as_long_as_is_read_at_once"),
    Mutant("stale", SHORTCUT, "    far.leaves_unread = True\n", "",
           _LARGE + "nor_does_it_answer_a_request_that_waits_already"),
    Mutant("splice", SPLICE, "return isinstance(sink, SendsAtOnce) and bool(", "return bool(",
           _CONNECTIONS + "large_bodies_to_and_from_an_https_server"),
    Mutant("splice", SHORTCUT, "timeouts.send if near.is_blocked else timeouts.idle",
           "timeouts.idle", _LARGE + "the_limit_of_a_client_that_is_full_is_send[/hasty/-2.4-3]"),
    Mutant("stale", CONNECTION, "if self._begun_in == self.pool.turns.turn:", "if False:",
           "tests/front/test_one_turn.py::"
           "test_bytes_that_came_before_a_request_are_not_its_answer"),
    Mutant("leaving", TRANSPORT, "    tells_hangup = True", "    tells_hangup = False",
           "tests/front/test_leaving.py::test_it_is_noticed_at_once[close]"),
    Mutant("no files", ATTEMPT, 'if getattr(reason, "osError", None) in _OUT_OF:', "if False:",
           "tests/front/test_own_trouble.py::test_without_a_file_for_the_server_it_is_a_503"),
    Mutant("reload", POOL, "        if not self._keeps:", "        if False:",
           "tests/upstream/test_pool.py::test_a_closed_pool_keeps_nothing"),
    Mutant("early answer", UPLOAD, "return self.far is None or not backlog(self.far.transport)",
           "return True", "tests/front/test_patience.py::"
           "test_a_body_is_sent_when_nothing_of_it_waits"),
    Mutant("tls", CONNECTION, "self.trouble = tls_failure(reason.value)", "pass",
           _CONNECTIONS
           + "an_https_server_whose_certificate_is_not_believed_is_a_502_with_the_reason"),
    Mutant("pool", CONNECTION, "            if self._is_paused:\n", "            if False:\n",
           _CONNECTIONS + "one_whose_answer_ended_before_a_full_client_is_read_from_again"),
    Mutant("pool", POOL, "self._idle.pop()", "self._idle.pop(0)",
           _CONNECTIONS + "the_one_that_was_used_last_is_taken_first"),
    Mutant("pool", POOL, "if len(self._idle) >= IDLE_AT_MOST:", "if False:",
           "tests/upstream/test_pool.py::test_more_idle_connections_than_are_wanted_are_closed"),
    Mutant("pool", POOL, "if before is not None and connection.idle_until > before:", "if False:",
           "tests/upstream/test_pool.py::TestPooling"),
    Mutant("connect", ATTEMPT, "self._timeout = timeout or None", "self._timeout = None",
           "tests/front/test_time_limits.py::test_a_server_that_does_not_accept_is_a_504"),
    Mutant("names", NAMES, "REMEMBER = 5.0", "REMEMBER = 50.0",
           "tests/upstream/test_names.py::"
           "test_a_name_is_asked_for_and_remembered_for_five_seconds"),
    Mutant("names", NAMES, "known[0] > self._clock():", "known[0] > 0:",
           "tests/upstream/test_names.py::test_after_that_it_is_asked_for_again"),
    Mutant("transport", TRANSPORT, " and not isinstance(port, unix.Port)", "",
           "tests/test_tap.py::test_several_listeners_of_several_kinds"),
    Mutant("transport", TRANSPORT,
           "            self._tempDataLen\n            or self.dataBuffer\n            or self.TLS",
           "            self.TLS",
           "tests/net/test_transport.py::test_what_it_does_not_take_goes_out_in_order"),
    Mutant("transport", TRANSPORT, "    return True", "    return False",
           "tests/net/test_transport.py::test_whether_an_idle_connection_has_ended"),
    Mutant("sweep", SWEEP, "        self.now = now + INTERVAL", "        self.now = now",
           "tests/net/test_sweep.py::"
           "test_a_deadline_is_never_met_early_and_at_most_half_a_second_late"),
    Mutant("sweep", SWEEP, "        except Exception:", "        except ZeroDivisionError:",
           "tests/net/test_sweep.py::"
           "test_one_that_fails_stops_neither_the_clock_nor_the_others"),
)  # fmt: skip

"""Rules of HTTP/2's shell taken out one at a time, and the test that must notice."""

from typing import Final

from tests.wire.mutants import Mutant

CONNECTION: Final = "daarion_gw/front/http2.py"
STREAM: Final = "daarion_gw/front/http2_stream.py"
HTTP1: Final = "daarion_gw/front/http1.py"
PATIENCE: Final = "daarion_gw/wire/http2_patience.py"
RECEIVER: Final = "daarion_gw/wire/http2_receiver.py"
HPACK: Final = "daarion_gw/wire/hpack.py"


def _plain(name: str) -> str:
    return f"tests/front/test_http2.py::test_{name}"


def _limits(name: str) -> str:
    return f"tests/front/test_http2_limits.py::test_{name}"


def _floods(name: str) -> str:
    return f"tests/front/test_http2_floods.py::test_{name}"


def _of(rule: str, *mutants: tuple[str, str, str, str]) -> tuple[Mutant, ...]:
    return tuple(Mutant(rule, *each) for each in mutants)


MUTANTS: Final = (
    *_of(
        "h2-shell",
        (HTTP1, "if self.transport.negotiatedProtocol != HTTP_2:", "if True:",
         _plain("a_request_goes_upstream_as_http_1")),
        (STREAM, "if self._untaken:\n", "if False:\n",
         _plain("streams_given_up_leave_the_connections_window_whole")),
        (STREAM, "self._connection.reset_stream(self, ErrorCode.INTERNAL_ERROR)", "pass",
         _plain("an_answer_cut_short_ends_its_stream_alone")),
        (STREAM, "self._connection.reset_stream(self, ErrorCode.NO_ERROR)",
         "self._connection.stream_ended(self)",
         _plain("an_early_answer_tells_the_client_to_stop")),
        (STREAM, "                self.conversation.near_blocked()", "                pass",
         _plain("a_client_that_opens_no_window_holds_the_server_back_and_no_other_stream")),
        (STREAM, "            self.conversation.near_drained()", "            pass",
         _plain("a_client_that_opens_no_window_holds_the_server_back_and_no_other_stream")),
        (STREAM, "self._paused_for |= why", "pass",
         _plain("a_server_that_does_not_read_holds_the_client_back")),
        (STREAM, "            conversation.near_lost()\n\n    # Called by the conv",
         "            pass\n\n    # Called by the conv",
         _plain("a_stream_that_the_client_gives_up_takes_its_upstream_with_it")),
        (STREAM, "            connection.streams.give_back(len(data))\n            return",
         "            connection.streams.taken(self, len(data))\n            return",
         _plain("a_client_that_goes_on_sending_and_takes_no_answer_is_not_asked_for_more")),
        (CONNECTION, "self._lose_streams(\"the client closed the connection\")", "pass",
         _plain("a_client_that_goes_away_takes_all_upstreams_with_it")),
        (CONNECTION, "self._lose_streams(fault.detail)", "pass",
         _limits("what_was_under_way_ends_with_the_connection")),
        (CONNECTION, "if self._has_more or self._is_paused:", "if self._has_more:",
         _plain("more_requests_at_once_than_are_begun_in_a_row")),
        (CONNECTION, "pauses = is_full or self._has_more", "pauses = False",
         _limits("answers_that_nobody_reads_do_not_pile_up")),
        (CONNECTION, "elif self.receiver.awaits_head:", "elif False:",
         _limits("a_head_that_does_not_end_in_time")),
        (CONNECTION, "                was = _NOTHING", "                pass",
         _limits("a_client_that_always_has_half_a_head_sent_is_busy_and_not_slow")),
        (CONNECTION, "elif self.streams.under_way:", "elif False:",
         _limits("a_connection_with_a_stream_is_not_idle")),
        (CONNECTION, "self.write(goaway(max(self.streams.last, 0), ErrorCode.NO_ERROR))", "pass",
         _limits("a_gateway_that_stops_lets_streams_finish")),
        (CONNECTION, "        elif not self.streams.takes_new:\n            self.close()\n"
         "            return\n", "", _limits("a_client_that_says_goodbye_gets_what_is_under_way")),
    ),
    *_of(
        "h2-floods",
        (PATIENCE, "if not self._trifles.pay(price, self.now):", "if False:",
         _floods("a_flood_is_cut_off_and_costs_nothing[PING]")),
        (PATIENCE, "if not self._resets.pay(1, self.now):", "if False:",
         _floods("a_flood_is_cut_off_and_costs_nothing[rapid reset]")),
        (RECEIVER, "        self.patience.trifle()\n        _, ends, pieces",
         "        _, ends, pieces",
         _floods("a_flood_is_cut_off_and_costs_nothing[continuations of nothing]")),
        (HPACK, "        if limit > TABLE_SIZE:", "        if False:",
         _floods("a_table_larger_than_agreed")),
        (HPACK, "return fields if size <= self._list_limit else None", "return fields",
         _floods("a_small_block_that_means_a_large_list")),
        (STREAM, "                self.conversation.near_blocked()", "                pass",
         _floods("clients_that_open_streams_and_no_window")),
    ),
)  # fmt: skip

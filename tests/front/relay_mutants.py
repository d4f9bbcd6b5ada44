"""The rules of the WebSocket relay, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

RELAY: Final = "daarion_gw/front/relay.py"
SIDES: Final = "daarion_gw/front/sides.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
_HANDSHAKE: Final = "tests/front/test_websocket_handshake.py::test_"
_MESSAGES: Final = "tests/front/test_websocket.py::test_"
_LIMITS: Final = "tests/front/test_websocket_limits.py::test_"
_CODE: Final = "CloseCode.GOING_AWAY if side is self.near else CloseCode.INTERNAL_ERROR"

MUTANTS: Final = (
    Mutant("dead side", RELAY, _CODE, "CloseCode.INTERNAL_ERROR",
           _MESSAGES + "a_client_that_dies_is_1001_to_the_server"),
    Mutant("dead side", RELAY, _CODE, "CloseCode.GOING_AWAY",
           _MESSAGES + "a_server_that_dies_is_1011_to_the_client[close]"),
    Mutant("dead side", RELAY, "        if self.is_closing:\n            self._end_for_good()",
           "        if self.is_closing:\n            pass",
           _MESSAGES + "an_end_that_nobody_answers_ends_anyway"),
    Mutant("dead side", SIDES, "if not (sender.closed or sender.between_frames):", "if False:",
           _MESSAGES + "a_server_that_dies_within_a_frame_cuts_the_client"),
    Mutant("violation", SIDES, "relay.close(follower.fault.code, follower.fault.reason)", "pass",
           _MESSAGES + "a_clients_violation_closes_both_with_1002[not masked]"),
    Mutant("early", RELAY, "        if early:\n            near.dataReceived(early)", "",
           _HANDSHAKE + "what_a_client_says_early_goes_upstream_after_101_and_not_before"),
    Mutant("late", RELAY, "        if late:\n            far.dataReceived(late)\n", "",
           _HANDSHAKE + "what_the_server_says_with_its_101_comes_after_it"),
    Mutant("handshake", RELAY, "if far.state != far.STATE_OPEN:", "if False:",
           _HANDSHAKE + "a_wrong_101_is_a_502[a wrong accept]"),
    Mutant("handshake", RELAY,
           "if wrong := not_offered(extensions, request.fields.kept):",
           'if wrong := "":',
           _HANDSHAKE + "a_wrong_101_is_a_502[an extension not offered]"),
    Mutant("handshake", RELAY, "(far.websocket_protocol_in_use, self", "(None, self",
           _HANDSHAKE + "the_upstreams_choice_of_a_subprotocol_holds"),
    Mutant("handshake", RELAY,
           'found["X-Request-Id"] = [exchange.request_id.decode("ascii")]', "pass",
           _HANDSHAKE + "the_upstream_is_asked_first_and_its_101_relayed"),
    Mutant("back-pressure", SIDES, "        self.other.transport.pauseProducing()", "        pass",
           _MESSAGES + "who_does_not_read_holds_the_other_back[up]"),
    Mutant("stuck", RELAY, 'self.close(CloseCode.GOING_AWAY, "a side stopped taking messages")',
           "pass", _LIMITS + "a_side_that_takes_nothing_is_closed"),
    Mutant("idle", RELAY, "elif now >= self._silent_at:", "elif False:",
           _LIMITS + "silence_ends_both_with_1001"),
    Mutant("idle", SIDES, "relay.heard_at = relay.sweep.now", "pass",
           _LIMITS + "anything_said_by_either_side_is_no_silence[1]"),
    Mutant("ping", RELAY, "            if now >= self._ping_at:", "            if False:",
           _LIMITS + "both_sides_are_pinged"),
    Mutant("ping", RELAY, "if side.other.follower.between_frames and not", "if not",
           _LIMITS + "no_ping_stands_within_a_frame"),
    Mutant("size", RELAY, "self._max_message = options.max_message_size",
           "self._max_message = None", _LIMITS + "a_larger_one_closes_both_with_1009[at once]"),
    Mutant("drain", RECEPTION, "            relay.go_away()", "            pass",
           _LIMITS + "sigterm_closes_them_with_1001"),
)  # fmt: skip

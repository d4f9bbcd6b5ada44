"""The rules of the WebSocket relay, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

RELAY: Final = "daarion_gw/front/relay.py"
SIDES: Final = "daarion_gw/front/sides.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
_HANDSHAKE: Final = "tests/front/test_websocket_handshake.py::test_"
_MESSAGES: Final = "tests/front/test_websocket.py::test_"
_LIMITS: Final = "tests/front/test_websocket_limits.py::test_"
_ENDS: Final = "tests/front/test_websocket_ends.py::test_"
_CODE: Final = "CloseCode.GOING_AWAY if side is self.near else CloseCode.INTERNAL_ERROR"

MUTANTS: Final = (
    Mutant("dead side", RELAY, _CODE, "CloseCode.INTERNAL_ERROR",
           _MESSAGES + "a_client_that_dies_is_1001_to_the_server"),
    Mutant("dead side", RELAY, _CODE, "CloseCode.GOING_AWAY",
           _MESSAGES + "a_server_that_dies_is_1011_to_the_client[close]"),
    Mutant("dead side", RELAY, "            self._look_at_ends(now)\n", "            pass\n",
           _MESSAGES + "an_end_that_nobody_answers_ends_anyway"),
    Mutant("dead side", SIDES, "if not (sender.closed or sender.between_frames):", "if False:",
           _MESSAGES + "a_server_that_dies_within_a_frame_cuts_the_client"),
    Mutant("violation", SIDES, "relay.close(follower.fault.code, follower.fault.reason)", "pass",
           _MESSAGES + "a_clients_violation_closes_both_with_1002[not masked]"),
    Mutant("violation", SIDES, "            self.transport.loseWriteConnection()",
           "            self.transport.loseConnection()",
           _ENDS + "a_client_that_goes_on_sending_sees_why_it_was_closed"),
    Mutant("early", RELAY, "        if early:\n            near.dataReceived(early)", "",
           _HANDSHAKE + "what_a_client_says_early_goes_upstream_after_101_and_not_before"),
    Mutant("late", RELAY, "        if late:\n            far.dataReceived(late)\n", "",
           _HANDSHAKE + "what_the_server_says_with_its_101_comes_after_it"),
    Mutant("handshake", RELAY, "if not far.shake(handshake_answer(head)):",
           "if not far.shake(handshake_answer(head)) and False:",
           _HANDSHAKE + "a_wrong_101_is_a_502[a wrong accept]"),
    Mutant("handshake", RELAY, "if wrong := what_is_wrong(head):", 'if wrong := "":',
           _HANDSHAKE + "a_wrong_101_is_a_502[no subprotocol]"),
    Mutant("handshake", RELAY, "if extra := not_offered(extensions, offers):",
           'if extra := "":',
           _HANDSHAKE + "a_wrong_101_is_a_502[an extension not offered]"),
    Mutant("handshake", RELAY, "near.subprotocol = far.websocket_protocol_in_use", "pass",
           _HANDSHAKE + "the_upstreams_choice_of_a_subprotocol_holds"),
    Mutant("handshake", RELAY, "    except Exception:\n", "    except ZeroDivisionError:\n",
           _HANDSHAKE + "a_relay_that_cannot_be_opened_is_a_502_and_told_in_the_log[FarSide]"),
    Mutant("101", RELAY, 'return b"%bX-Request-Id: %b\\r\\n" % (block, exchange.request_id)',
           "return block", _HANDSHAKE + "the_upstream_is_asked_first_and_its_101_relayed"),
    Mutant("101", RELAY, "if not head.has & _DATE:", "if False:",
           _HANDSHAKE + "a_101_has_a_date_like_any_other_answer"),
    Mutant("101", RELAY, "if not head.has & _DATE:", "if True:",
           _HANDSHAKE + "the_fields_of_the_upstreams_101_arrive_byte_for_byte"),
    Mutant("101", RELAY, "block = without(block, _AUTOBAHNS_OWN.__contains__)", "pass",
           _HANDSHAKE + "the_fields_of_the_upstreams_101_arrive_byte_for_byte"),
    Mutant("back-pressure", SIDES, "        self.other.transport.pauseProducing()", "        pass",
           _MESSAGES + "who_does_not_read_holds_the_other_back[up]"),
    Mutant("stuck", RELAY, "        if stuck:", "        if False:",
           _LIMITS + "a_side_that_takes_nothing_is_closed"),
    Mutant("stuck", RELAY, "            for side in stuck:\n", "            for side in ():\n",
           _ENDS + "a_client_that_takes_nothing_is_1001_to_the_server"),
    Mutant("stuck", RELAY, "*(full or asked)", "*asked",
           _ENDS + "one_that_takes_nothing_is_not_excused_by_the_other"),
    Mutant("stuck", SIDES, "        if left != self.left:", "        if False:",
           _ENDS + "what_does_not_move_is_silence"),
    Mutant("slow", RELAY, "        if self.is_closing:\n            return\n        full",
           "        full", _ENDS + "a_side_that_was_slow_is_not_waited_for_longer"),
    Mutant("slow", RELAY, "side.is_gone or (side.left and now < side.moved_at + _TAKE_WITHIN)",
           "side.is_gone", _ENDS + "a_slow_client_gets_all_that_was_said_before_the_end"),
    Mutant("idle", RELAY, "elif now >= self._silent_at:", "elif False:",
           _LIMITS + "silence_ends_both_with_1001"),
    Mutant("idle", SIDES, "        relay = self.relay\n        self.heard_at = relay.sweep.now",
           "        relay = self.relay",
           _LIMITS + "anything_said_by_either_side_is_no_silence[1]"),
    Mutant("ping", SIDES, "        if self._was_asked:", "        if False:",
           _LIMITS + "both_sides_are_pinged"),
    Mutant("ping", SIDES, "self._was_asked = sender.between_frames and not",
           "self._was_asked = not", _LIMITS + "no_ping_stands_within_a_frame"),
    Mutant("ping", RELAY, "            if not full:", "            if True:",
           _LIMITS + "who_is_not_read_from_is_not_asked"),
    Mutant("silent", RELAY, "            if side.owes_answer:", "            if False:",
           _LIMITS + "a_client_that_answers_no_ping_is_given_up"),
    Mutant("silent", SIDES, "return self._was_asked and self.asked_at > self.heard_at",
           "return self._was_asked", _LIMITS + "sides_that_answer_stay"),
    Mutant("size", RELAY, "self._max_message = options.max_message_size",
           "self._max_message = None", _LIMITS + "a_larger_one_closes_both_with_1009[at once]"),
    Mutant("drain", RECEPTION, "        Spread(self.sweep, relays, Relay.go_away,",
           "        (lambda *_: 0)(self.sweep, relays, 0,",
           _LIMITS + "sigterm_closes_them_with_1001"),
)  # fmt: skip

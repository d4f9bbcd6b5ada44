"""The rules of stopping and of making room for a new process, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

RECEPTION: Final = "daarion_gw/front/reception.py"
LEAVING: Final = "daarion_gw/front/leaving.py"
HEALTH: Final = "daarion_gw/front/health.py"
SERVICE: Final = "daarion_gw/service.py"
SOCKETS: Final = "daarion_gw/front/sockets.py"
UPGRADE: Final = "daarion_gw/upgrade.py"
_DRAIN: Final = "tests/front/test_drain.py::test_"
_NEXT: Final = "tests/test_upgrade.py::test_"

MUTANTS: Final = (
    Mutant("drain", RECEPTION, "            near.abort()", "            pass",
           "tests/test_service.py::test_what_does_not_end_in_time_is_cut"),
    # HTTP/1 was told before, HTTP/2 says it twice.
    Mutant("drain", RECEPTION,
           "            near.no_keep_alive()\n            if near", "            if near",
           "tests/front/test_http2_limits.py::test_a_gateway_that_stops_lets_streams_finish"),
    Mutant("farewell", RECEPTION,
           "Later(self.sweep, min(FAREWELL, limit / 2), self._close_idle)", "self._close_idle()",
           _DRAIN + "a_request_that_was_under_way_on_an_idle_connection_is_answered"),
    Mutant("farewell", RECEPTION,
           "Later(self.sweep, min(FAREWELL, limit / 2), self._close_idle)", "pass",
           _DRAIN + "one_that_says_nothing_is_closed_soon"),
    Mutant("spread", RECEPTION, "time_for(len(relays), limit)", "0.0",
           _DRAIN + "many_websockets_are_sent_away_one_after_the_other"),
    Mutant("spread", LEAVING, "min(limit / 2, _EACH * count)", "_EACH * count",
           _DRAIN + "all_of_them_end_evenly_and_before_half_of_the_limit"),
    Mutant("spread", LEAVING,
           "        if not self._left:\n            self._sweep.watched.discard(self)\n", "",
           _DRAIN + "all_of_them_end_evenly_and_before_half_of_the_limit"),
    Mutant("readiness", HEALTH, "not self._is_ready()", "False",
           _DRAIN + "while_it_drains_it_is_alive_and_not_ready"),
    Mutant("readiness", HEALTH, "has_word(request.uri, b\"ready\")", "True",
           _DRAIN + "while_it_drains_it_is_alive_and_not_ready"),
    Mutant("delay", SERVICE, "await self._delay.last(self.settings.gateway.drain_delay)", "pass",
           _DRAIN + "when_the_delay_is_over_it_drains"),
    Mutant("delay", SERVICE, "        self._delay.end()\n\n    def _cut", "\n    def _cut",
           _DRAIN + "a_second_signal_ends_the_delay"),
    Mutant("hand over", SOCKETS, "            port.owns_file = False\n\n    def own(",
           "\n    def own(",
           _NEXT + "the_file_of_a_unix_listener_lives_on_and_ends_with_the_last[one process]"),
    Mutant("hand over", SOCKETS, "            port._shouldShutdown = False\n", "",
           _NEXT + "the_new_process_has_the_port_and_the_old_one_ends_well[one process]"),
    Mutant("hand over", UPGRADE, "TICKET_KEYS.take((period, bytes.fromhex(secret)))", "pass",
           _NEXT + "tls_listeners_go_over_and_a_session_that_began_before_goes_on[one process]"),
    Mutant("hand over", UPGRADE, 'self._started.own_pid_file(self._begin["pid_file"])', "pass",
           _NEXT + "the_pid_file_follows_and_ends_with_the_last"),
    Mutant("hand over", UPGRADE, "self._channel = Channel(self._obey, self._take)",
           "self._channel = Channel(self._obey, lambda: None)",
           _NEXT + "a_predecessor_that_is_killed_leaves_a_gateway"),
    Mutant("hand over", "daarion_gw/tap.py", "self._heir.hold_back(self._gateway.ports)", "pass",
           _NEXT + "the_operator_is_answered_by_the_old_one_as_long_as_it_may_go_on"),
    Mutant("hand over", UPGRADE, "            open_again(port)\n", "            pass\n",
           _NEXT + "the_command_waits_for_the_new_process[one process]"),
)  # fmt: skip

"""The rules of reloading, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

ASKING: Final = "daarion_gw/admin/asking.py"
LOADING: Final = "daarion_gw/front/loading.py"
MASTER: Final = "daarion_gw/workers/master.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
RELAY: Final = "daarion_gw/front/relay.py"
ROUTE_TESTS: Final = "daarion_gw/front/route_tests.py"
SERVICE: Final = "daarion_gw/service.py"
WORKER: Final = "daarion_gw/workers/worker.py"
_COMMAND: Final = "tests/test_reload_command.py::test_"
_CREW: Final = "tests/workers/test_reload.py::test_"
_LOAD: Final = "tests/real/test_reload_under_load.py::test_reloads_are_not_noticed_by_anybody"
_FILES: Final = "tests/front/test_loading.py::test_"
_SERVICE: Final = "tests/test_reload.py::test_"
_TESTS: Final = "tests/front/test_route_tests.py::test_"

MUTANTS: Final = (
    Mutant("route tests", LOADING, "        if failed:\n", "        if False:\n",
           _SERVICE + "one_whose_tests_fail_is_refused"),
    Mutant("route tests", ROUTE_TESTS, "value != getattr(found, name)", "False",
           _TESTS + "all_that_fail_are_told_at_their_places"),
    Mutant("route tests", ROUTE_TESTS, "    if refusal is not None:\n", "    if False:\n",
           _TESTS + "the_gateway_answers_what_its_tests_are_held_to"),
    Mutant("route tests", ROUTE_TESTS, "    if test.hidden:\n", "    if False:\n",
           _TESTS + "what_came_out_of_a_variable_is_not_shown"),
    Mutant("watch", LOADING, "if not rests or now ==", "if now ==",
           _FILES + "one_that_goes_on_is_waited_for"),
    Mutant("watch", LOADING, "return self._file is None or now[self._file] is not None",
           "return True", _FILES + "a_file_that_is_away_is_about_to_come_back"),
    Mutant("watch", SERVICE, "if self.settings.gateway.reload_on_change else None", "",
           _SERVICE + "without_the_switch_nothing_is_taken_by_itself"),
    Mutant("watch", SERVICE, "if look is not None and look():", "if False:",
           _SERVICE + "a_file_that_changes_is_taken"),
    Mutant("1012", RELAY, "elif now >= self._leaves_at:", "elif False:",
           _SERVICE + "a_websocket_whose_route_is_gone_ends_with_1012_after_a_while"),
    Mutant("1012", RELAY, "self.sweep.now + self.reception.drain_timeout", "self.sweep.now",
           _SERVICE + "a_websocket_whose_route_is_gone_ends_with_1012_after_a_while"),
    Mutant("1012", RELAY, "if self.exchange.proxy.route.key in keys:", "if False:",
           _SERVICE + "a_route_that_changed_keeps_its_websockets"),
    Mutant("1012", RELAY, "            self._leaves_at = NEVER\n", "            pass\n",
           _SERVICE + "a_route_that_comes_back_meanwhile_keeps_its_websockets"),
    Mutant("1012", RELAY, "elif self._leaves_at == NEVER:", "else:",
           _SERVICE + "a_reload_after_that_gives_it_no_more_time"),
    Mutant("1012", RELAY, "        self.look_for_route(self.reception.root.keys)\n", "",
           _SERVICE + "one_whose_route_goes_while_it_is_opened_ends_too"),
    Mutant("1012", RECEPTION, "            relay.look_for_route(root.keys)\n", "            pass\n",
           _SERVICE + "a_websocket_whose_route_is_gone_ends_with_1012_after_a_while"),
    Mutant("whole", SERVICE, "        except Exception:\n            # Resources",
           "        except ZeroDivisionError:\n            # Resources",
           _SERVICE + "resources_that_fail_change_nothing"),
    Mutant("whole", MASTER, "            self.settings = old\n", "",
           _CREW + "what_one_of_them_cannot_take_is_for_none"),
    Mutant("told", SERVICE, "        self.reloads.note(problems)\n", "",
           _SERVICE + "a_mistake_is_told_once_and_what_mends_it_is_taken"),
    Mutant("told", MASTER, "        self.reloads.note(problems)\n\n    async def _hand_out(",
           "\n    async def _hand_out(", _CREW + "the_status_tells_why_not"),
    Mutant("bystander", ASKING, "    _see_that_it_is_one(pid, admin)\n", "",
           _COMMAND + "a_pid_that_is_somebody_elses_here_is_left_alone"),
    # Under load: WebSockets, exchanges, and both of them in workers.
    Mutant("under load", RELAY, "if self.exchange.proxy.route.key in keys:",
           "if self.exchange.proxy in self.reception.root.routes:", _LOAD + "[one process]"),
    Mutant("under load", RECEPTION,
           "        for relay in self.relays:\n            relay.look_for_route(root.keys)\n",
           "        for relay in tuple(self.relays):\n            relay.close(1012, 'reload')\n",
           _LOAD + "[one process]"),
    Mutant("under load", SERVICE, "        self.reception.lead_by(root)\n",
           "        self.reception.lead_by(root)\n        self.reception.cut_all()\n",
           _LOAD + "[one process]"),
    Mutant("under load", WORKER, "        is_done = self._gateway.reload()\n",
           "        is_done = self._gateway.reload()\n        self._gateway.reception.cut_all()\n",
           _LOAD + "[workers]"),
    Mutant("under load", RELAY, "if self.exchange.proxy.route.key in keys:", "if False:",
           _LOAD + "[workers]"),
)  # fmt: skip

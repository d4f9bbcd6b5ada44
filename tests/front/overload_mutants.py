"""What protects the gateway from too much, taken out one at a time, and the test that notices."""

from typing import Final

from tests.wire.mutants import Mutant

ADMISSION: Final = "daarion_gw/front/admission.py"
FACTORY: Final = "daarion_gw/front/factory.py"
HTTP1: Final = "daarion_gw/front/http1.py"
HTTP2: Final = "daarion_gw/front/http2.py"
LISTENERS: Final = "daarion_gw/front/listeners.py"
MACHINE: Final = "daarion_gw/front/machine.py"
OVERLOAD: Final = "daarion_gw/front/overload.py"
PROTECTION: Final = "daarion_gw/front/protection.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
REFUSALS: Final = "daarion_gw/front/refusals.py"
SERVICE: Final = "daarion_gw/service.py"
SUMS: Final = "daarion_gw/observe/sums.py"
SOCKETS: Final = "daarion_gw/workers/sockets.py"
SWEEP: Final = "daarion_gw/net/sweep.py"
TURNED: Final = "daarion_gw/front/turned_away.py"
ANCESTOR: Final = "daarion_gw/workers/ancestor.py"
FORKS: Final = "daarion_gw/workers/forks.py"
TURNS: Final = "daarion_gw/workers/turns.py"
WORKER: Final = "daarion_gw/workers/worker.py"


def _of(rule: str, module: str, *rows: tuple[str, str, str, str]) -> tuple[Mutant, ...]:
    """Rows of (file, old, new, test) of one rule, tested in one module."""
    return tuple(
        Mutant(rule, file, old, new, f"tests/{module}.py::test_{test}")
        for file, old, new, test in rows
    )


_EACH = "the_book_is_as_long_as_there_are_clients"

MUTANTS: Final = (
    *_of(
        "connections", "front/test_connection_limits",
        (ADMISSION, "        if self.is_full:", "        if False:",
         "one_too_many_hears_so_before_it_has_said_anything"),
        (FACTORY, "if reception.admission.has_room(addr):", "if True:",
         "over_tls_it_is_closed_before_the_handshake[ssl]"),
        (TURNED, "if ISSLTransport.providedBy(transport):", "if False:",
         "over_tls_it_is_closed_before_the_handshake[daarion-tls]"),
        (TURNED, "        transport.loseWriteConnection()", "        transport.loseConnection()",
         "one_that_is_still_sending_sees_why"),
        (TURNED, "if reception.lingering >= LINGERING_AT_MOST:", "if False:",
         "those_who_stay_are_not_waited_for_and_few_at_a_time"),
        (TURNED, "reception.sweep.watched.add(self)", "pass",
         "those_who_stay_are_not_waited_for_and_few_at_a_time"),
        (TURNED, "self._reception.lingering -= 1", "pass",
         "one_that_is_still_sending_sees_why_after_many_others"),
        (MACHINE, "(files - OWN_FILES) // 2", "(files - OWN_FILES)",
         "by_itself_it_takes_as_many_as_it_has_files_for"),
        (ADMISSION, "-(-limit // share)", "limit",
         "what_is_said_is_shared_and_what_a_process_has_is_its_own"),
    ),
    *_of(
        "per-client", "front/test_connection_limits",
        (ADMISSION, "self._clients.get(host, 0) < self._each", "True",
         "an_address_has_its_own_limit_and_others_have_theirs"),
        (ADMISSION, " or self._trust.trusts(host)", "",
         "who_is_made_a_trusted_proxy_has_no_limit_from_then_on"),
        (ADMISSION, "        if peer.trusted:\n", "        if False:\n",
         "one_that_is_not_counted_makes_no_room_when_it_goes"),
        (ADMISSION, " and not peer.trusted:", ":", _EACH),
        (ADMISSION, "            del self._clients[peer.address]",
         "            self._clients[peer.address] = 0", _EACH),
        (ADMISSION, "self._each == math.inf or isinstance(address, UNIXAddress)",
         "self._each == math.inf", "nor_has_a_peer_on_this_machine_s_own_socket"),
        (ADMISSION, "        self._clients.clear()\n", "",
         "a_reload_counts_those_who_are_there"),
        (RECEPTION, "self.admission.settle(gateway.limits, self._trust, peers)",
         "self.admission.settle(gateway.limits, self._trust, ())",
         "a_reload_counts_those_who_are_there"),
        (RECEPTION, "        self.admission.leave(near.peer)\n", "",
         "an_address_has_its_own_limit_and_others_have_theirs"),
        (HTTP1, "if not self.reception.admission.rename(before, self.peer):", "if False:",
         "behind_a_balancer_it_is_the_client_whom_that_names"),
        (ADMISSION, "        self.leave(before)\n        self.enter(after)\n", "",
         "behind_a_balancer_it_is_the_client_whom_that_names"),
    ),
    *_of(
        "levels", "front/test_overload",
        (OVERLOAD, "if level > before:", "if level > before + 1:",
         "it_goes_up_at_once_by_the_worse_signal[1.0-0.0-1]"),
        (OVERLOAD, "max(_level(by_lag, LAG_STEPS), _level(by_memory, MEMORY_STEPS))",
         "_level(by_lag, LAG_STEPS)", "it_goes_up_at_once_by_the_worse_signal[0.0-0.81-1]"),
        (OVERLOAD, "self.level = Level(before - 1)", "self.level = Level.NORMAL",
         "it_comes_down_a_level_for_each_calm_second"),
        (OVERLOAD, "elif before and self._is_calm(by_lag, by_memory):",
         "elif before and level < before:", "a_signal_that_only_just_fell_is_not_calm"),
        (OVERLOAD, "step = self.level - 1", "step = 0",
         "a_signal_that_only_just_fell_is_not_calm"),
        (REFUSALS, "RETRY_AFTER if fault.status == 503 else b\"\"", "b\"\"",
         "every_503_says_when_to_come_back"),
        (MACHINE, "for folder in (place, *place.parents):", "for folder in (place,):",
         "a_cgroup_s_limit_counts_and_that_of_those_around_it"),
    ),
    *_of(
        "overload", "front/test_overload_levels",
        (RECEPTION, "if self.refuses and path_of(head.target) != HEALTH:", "if False:",
         "then_new_requests_are_refused"),
        (RECEPTION, "if self.refuses and path_of(head.target) != HEALTH:", "if self.refuses:",
         "then_new_requests_are_refused"),
        (PROTECTION, "reception.keeps_alive = level is Level.NORMAL and",
         "reception.keeps_alive = True and", "first_connections_are_not_kept_alive"),
        (PROTECTION, "                near.let_go()", "                pass",
         "first_connections_are_not_kept_alive"),
        (HTTP2, "        if self.streams.last > 0:\n            self.no_keep_alive()\n",
         "        if self.streams.last > 0:\n", "first_connections_are_not_kept_alive"),
        (LISTENERS, "        port.stopReading()", "        pass",
         "then_connections_are_not_accepted"),
        (LISTENERS, "        port.startReading()", "        pass",
         "then_connections_are_not_accepted"),
        (PROTECTION, "                give_back()", "                pass",
         "memory_is_a_signal_too_and_is_given_back"),
        (PROTECTION, "        reception.refuses = level >= Level.REFUSING",
         "        reception.refuses |= level >= Level.REFUSING", "then_new_requests_are_refused"),
        (SERVICE, "            self._sweep.excuse()", "            pass",
         "reloads_of_a_large_file_are_no_reason"),
    ),
    *_of(
        "lag", "net/test_sweep",
        (SWEEP, "min(self._lateness, self._lateness_before)", "self._lateness",
         "one_long_turn_is_over_when_it_is_noticed"),
        (SWEEP, "self._due = max(self._due, self._seconds())", "pass",
         "what_was_our_own_doing_is_excused"),
        (SWEEP, "lag, self._lag = self._lag, 0.0", "lag = self._lag", "lag_is_told_once"),
        (SWEEP, "self._due = now + INTERVAL - (self._lateness % INTERVAL)",
         "self._due = now + INTERVAL", "a_loop_that_does_not_keep_up_is_late"),
    ),
    *_of(
        "crew-overload", "workers/test_overload",
        (TURNS, "        self._accepts = True\n        self._table.put(self._index, self._open)",
         "        pass", "a_worker_that_has_too_much_to_do_leaves_its_turn_and_takes_it_again"),
        (PROTECTION, "            self._front.leave()", "            pass",
         "a_worker_that_has_too_much_to_do_leaves_its_turn_and_takes_it_again"),
        (WORKER, "share=begin[\"of\"],", "",
         "limits_are_shared_among_workers"),
    ),
    *_of(
        "fork-server", "workers/test_forks",
        (FORKS, "            signal.signal(number, signal.SIG_IGN)", "            pass",
         "signals_are_nothing_to_it"),
        (ANCESTOR, "self._process = None\n\n\nclass", "pass\n\n\nclass",
         "workers_outlive_it_and_the_next_ones_come_of_another"),
        (ANCESTOR, "            child.died(None)", "            pass",
         "workers_outlive_it_and_the_next_ones_come_of_another"),
    ),
    *_of(
        "crew-overload", "observe/test_sums",
        (SUMS, "max(total.front.overload_level, front.get(\"overload_level\", 0))",
         "total.front.overload_level + front.get(\"overload_level\", 0)",
         "the_level_of_all_is_that_of_the_worst_that_is_there"),
    ),
)  # fmt: skip

"""The rules of a service under systemd and of its certificates, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

SYSTEMD: Final = "daarion_gw/net/systemd.py"
ACTIVATION: Final = "daarion_gw/net/activation.py"
SOCKETS: Final = "daarion_gw/front/sockets.py"
WORKERS: Final = "daarion_gw/workers/sockets.py"
UPGRADE: Final = "daarion_gw/upgrade.py"
MASTER: Final = "daarion_gw/workers/master.py"
SERVICE: Final = "daarion_gw/service.py"
TAP: Final = "daarion_gw/tap.py"
DEVELOPMENT: Final = "daarion_gw/tls/development.py"
_UNDER: Final = "tests/test_systemd.py::test_"
_SAID: Final = "tests/net/test_systemd.py::test_"
_TAKEN: Final = "tests/net/test_activation.py::test_"
_CERTS: Final = "tests/tls/test_development.py::test_"

MUTANTS: Final = (
    Mutant("watchdog", SYSTEMD, "self._feeding.start(self._within / 2)", "pass",
           _UNDER + "it_is_heard_of_for_as_long_as_its_loop_turns[one process]"),
    Mutant("watchdog", SYSTEMD, "self._within / 2", "self._within * 2", _SAID + "a_life"),
    Mutant("watchdog", SYSTEMD, 'environ.get("WATCHDOG_PID", str(pid)) != str(pid)', "False",
           _SAID + "within_what_time_a_process_must_be_heard_of"),
    Mutant("watchdog", SYSTEMD, "faulthandler.enable(_ERRORS)", "pass",
           _UNDER + "one_that_is_stuck_says_where"),
    Mutant("watchdog", SYSTEMD, "            self._feeding.stop()", "            pass",
           _SAID + "who_is_followed_is_heard_of_no_more"),
    Mutant("watchdog", SYSTEMD, "self._say(ALIVE, patience=0.0)", "self._say(ALIVE)",
           _SAID + "nobody_waits_for_a_systemd_that_does_not_read"),
    Mutant("watchdog", UPGRADE, "for_successor(os.environ, os.getpid())", "dict(os.environ)",
           _UNDER + "who_follows_is_made_known_and_is_heard_of[one process]"),
    Mutant("watchdog", UPGRADE, "        self._systemd.lives()\n", "",
           _UNDER + "who_follows_is_made_known_and_is_heard_of[one process]"),
    Mutant("systemd", UPGRADE, "        self._systemd.is_followed_by(pid)\n", "",
           _UNDER + "who_follows_is_made_known_and_is_heard_of[one process]"),
    Mutant("systemd", TAP, "            self._systemd.stops()\n", "",
           _UNDER + "it_says_that_it_serves_and_that_it_stops"),
    Mutant("systemd", TAP, "            self._systemd.serves(self._how_it_is)", "            pass",
           _UNDER + "it_says_that_it_serves_and_that_it_stops"),
    Mutant("systemd", TAP, "if self._is_serving and not self._is_stopping:", "if True:",
           _UNDER + "a_reload_before_it_serves_is_not_taken_for_the_end_of_its_start"),
    Mutant("systemd", SERVICE, "        self.reloads.begin()\n", "",
           _UNDER + "a_reload_has_a_beginning_and_an_end[one process]"),
    Mutant("systemd", MASTER, "        self.reloads.begin()\n", "",
           _UNDER + "a_reload_has_a_beginning_and_an_end[workers]"),
    Mutant("activation", SOCKETS, "sock = activated().take(port, interface)", "sock = None",
           _UNDER + "a_restart_refuses_nobody[one process]"),
    Mutant("activation", WORKERS, "sock = activated().take(port, interface)", "sock = None",
           _UNDER + "a_restart_refuses_nobody[workers]"),
    Mutant("activation", ACTIVATION, "                sock.setblocking(False)\n", "",
           _TAKEN + "the_one_that_is_at_the_same_address"),
    Mutant("activation", ACTIVATION, "            sock.set_inheritable(False)\n", "",
           _TAKEN + "the_one_that_is_at_the_same_address"),
    Mutant("activation", ACTIVATION, "                del self._left[file]\n", "",
           _TAKEN + "the_one_that_is_at_the_same_address"),
    Mutant("activation", ACTIVATION, "_host(sock) == wanted or", "True or",
           _TAKEN + "the_one_that_is_at_the_same_address"),
    Mutant("activation", ACTIVATION,
           "        and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)\n", "",
           _TAKEN + "a_bare_port_of_systemds_is_ipv4_too"),
    Mutant("activation", TAP, "in activated().left()", "in ()",
           _UNDER + "a_socket_that_no_listener_takes_is_told"),
    Mutant("certs", DEVELOPMENT, "os.O_EXCL, 0o600)", "os.O_EXCL, 0o666)\n    mode = 0o644",
           _CERTS + "keys_are_for_nobody_else_and_git_sees_none_of_it"),
    Mutant("certs", DEVELOPMENT, "        file.write_text(IGNORED)\n", "        file.touch()\n",
           _CERTS + "keys_are_for_nobody_else_and_git_sees_none_of_it"),
    Mutant("certs", DEVELOPMENT, "        .add_extension(_constraints(names), critical=True)\n", "",
           _CERTS + "the_authority_speaks_for_development_alone"),
    Mutant("certs", DEVELOPMENT,
           "        _see_that_nothing_is_lost(folder, authority, names)\n", "        pass\n",
           _CERTS + "nothing_is_lost_unless_it_is_asked_for"),
    Mutant("certs", DEVELOPMENT, "    if not authority.has_issued(old):", "    if False:",
           _CERTS + "nothing_is_lost_unless_it_is_asked_for"),
    Mutant("certs", DEVELOPMENT,
           "min(now + datetime.timedelta(days=DAYS), issuer.not_valid_after_utc)",
           "now + datetime.timedelta(days=DAYS)", _CERTS + "it_ends_with_its_authority"),
    Mutant("certs", DEVELOPMENT, "    (folder / AUTHORITY_KEY).chmod(0o600)\n", "",
           _CERTS + "a_key_that_others_could_read_is_shut"),
    Mutant("certs", DEVELOPMENT, "        fresh.unlink(missing_ok=True)\n", "",
           _CERTS + "a_disk_that_is_full_leaves_what_was_there"),
)  # fmt: skip

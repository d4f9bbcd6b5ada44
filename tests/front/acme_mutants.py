"""What keeps certificates by ACME safe and polite, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

ANSWERS: Final = "daarion_gw/front/challenges.py"
AUTHORITY: Final = "daarion_gw/tls/acme/authority.py"
CHALLENGES: Final = "daarion_gw/tls/challenges.py"
CONNECTION: Final = "daarion_gw/tls/connection.py"
FOLDER: Final = "daarion_gw/tls/acme/folder.py"
PLAN: Final = "daarion_gw/tls/acme/plan.py"
RENEWALS: Final = "daarion_gw/tls/acme/renewals.py"
_ALPN: Final = "tests/tls/test_challenges.py::test_"
_FILES: Final = "tests/tls/acme/test_folder.py::test_"
_HTTP: Final = "tests/front/test_challenges.py::test_"
_PLAN: Final = "tests/tls/acme/test_plan.py::test_"
_REAL: Final = "tests/real/test_acme.py::test_"
_START: Final = "tests/tls/acme/test_start.py::test_"
_WHEN: Final = "tests/tls/acme/test_renewals.py::test_"
_KEY: Final = "        write(folder / KEY, key)\n"
_CHAIN: Final = "        write(folder / CHAIN, chain)\n        _sync(folder)\n"
_HELD: Final = "            self._hello = data\n            return False"

MUTANTS: Final = (
    Mutant("tls-alpn-01", CHALLENGES, "if hello.protocols != (PROTOCOL,) or",
           "if PROTOCOL not in hello.protocols or",
           _ALPN + "who_is_no_validation_of_this_challenge"),
    Mutant("tls-alpn-01", CONNECTION, _HELD,
           "            self._begin(None)\n            return True",
           _ALPN + "a_validation_sees_what_it_came_for_and_nothing_else"),
    Mutant("tls-alpn-01", CONNECTION, "        if agreed == CHALLENGE:\n", "        if False:\n",
           _ALPN + "a_validation_sees_what_it_came_for_and_nothing_else"),
    Mutant("tls-alpn-01", CONNECTION, "if self._hello or self._listening.challenges:", "if True:",
           _ALPN + "when_none_is_pending_no_byte_is_looked_at"),
    Mutant("tls-alpn-01", RENEWALS, "        time.sleep(SETTLES)", "        pass",
           _REAL + "refused_and_then_renewed_under_load"),
    Mutant("http-01", ANSWERS, 'rb"[A-Za-z0-9_-]{1,200}"', 'rb"[^?]{1,200}"',
           _HTTP + "no_other_file_is_ever_read"),
    Mutant("http-01", ANSWERS, " | os.O_NOFOLLOW", "",
           _HTTP + "nor_what_is_no_small_ordinary_file"),
    Mutant("http-01", ANSWERS, "answer_to(target, self._folders) is not None:", "False:",
           _HTTP + "a_token_is_answered_whatever_the_host_and_its_routes"),
    Mutant("http-01", ANSWERS, " and answer_to(target, self._folders) is not None:", ":",
           _HTTP + "everything_else_goes_where_its_route_leads"),
    Mutant("http-01", AUTHORITY, "    if not token.isascii():\n", "    if False:\n",
           "tests/tls/acme/test_authority.py::test_but_not_what_could_be_a_path"),
    Mutant("one asks", FOLDER, "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass",
           _FILES + "one_process_asks_until_it_ends"),
    Mutant("secret", FOLDER, "os.O_EXCL | os.O_CLOEXEC, 0o600)", "os.O_EXCL | os.O_CLOEXEC, 0o644)",
           _FILES + "nobody_else_may_read_any_of_it"),
    Mutant("kept", FOLDER, "[: -(KEPT - 1)]", "[:]", _FILES + "the_last_ones_are_kept_and_no_more"),
    Mutant("kept", FOLDER, _KEY + _CHAIN, "", _FILES + "certificate_and_key_change_together"),
    Mutant("back-off", PLAN, "GROWTH, LONGEST = 5,", "GROWTH, LONGEST = 1,",
           _PLAN + "after_each_failure_it_waits_longer_up_to_six_hours"),
    Mutant("back-off", PLAN, "max(usual * (0.9 + 0.2 * chance), wish)",
           "usual * (0.9 + 0.2 * chance)", _PLAN + "no_earlier_than_the_authority_says"),
    Mutant("back-off", RENEWALS, "kept = self._folder.plans()", "kept = {}",
           _WHEN + "a_restart_asks_no_sooner"),
    Mutant("back-off", RENEWALS, "kinds[plan.failures % len(kinds)]", "kinds[0]",
           _WHEN + "after_a_failure_it_waits_and_tries_the_other_challenge"),
    Mutant("back-off", RENEWALS, "self._plans[name] = failed(self._plans[name], error,",
           "failed(self._plans[name], error,",
           _WHEN + "a_mistake_of_ours_is_no_reason_to_ask_without_end"),
    Mutant("the end", RENEWALS, "daemon=True", "daemon=False",
           _START + "its_end_waits_for_no_authority"),
    Mutant("nonces", AUTHORITY, "NONCES = 8", "NONCES = 1",
           _REAL + "from_nothing_to_a_served_certificate"),
    Mutant("account", AUTHORITY, 'if error.code != "accountDoesNotExist":', "if True:",
           _REAL + "an_authority_that_is_away_is_asked_until_it_is_back"),
    Mutant("advice", AUTHORITY, "            if base is None:\n", "            if True:\n",
           _REAL + "the_authority_decides_when_it_is_renewed"),
)  # fmt: skip

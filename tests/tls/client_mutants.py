"""The rules of clients' certificates, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

CERTIFICATE: Final = "daarion_gw/tls/client_certificate.py"
CLIENTS: Final = "daarion_gw/tls/clients.py"
CONNECTION: Final = "daarion_gw/tls/connection.py"
CONTEXT: Final = "daarion_gw/tls/context.py"
HTTP1: Final = "daarion_gw/front/http1.py"
PEERS: Final = "daarion_gw/front/peers.py"
LISTENING: Final = "daarion_gw/tls/listening.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
STORE: Final = "daarion_gw/tls/store.py"
WATCH: Final = "daarion_gw/tls/watch.py"
_TOLD: Final = "tests/tls/test_client_certificate.py::test_"
_LET_IN: Final = "tests/tls/test_clients.py::test_"
_KNOWN: Final = "tests/tls/test_known_clients.py::test_"

MUTANTS: Final = (
    Mutant("client fields", CERTIFICATE, "return _STRANGE.sub(_escaped, text).encode(\"ascii\")",
           "return text.encode()", _TOLD + "nobody_writes_a_line_of_his_own"),
    Mutant("client fields", CERTIFICATE, r"[^\x20-\x7e]", r"[^\x00-\x7e]",
           _TOLD + "nobody_writes_a_line_of_his_own"),
    Mutant("clients", CLIENTS, "ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL",
           "ssl.CERT_OPTIONAL", _LET_IN + "and_does_not_where_it_is_required"),
    Mutant("clients", CLIENTS, "context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN", "pass",
           _LET_IN + "one_below_the_root_may_stand_for_itself"),
    Mutant("clients", CONTEXT, "        profile.clients.ask(context)\n", "        pass\n",
           _LET_IN + "and_does_not_where_it_is_required"),
    Mutant("client sessions", CONTEXT, "(self.clients.label if self.clients else b\"\")", "b\"\"",
           _LET_IN + "no_session_goes_on_where_something_else_is_asked"),
    Mutant("client sessions", CLIENTS, " {self.authorities}", "",
           _LET_IN + "no_session_goes_on_where_something_else_is_asked"),
    Mutant("client sessions", CLIENTS, "{self.required} ", "",
           _LET_IN + "no_session_goes_on_where_something_else_is_asked"),
    Mutant("client sessions", CONNECTION, "is_good = shown.expires > time.time()", "is_good = True",
           _LET_IN + "a_session_outlives_its_certificate_by_nothing"),
    Mutant("clients", CONNECTION, "if self._listening.asks and not self._identify():", "if False:",
           _LET_IN + "who_shows_a_good_one_is_known"),
    Mutant("client reload", LISTENING, "        self.profile = self.prepare(clients)\n",
           "        self.prepare(clients)\n", _LET_IN + "listeners_go_over_to_what_is_asked_now"),
    Mutant("client reload", WATCH, "listening.ask(plan.clients)", "pass",
           _KNOWN + "a_reload_lets_in_others"),
    Mutant("client reload", STORE, "                pair.contexts.pop(profile, None)\n",
           "                pass\n", _LET_IN + "what_is_asked_no_more_is_forgotten"),
    Mutant("known clients", PEERS, "        certify(peer, transport)", "        pass",
           _KNOWN + "where_nobody_is_asked_nothing_is_told"),
    Mutant("known clients", PEERS, '        peer.certify(b"")\n', "        pass\n",
           _KNOWN + "where_nobody_is_asked_nothing_is_told"),
    Mutant("known clients", HTTP1, "            certify(self.peer, self.transport)\n",
           "            pass\n", _KNOWN + "the_upstream_knows_who_it_is"),
    Mutant("known clients", RECEPTION,
           "if proxy.needs_certificate and not near.peer.has_certificate:", "if False:",
           _KNOWN + "and_nobody_else"),
    Mutant("known clients", PEERS, "peer.certify(shown.lines, shown.is_verified)",
           "peer.certify(shown.lines, True)", _KNOWN + "and_nobody_else"),
)  # fmt: skip

"""The rules of coming over TLS, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

CLIENT: Final = "daarion_gw/wire/client.py"
EXCHANGE: Final = "daarion_gw/front/exchange.py"
GROUPS: Final = "daarion_gw/tls/groups.py"
LISTENERS: Final = "daarion_gw/front/listeners.py"
RECEPTION: Final = "daarion_gw/front/reception.py"
RENDERING: Final = "daarion_gw/front/rendering.py"
ROUTING: Final = "daarion_gw/front/routing.py"
SERVICE: Final = "daarion_gw/service.py"
TO_HTTPS: Final = "daarion_gw/front/to_https.py"
_GROUPS: Final = "tests/tls/test_groups.py::test_"
_STRICT: Final = "tests/front/test_strict_transport.py::test_"
_WAY: Final = "tests/front/test_to_https.py::test_"

MUTANTS: Final = (
    Mutant("groups", GROUPS, '"X25519:P-256:P-384"', '"X25519:P-256:P-384:P-521"',
           _GROUPS + "no_other_curve"),
    Mutant("groups", "daarion_gw/tls/context.py", "    set_groups(context)\n", "    pass\n",
           _GROUPS + "no_other_curve"),
    Mutant("to https", TO_HTTPS, "near.is_secure or ", "",
           _WAY + "what_is_there_is_the_same"),
    Mutant("to https", TO_HTTPS, "path == HEALTH or ", "", _WAY + "the_health_check"),
    Mutant("to https", TO_HTTPS, "(path.startswith(CHALLENGES) and is_plain(rest))", "False",
           _WAY + "whoever_signs_certificates"),
    Mutant("to https", TO_HTTPS, " and is_plain(rest))", ")",
           _WAY + "nobody_else_by_a_path_that_looks_like_it"),
    Mutant("to https", TO_HTTPS, "path == HEALTH", "path.startswith(HEALTH)",
           _WAY + "nobody_else_by_a_path_that_looks_like_it"),
    Mutant("to https", TO_HTTPS, "and came_to != self._only", "and False",
           _WAY + "by_itself_only_port_80_is_redirected"),
    Mutant("to https", TO_HTTPS, "return said and not origin_of", "return not origin_of",
           _WAY + "of_one_that_does_not_say_there_is_no_knowing"),
    Mutant("to https", TO_HTTPS, " and not origin_of(peer, identity, head.host).is_secure", "",
           _WAY + "who_came_to_a_proxy_over_tls_has_arrived"),
    Mutant("to https", TO_HTTPS, "if peer.trusted and (identity", "if (identity",
           _WAY + "what_a_stranger_says_is_nothing"),
    Mutant("to https", TO_HTTPS, "(identity or came_to is None)", "identity",
           _WAY + "behind_a_unix_socket_there_is_always_a_proxy"),
    Mutant("to https", TO_HTTPS, 'host[: host.find(b"]") + 1] or ', "",
           _WAY + "the_port_is_that_of_the_listener_with_tls"),
    Mutant("to https", TO_HTTPS, "HTTP if said == \"auto\" else None", "None",
           _WAY + "what_is_redirected_and_to_which_port"),
    Mutant("to https", TO_HTTPS, "        if host is None:\n            return None\n",
           "        if host is None:\n            host = b\"\"\n",
           _WAY + "without_a_host_nobody_knows_where_that_is"),
    Mutant("to https", ROUTING, " and not head.fields.upgrade else", " else",
           _WAY + "no_method_is_changed_by_it"),
    Mutant("to https", LISTENERS, 'getattr(factory, "wrappedFactory", None) or ', "",
           _WAY + "tls_is_seen_through_what_is_put_around_it"),
    Mutant("to https", SERVICE,
           "        self.reception.settle_tls(settings.tls, self.ports.listeners)\n", "",
           _WAY + "a_reload_turns_it_off_and_on"),
    Mutant("hsts", EXCHANGE, "if strict and self.forwarded.origin.is_secure:", "if strict:",
           _STRICT + "an_upstreams_own_is_not_touched_there"),
    Mutant("hsts", EXCHANGE, "            block = made_strict(block, head.has, strict)\n",
           "            pass\n", _STRICT + "it_is_on_answers_of_upstreams"),
    Mutant("hsts", RECEPTION, "SECURITY_LINES[0] + self.strict if origin.is_secure else",
           "SECURITY_LINES[0] + self.strict if True else", _STRICT + "without_tls_it_is_not_said"),
    Mutant("hsts", RECEPTION, "SECURITY_LINES[0] + self.strict if origin.is_secure else", "",
           _STRICT + "it_is_on_what_the_gateway_says_itself"),
    Mutant("hsts", RENDERING, "self.reception.strict if self.origin.is_secure else b\"\"",
           "self.reception.strict", _STRICT + "without_tls_it_is_not_said"),
    Mutant("hsts", CLIENT, 'return self.scheme in _SECURE', "return False",
           _STRICT + "it_is_on_what_the_gateway_says_itself"),
)  # fmt: skip

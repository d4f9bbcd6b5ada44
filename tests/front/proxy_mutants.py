"""The rules of the PROXY protocol, in and out, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

HEADER: Final = "daarion_gw/wire/proxy_header.py"
FRONT: Final = "daarion_gw/front/proxy_protocol.py"
ASKING: Final = "daarion_gw/front/asking.py"
SERVICE: Final = "daarion_gw/service.py"
BEGINNING: Final = "daarion_gw/upstream/beginning.py"
ATTEMPT: Final = "daarion_gw/upstream/attempt.py"
AGENT: Final = "daarion_gw/upstream/agent.py"
POOL: Final = "daarion_gw/upstream/pool.py"
_WIRE: Final = "tests/wire/test_proxy_header.py::test_"
_IN: Final = "tests/front/test_proxy_protocol.py::test_"
_OUT: Final = "tests/upstream/test_send_proxy.py::test_"
_NONE: Final = _WIRE + "what_is_none_is_refused_and_stays_refused"
_ONE: Final = _WIRE + "a_header_in_any_pieces_and_with_bytes_behind_it"

MUTANTS: Final = (
    # the header
    Mutant("proxy-header", HEADER, "if data[:6] != _BEGINNING[: len(data)]:", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if data[:12] != SIGNATURE[: len(data)]:",
           "if data[:12] != SIGNATURE:", _ONE),
    Mutant("proxy-header", HEADER, "if len(data) >= LINE_AT_MOST:", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if size > SIZE_AT_MOST:", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if number > 0xFFFF:", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if command not in (_LOCAL, _PROXY):", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "    if command == _LOCAL:\n", "    if False:\n", _ONE),
    Mutant("proxy-header", HEADER, "    if len(data) < size:\n", "    if False:\n", _ONE),
    Mutant("proxy-header", HEADER, "if size < _FIXED + needed:", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if at > len(header):", "if False:", _NONE),
    Mutant("proxy-header", HEADER, "if length != 4 or checksum >= 0:", "if length != 4:", _NONE),
    Mutant("proxy-header", HEADER, "if told != crc32c(", "if False and told != crc32c(", _NONE),
    Mutant("proxy-header", HEADER, " + bytes(4) + header[checksum + 4 :]", " + header[checksum:]",
           _ONE),
    Mutant("proxy-header", HEADER, "source, destination = _as_ipv6(source), _as_ipv6(destination)",
           "pass", _WIRE + "what_is_written_is_read"),
    # in
    Mutant("proxy-in", FRONT, "return self._trust.trusts(plain_address(address.host))",
           "return True", _IN + "from_elsewhere_it_is_a_bad_request"),
    Mutant("proxy-in", FRONT, "            self._refuse(str(error))\n            return\n",
           "            header = ProxyHeader(0)\n", _IN + "a_balancer_without_a_header_is_refused"),
    Mutant("proxy-in", FRONT,
           "        self.deadline = reception.sweep.now + reception.head_timeout\n", "",
           _IN + "one_that_does_not_come_in_time"),
    Mutant("proxy-in", FRONT, "transport.getPeer = lambda: source", "pass",
           _IN + "the_client_is_whom_the_header_names"),
    Mutant("proxy-in", FRONT, "transport.getHost = lambda: destination", "pass",
           _OUT + "what_came_in_a_header_goes_on_in_one"),
    Mutant("proxy-in", FRONT, "        transport.protocol = protocol\n", "",
           _IN + "many_requests_on_one_connection"),
    Mutant("proxy-in", FRONT, "        if rest:\n            protocol.dataReceived(rest)\n", "",
           _IN + "it_comes_together_with_the_request"),
    Mutant("proxy-in", FRONT, " and not self._reception.admission.is_full", "",
           _IN + "who_has_not_introduced_anybody_yet_counts_in_all"),
    Mutant("proxy-in", FRONT, "        front.connections_open -= 1\n", "",
           _IN + "who_has_not_introduced_anybody_yet_counts_in_all"),
    Mutant("proxy-in", FRONT, "        reception.counters.front.connections_open += 1\n",
           "        pass\n", _IN + "each_connection_is_counted_once"),
    Mutant("proxy-in", FRONT, "        self._reception.counters.front.connections_accepted += 1\n",
           "", _IN + "one_that_leaves_before_it_has_said_it"),
    Mutant("proxy-in", FRONT, "settings.trusts_unix if number is None else", "",
           _IN + "only_the_listeners_that_are_said"),
    Mutant("proxy-in", FRONT, "settings.concerns(number)", "True",
           _IN + "only_the_listeners_that_are_said"),
    Mutant("proxy-in", FRONT, "factory.behind if isinstance(factory, Introducing) else factory",
           "factory", _IN + "a_reload_turns_it_on_and_off"),
    Mutant("proxy-in", SERVICE,
           "        expect_headers(self.reception, self.ports.listeners, new.proxy_protocol)\n", "",
           _IN + "a_reload_turns_it_on_and_off"),
    # out
    Mutant("proxy-out", POOL, "self._keeps = server.send_proxy is None", "self._keeps = True",
           _OUT + "no_other_request_gets_its_connection"),
    Mutant("proxy-out", BEGINNING, "            transport.write(self._header)\n", "",
           _OUT + "it_says_who_the_client_is_and_where_it_came"),
    Mutant("proxy-out", ATTEMPT, "factory = self._factory(server.unix)",
           "factory = _Factory(self, server.unix)", _OUT + "a_client_and_a_server_on_unix_sockets"),
    Mutant("proxy-out", AGENT, "if server.send_proxy is not None:", "if False:",
           _OUT + "probes_are_nobodys"),
    Mutant("proxy-out", AGENT, "BeginningEndpoint(own_header(server.send_proxy), endpoint)",
           "endpoint", _OUT + "the_start_page_asks_for_nobody_too"),
    Mutant("proxy-out", ASKING, "if client == peer.address else 0", "if True else 0",
           _OUT + "the_client_that_a_trusted_proxy_names"),
    Mutant("proxy-out", ASKING, "client = exchange.forwarded.origin.client",
           "client = peer.address", _OUT + "the_client_that_a_trusted_proxy_names"),
)  # fmt: skip

"""What protects connections to servers that speak TLS, each taken out of the code once."""

from typing import Final

from tests.wire.mutants import Mutant

SECURITY: Final = "daarion_gw/upstream/security.py"
SERVICE: Final = "daarion_gw/service.py"
LOADING: Final = "daarion_gw/front/loading.py"
TLS: Final = "daarion_gw/config/server_tls.py"
SHAPE: Final = "daarion_gw/config/server_tls_shape.py"
READING: Final = "daarion_gw/config/reading.py"


def _in_memory(name: str) -> str:
    return f"tests/upstream/test_security.py::test_{name}"


def _running(name: str) -> str:
    return f"tests/upstream/test_secured_servers.py::test_{name}"


def _written(name: str) -> str:
    return f"tests/config/test_server_tls.py::test_{name}"


MUTANTS: Final = tuple(
    Mutant("upstream-tls", *each)
    for each in (
        (SECURITY, "context.set_verify(VERIFY_PEER, _judged)", "context.set_verify(VERIFY_NONE)",
         _running("an_unknown_authority_is_named_in_the_answer_and_in_the_log")),
        (SECURITY, "    return False\n\n\ndef _told", "    return True\n\n\ndef _told",
         _in_memory("an_authority_of_ones_own")),
        (SECURITY, "        if error and self._verifies:", "        if False:",
         _in_memory("its_dates")),
        (SECURITY, "                self._is_for(certificate, self._name)", "                pass",
         _in_memory("its_names")),
        (SECURITY, "(VerificationError, CertificateError):", "VerificationError:",
         _in_memory("one_without_names")),
        (SECURITY, "if pin is not None and pin not in self._pins:", "if False:",
         _in_memory("with_verify_off_it_decides_alone")),
        (SECURITY, "server.verify or bool(self._pins), tls)", "server.verify, tls)",
         _in_memory("with_verify_off_it_decides_alone")),
        (SECURITY, "        if depth:\n            return None\n", "",
         _in_memory("one_between")),
        (SECURITY, "tls.server_name or server.host", "server.host",
         _running("an_authority_of_ones_own_and_another_name")),
        (SECURITY, "if self._asked_for is not None:", "if False:",
         _in_memory("what_the_server_is_asked_for")),
        (SECURITY, "    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)\n", "",
         _in_memory("one_between")),
        (SECURITY, "            context.add_extra_chain_cert(certificate)",
         "            pass", _in_memory("its_chain_is_shown_with_it")),
        (SECURITY, "key = verify, checks, tls.ca, tls.cert, tls.key", "key = verify, checks",
         _in_memory("what_is_alike_is_made_once")),
        (SECURITY, "        wrong = f\"has a certificate that cannot be looked at",
         "        wrong = None and f\"has a certificate that cannot be looked at",
         _in_memory("what_cannot_be_looked_at_is_not_believed")),
        (SERVICE, 'update={"weight": 1, "drain": False}',
         'update={"weight": 1, "drain": False, "tls": None}',
         _running("new_files_are_used_after_a_reload_and_old_connections_are_not")),
        (LOADING, "                Secured(server)", "                pass",
         "tests/front/test_loading.py::test_what_servers_are_to_be_shown_is_tried"),
        (TLS, '    text: str = Field(default="", repr=False)', "    text: str = Field(default='')",
         _written("no_key_is_in_what_is_printed")),
        (SHAPE, "if not pem.belongs_to(key, certificate):", "if False:", _written("mistakes")),
        (SHAPE, 'if info.data["url"].scheme != "https":', "if False:",
         _written("it_must_mean_something")),
        (READING, "        self.note(path)\n        return path.read_bytes()",
         "        return path.read_bytes()", _written("files_are_looked_after")),
    )
)  # fmt: skip

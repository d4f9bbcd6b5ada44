"""That each check of `checks` sees something: the wire broken once for each."""

from typing import Final

from tests.wire.mutants import Mutant


def _holds(name: str) -> str:
    return f"tests/fuzz/test_fuzz.py::test_the_corpus_holds[{name}]"


MUTANTS: Final = (
    Mutant(
        "fuzz", "daarion_gw/wire/request_receiver.py",
        "        self._buffer.take_all()\n        self._sink.request_refused(error)",
        "        self._sink.request_refused(error)", _holds("requests"),
    ),
    Mutant(
        "fuzz", "daarion_gw/wire/receiver.py",
        "        if end > self._limits.request_line:", "        if False:", _holds("answers"),
    ),
    Mutant(
        "fuzz", "daarion_gw/wire/frames.py",
        "        self.messages += not self._in_message", "        self.messages += 1",
        _holds("frames"),
    ),
    Mutant(
        "fuzz", "daarion_gw/wire/http2_receiver.py",
        "            if end - start < length:", "            if end - start < length - 1:",
        _holds("http2"),
    ),
    Mutant(
        "fuzz", "daarion_gw/wire/hpack.py",
        "        self._entries.appendleft(field)", "        self._entries.append(field)",
        _holds("header_blocks"),
    ),
    Mutant(
        "fuzz", "daarion_gw/wire/proxy_header.py",
        "    if len(data) < size:\n", "    if False:\n",
        _holds("proxy_headers"),
    ),
)  # fmt: skip

"""The rules of WebSockets, each taken out of the code once."""

from typing import Final

from tests.wire.mutant_words import FRAMES, REQUEST, UPGRADE, frames, test
from tests.wire.mutants import Mutant

MUTANTS: Final = (
    *(
        Mutant("recognised", UPGRADE, old, new, test(f"upgrade.py::{name}"))
        for old, new, name in (
            (' or b"upgrade" not in fields.connection', "",
             "test_recognised_only_with_all_that_belongs_to_it"),
            ('head.method != b"GET" or ', "", "test_recognised_only_with_all_that_belongs_to_it"),
            ("not head.minor or ", "", "test_recognised_only_with_all_that_belongs_to_it"),
            (" or head.has_body", "", "test_recognised_only_with_all_that_belongs_to_it"),
            ("len(b64decode(key, validate=True)) == 16", "True",
             "test_recognised_with_a_key_of_16_bytes_only"),
            ("len(keys) != 1 or", "", "test_recognised_with_a_key_of_16_bytes_only"),
        )
    ),
    *(
        Mutant("offers", UPGRADE, old, new, test(f"upgrade.py::test_offers_of_{name}"))
        for old, new, name in (
            ("if not offered or not all(map(_TOKEN.match, offered)):", "if not offered:",
             "subprotocols_are_different_tokens"),
            ("if not offered or not", "if not", "subprotocols_are_different_tokens"),
            ("if len(set(offered)) < len(offered):", "if False:",
             "subprotocols_are_different_over_all_fields"),
            ("if not _extensions_readable(block):", "if False:",
             "extensions_that_nobody_can_read"),
        )
    ),
    Mutant("wrong-101", UPGRADE, "if len(chosen) > 1 or (", "if (",
           test("upgrade.py::test_wrong_in_a_101_are_two_subprotocols")),
    Mutant("wrong-101", UPGRADE, "(chosen and not _TOKEN.match(chosen[0]))", "False",
           test("upgrade.py::test_wrong_in_a_101_is_a_subprotocol_that_is_none")),
    Mutant("wrong-101", UPGRADE, "if not _extensions_readable(head.kept):", "if False:",
           test("upgrade.py::test_wrong_in_a_101_are_extensions_that_nobody_can_read")),
    Mutant("wrong-101", UPGRADE, ".translate(_ASCII)", "",
           test("upgrade.py::test_handshakes_are_judged_in_ascii")),
    Mutant("origins", UPGRADE, "return authority.removesuffix(port) == own.removesuffix(port)",
           "return authority == own",
           test("upgrade.py::test_origin_allowed_where_it_is_the_same_as_the_host")),
    Mutant("origins", UPGRADE, "    if port is None or host is None:", "    if host is None:",
           test("upgrade.py::test_origin_allowed")),
    Mutant("origins", UPGRADE, ' - {"same"}', "", test("upgrade.py::test_origin_allowed")),
    Mutant(
        "websocket-version",
        UPGRADE,
        'if values(fields.kept, b"sec-websocket-version") != [b"13"]:',
        "if False:",
        test("upgrade.py::test_websocket_version_is_13"),
    ),
    Mutant(
        "other-upgrade",
        UPGRADE,
        'if b"websocket" not in fields.upgrade or',
        "if",
        test("upgrade.py::test_other_upgrade_is_dropped"),
    ),
    Mutant(
        "other-upgrade",
        REQUEST,
        '    b"upgrade",\n)',
        ")",
        test("passage.py::test_hop_by_hop_fields_are_removed"),
    ),
    *(
        Mutant("frames", FRAMES, old, "if False:", frames(name))
        for old, name in (
            ("if second & _MASK != self._mask_bit:", "not masked"),
            ("if self._in_message:", "a message within a message"),
            ("elif opcode != _CONTINUATION:", "opcode 3"),
            ("elif not self._in_message:", "a continuation of nothing"),
            ("if first & _RSV & ~allowed:", "reserved bit 2"),
            ("if self.fault is not None:", "not masked"),
        )
    ),
    Mutant("frames", FRAMES, "if not first & _FIN or", "if", frames("ping in parts")),
    Mutant("frames", FRAMES, " or second & 0x7F > 125:", ":", frames("ping of 126 bytes")),
    Mutant(
        "frames",
        FRAMES,
        "(short == 126 and length < 126) or ",
        "",
        frames("125 bytes in 16 bits"),
    ),
    Mutant("frames", FRAMES, "< length < 1 << 63", "< length", frames("a 64th bit")),
    Mutant(
        "frames",
        FRAMES,
        "self.closed = opcode == _CLOSE",
        "pass",
        test("frames.py::test_close_ends_what_passes"),
    ),
    Mutant(
        "between-frames",
        FRAMES,
        "        return not self._left\n",
        "        return True\n",
        test("frames.py::test_between_frames_is_true_only_where_a_frame_may_stand"),
    ),
    Mutant(
        "between-frames",
        FRAMES,
        "        return not self._left\n",
        "        return not self._left and not self._begun\n",
        test("frames.py::test_between_frames_is_true_only_where_a_frame_may_stand"),
    ),
)  # fmt: skip

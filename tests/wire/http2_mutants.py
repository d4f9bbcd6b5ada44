"""One rule of HTTP/2 at a time taken out, and the test that must notice."""

from typing import Final

from tests.wire.mutants import Mutant

HPACK: Final = "daarion_gw/wire/hpack.py"
TABLES: Final = "daarion_gw/wire/hpack_tables.py"
RECEIVER: Final = "daarion_gw/wire/http2_receiver.py"
STREAMS: Final = "daarion_gw/wire/http2_streams.py"
OUTFLOW: Final = "daarion_gw/wire/http2_outflow.py"
REQUEST: Final = "daarion_gw/wire/http2_request.py"
ANSWER: Final = "daarion_gw/wire/http2_answer.py"
PATIENCE: Final = "daarion_gw/wire/http2_patience.py"


def _hpack(name: str) -> str:
    return f"tests/wire/test_hpack.py::test_{name}"


def _receiver(name: str) -> str:
    return f"tests/wire/test_http2_receiver.py::test_{name}"


def _broken(rule: str) -> str:
    return _receiver(f"what_ends_the_connection[{rule}]")


def _stream(rule: str) -> str:
    return _receiver(f"what_ends_a_stream_alone[{rule}]")


def _outflow(name: str) -> str:
    return f"tests/wire/test_http2_outflow.py::test_{name}"


def _request(name: str) -> str:
    return f"tests/wire/test_http2_request.py::test_{name}"


def _answer(name: str) -> str:
    return f"tests/wire/test_http2_answer.py::test_{name}"


def _of(rule: str, *mutants: tuple[str, str, str, str]) -> tuple[Mutant, ...]:
    return tuple(Mutant(rule, *each) for each in mutants)


MUTANTS: Final = (
    *_of(
        "h2-compression",
        (TABLES, "if node not in endings:", "if False:", _hpack("huffman")),
        (TABLES, "symbols[node] = _DEAD", "symbols[node] = 0",
         _hpack("huffman_codes_that_are_none")),
        (HPACK, "if fields:\n", "if False:\n", _hpack("blocks_that_are_none")),
        (HPACK, "if limit > TABLE_SIZE:", "if False:", _hpack("blocks_that_are_none")),
        (HPACK, "if end > len(block):", "if False:", _hpack("blocks_that_are_none")),
        (HPACK, "if size <= self._list_limit:\n                    fields", "if True:\n"
         "                    fields", _hpack("a_bomb_costs_no_memory")),
        (HPACK, "self.changes += 1\n        self._limit", "self._limit",
         _hpack("a_block_that_changes_nothing_leaves_the_count_of_changes_alone")),
        (HPACK, "if name in _NEVER_INDEXED:", "if False:",
         _hpack("secrets_are_never_indexed_and_what_changes_is_not_kept")),
        (HPACK, "said = _prefixed(least, 0x1F, 0x20) if least != last else b\"\"", "said = b\"\"",
         _hpack("the_least_of_several_sizes_is_said_as_well")),
    ),
    *_of(
        "h2-frames",
        (RECEIVER, "if not h2.PREFACE.startswith(data[: len(h2.PREFACE)]):", "if False:",
         _broken("3.4 not the preface")),
        (RECEIVER, "if not at:\n", "if False:\n",
         _receiver("the_pieces_that_bytes_come_in_mean_nothing")),
        (RECEIVER, "if kind != h2.SETTINGS or flags & h2.ACK:", "if False:",
         _broken("3.4 no SETTINGS after it")),
        (RECEIVER, "if length > h2.FRAME_SIZE:", "if False:",
         _broken("4.2 a frame that is too large")),
        (RECEIVER, "stream & 0x7FFFFFFF", "stream", _receiver("the_reserved_bit_is_ignored")),
        (RECEIVER, "if start > end:", "if False:", _broken("6.2 padding longer than the head")),
        (RECEIVER, "if not payload:\n", "if False:\n", _broken("6.1 padding without its size")),
        (RECEIVER, "if self._block is not None and (kind", "if False and (kind",
         _broken("6.10 another frame inside a block")),
        (RECEIVER, "or stream != self._block[0])", ")",
         _broken("6.10 another stream's CONTINUATION")),
        (RECEIVER, "_check_size(payload, 8)", "pass", _broken("6.7 PING of odd size")),
        (RECEIVER, "if len(payload) % 6:", "if False:", _broken("6.5 SETTINGS of odd size")),
        (RECEIVER, "if number == h2.ENABLE_PUSH and value > 1:", "if False:",
         _broken("6.5.2 ENABLE_PUSH of 2")),
        (RECEIVER, "if number == h2.INITIAL_WINDOW_SIZE and value > h2.LARGEST_WINDOW:",
         "if False:", _broken("6.5.2 a window of 2**31")),
        (RECEIVER, "if not increment:", "if False:", _stream("6.9 a window update of nothing")),
        (RECEIVER, "if not flags & h2.ACK:", "if True:",
         _receiver("pings_are_answered_and_answers_are_not")),
        (RECEIVER, "if self.streams.begun >= IN_A_ROW:", "if False:",
         _receiver("requests_that_come_together_are_begun_in_turns")),
    ),
    *_of(
        "h2-streams",
        (RECEIVER, "if not stream & 1:", "if False:",
         _broken("5.1.1 a stream that no client opens")),
        (STREAMS, "if low < stream < high:", "if False:",
         _broken("5.1.1 a stream lower than one before")),
        (STREAMS, "if stream > self.highest or not stream & 1:", "if False:",
         _broken("5.1 a reset of an idle stream")),
        (STREAMS, "if self.takes_new and stream not in self._reset and stream not in",
         "if False and stream not in", _broken("5.1 DATA behind a reset")),
        (STREAMS, "if not stream.is_open:", "if False:",
         _stream("5.1 HEADERS behind the end")),
        (STREAMS, "if is_known:", "if False:", _stream("5.1 DATA behind the end")),
        (STREAMS, "if not ends:\n                # 8.1", "if False:\n                # 8.1",
         _stream("8.1 trailers that end nothing")),
        (STREAMS, "if left < 0:", "if False:", _stream("8.1.1 a body too long")),
        (STREAMS, "if stream.left:", "if False:", _stream("8.1.1 a body too short")),
        (STREAMS, "if len(self.under_way) >= STREAMS_AT_MOST:", "if False:",
         _receiver("too_many_streams_are_refused_one_by_one")),
        (STREAMS, "            decoder.changes == last[2]", "            True",
         _receiver("the_same_bytes_mean_something_else_when_the_table_has_changed")),
        (STREAMS, "and ends is last[1]", "",
         _receiver("the_same_block_with_and_without_a_body_is_not_the_same")),
        (STREAMS, "made.request_refused(error)\n", "pass\n",
         _receiver("what_is_no_request_is_refused_before_it_is_reset")),
    ),
    *_of(
        "h2-windows",
        (STREAMS, "if self._credit < 0:", "if False:",
         _broken("6.9.1 more DATA than the connection takes")),
        (STREAMS, "if known.credit < 0:", "if False:",
         _stream("6.9.1 more DATA than the stream takes")),
        (STREAMS, "            known.owed += padding\n", "",
         _receiver("padding_counts_and_is_given_back")),
        (STREAMS, "        self.give_back(size)\n        if is_known:", "        if is_known:",
         _receiver("what_comes_on_streams_that_are_over_counts_for_the_connection")),
        (STREAMS, "stream.owed >= _STREAM_PIECE", "False",
         _receiver("windows_are_opened_as_bodies_are_taken")),
        (OUTFLOW, "size <= stream.window\n", "True\n",
         _outflow("what_does_not_fit_waits_for_its_own_window")),
        (OUTFLOW, "and size <= self.window\n", "\n",
         _outflow("what_does_not_fit_waits_for_the_connections_window")),
        (OUTFLOW, "if self.window > h2.LARGEST_WINDOW:", "if False:",
         _outflow("windows_larger_than_any")),
        (OUTFLOW, "            stream.window += change\n", "",
         _outflow("a_smaller_first_window_may_leave_less_than_nothing")),
        (OUTFLOW, "and not (self.is_full or stream.waiting)", "and not stream.waiting",
         _outflow("one_that_was_reset_loses_its_turn")),
        (OUTFLOW, "and not self.is_full:\n", ":\n",
         _outflow("a_full_transport_is_not_written_to")),
        (OUTFLOW, "if not was_cut or size >= _DRIBBLE:", "if True:",
         _outflow("bytes_that_windows_have_cut_small_earn_nothing")),
        (OUTFLOW, "if not waiting or stream.window <= 0:", "if not waiting:",
         _outflow("a_window_made_smaller_holds_back_what_was_queued")),
    ),
    *_of(
        "h2-fields",
        (REQUEST, "if _BLOCK.match(block) is None or block.count(b\"\\n\") != number:",
         "if _BLOCK.match(block) is None:",
         _request("fields_that_are_wrong[a line end in a value]")),
        (REQUEST, "if _BLOCK.match(block) is None or", "if",
         _request("fields_that_are_wrong[a capital]")),
        (REQUEST, "if b\":\" in name:", "if False:",
         _request("fields_that_are_wrong[a colon and a blank in a name]")),
        (REQUEST, "if name in _OF_CONNECTIONS or", "if",
         _request("fields_that_are_wrong[transfer-encoding]")),
        (REQUEST, "or (name == b\"te\" and value != b\"trailers\")", "",
         _request("fields_that_are_wrong[another te]")),
        (REQUEST, "if name not in _PSEUDO or name in pseudo or lines or crumbs:",
         "if name not in _PSEUDO or name in pseudo:", _request("pseudo_fields_come_first")),
        (REQUEST, "name not in _PSEUDO or name in pseudo", "name not in _PSEUDO",
         _request("fields_that_are_wrong[a repeated pseudo-field]")),
        (REQUEST, "if host.lower() != authority.lower():", "if False:",
         _request("fields_that_are_wrong[another Host]")),
        (REQUEST, "if AUTHORITY.match(authority) is None:", "if False:",
         _request("pseudo_fields_that_are_wrong[a blank around the authority]")),
        (REQUEST, "or match.end() != len(line)", "",
         _request("pseudo_fields_that_are_wrong[a line end in the path]")),
        (REQUEST, "if ends and fields.content_length:", "if False:",
         _request("fields_that_are_wrong[a length without a body]")),
        (REQUEST, "b\"; \".join(crumbs)", "b\", \".join(crumbs)",
         _request("crumbs_of_cookies_are_one_field")),
        (REQUEST, "        text += _CHUNKED\n", "        pass\n",
         _request("a_body_without_a_length_is_chunked_and_one_with_a_length_is_not")),
        (ANSWER, "if field[0] not in _DROPPED", "",
         _answer("what_speaks_of_a_connection_is_left_out")),
        (ANSWER, "or self._changes != encoder.changes", "",
         _answer("what_other_answers_insert_changes_what_the_same_is")),
        (ANSWER, "or kept[-2:] not in (b\"\\r\\n\", b\"\")", "",
         _answer("a_request_id_that_is_not_the_gateways_last_line")),
    ),
    *_of(
        "h2-floods",
        (RECEIVER, "if sum(map(len, pieces)) > self._limits.head:", "if False:",
         _receiver("a_flood_of_continuations")),
        (RECEIVER, "        self.patience.trifle()\n        if not flags & h2.ACK:",
         "        if not flags & h2.ACK:", _receiver("a_flood_of_trifles[PING]")),
        (RECEIVER, "self.patience.trifle(_CHANGE_OF_SETTINGS + len(payload) // 6)", "pass",
         _receiver("a_flood_of_trifles[SETTINGS]")),
        (STREAMS, "        elif not ends:\n            self._patience.trifle()\n", "",
         _receiver("a_flood_of_trifles[empty DATA]")),
        (STREAMS, "        known.reset(\"the client reset the stream\")\n"
         "        self._patience.reset()", "        known.reset(\"\")",
         _receiver("rapid_resets[by the client]")),
        (STREAMS, "gets no further than who resets (CVE-2025-8671).\n        \"\"\"\n"
         "        self._patience.reset()", "\"\"\"",
         _receiver("rapid_resets[by us, for a window]")),
        (STREAMS, "            self._patience.reset()\n            self._remember",
         "            self._remember", _receiver("refusals_of_streams_count_too")),
        (PATIENCE, "(now - self._filled_at) * self._rate", "0",
         _receiver("the_same_over_hours_is_none")),
    ),
)  # fmt: skip

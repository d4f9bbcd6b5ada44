"""The heads of answers over HTTP/2, read by another implementation."""

import hpack
import pytest

from daarion_gw.wire.hpack import Encoder
from daarion_gw.wire.http2_answer import AnswerWriter, fields_of


class Both:
    """A writer, and who reads what it writes."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.writer = AnswerWriter(self.encoder)
        self._decoder = hpack.Decoder()
        self.size = 0

    def head(self, status: int, block: bytes, length: int | None = None):
        raw = self.writer.head(status, block, length)
        self.size = len(raw)
        return self.read(raw)

    def read(self, raw: bytes):
        return self._decoder.decode(raw, raw=True)


@pytest.fixture
def both():
    return Both()


BLOCK = b"Content-Type: text/plain\r\nX-A:1 \r\nX-Request-Id: abc-1\r\n"


def test_names_are_lower_and_values_bare(both):
    assert both.head(200, BLOCK, 5) == [
        (b":status", b"200"), (b"content-type", b"text/plain"), (b"x-a", b"1"),
        (b"content-length", b"5"), (b"x-request-id", b"abc-1"),
    ]  # fmt: skip


def test_what_speaks_of_a_connection_is_left_out():
    block = b"Connection: x\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h\r\n"
    assert fields_of(block + b"Transfer-Encoding: chunked\r\nA: b\r\n") == [(b"a", b"b")]


def test_the_same_again_is_short_and_right(both):
    heads = [both.head(200, BLOCK.replace(b"abc-1", b"abc-%d" % place)) for place in range(4)]
    assert [dict(head)[b"x-request-id"] for head in heads] == [b"abc-0", b"abc-1", b"abc-2",
                                                               b"abc-3"]  # fmt: skip
    assert all(head[:-1] == heads[0][:-1] for head in heads)
    assert both.size < 30


@pytest.mark.parametrize(
    ("status", "block", "length"),
    [(404, BLOCK, 5), (200, BLOCK + b"B: c\r\n", 5), (200, BLOCK, 6), (200, BLOCK, None)],
)
def test_what_differs_is_not_taken_for_the_same(both, status, block, length):
    for _ in range(3):
        both.head(200, BLOCK, 5)
    told = dict(both.head(status, block, length))
    assert told[b":status"] == b"%d" % status
    assert told.get(b"content-length") == (b"%d" % length if length is not None else None)
    assert (b"b" in told) == (b"B: c" in block)


def test_what_other_answers_insert_changes_what_the_same_is(both):
    first = both.head(200, BLOCK)
    both.head(200, BLOCK)
    for place in range(200):
        # As trailers do.
        trailers = [(b"x-%d" % place, b"y")]
        assert both.read(both.encoder.encode(trailers)) == trailers
        assert both.head(200, BLOCK) == first
        assert both.read(both.encoder.encode(trailers)) == trailers


def test_a_table_made_smaller_in_between(both):
    first = both.head(200, BLOCK)
    for limit in (0, 4096, 60):
        both.encoder.resize(limit)
        assert both.head(200, BLOCK) == first
        assert both.head(200, BLOCK) == first


@pytest.mark.parametrize("size", [1, 126, 127, 128, 300])
def test_request_ids_of_any_length(both, size):
    for _ in range(3):
        told = both.head(200, b"A: b\r\nX-Request-Id: %b\r\n" % (b"i" * size))
        assert told[1:] == [(b"a", b"b"), (b"x-request-id", b"i" * size)]


@pytest.mark.parametrize("block", [b"My-X-Request-Id: a\r\n", b"X-Request-Id: a\r\nB: c\r\n", b""])
def test_a_request_id_that_is_not_the_gateways_last_line(both, block):
    assert both.head(200, block)[1:] == fields_of(block)

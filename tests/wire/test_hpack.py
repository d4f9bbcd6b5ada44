"""Header compression, with another implementation on the other end."""

import tracemalloc

import hpack
import pytest
from hpack.hpack import encode_integer
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire.hpack import Decoder, Encoder, HPACKError
from daarion_gw.wire.hpack_tables import STATIC, HuffmanError, codes, huffman_decoded

ROOM = 64 * 1024
FIELD = st.one_of(
    st.sampled_from(STATIC),
    st.tuples(st.sampled_from([b"x-a", b"x-b", b"cookie", b"date", b"x-request-id"]),
              st.sampled_from([b"", b"1", b"some value", b"v" * 500, b"w" * 1100])),
    st.tuples(st.binary(max_size=40), st.binary(max_size=300)),
)  # fmt: skip
LISTS = st.lists(st.lists(FIELD, max_size=30), min_size=1, max_size=8)
huffman_encoded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode


def test_the_tables_are_those_of_the_rfc():
    assert STATIC == HeaderTable.STATIC_TABLE
    assert {symbol: code for _, code, symbol in codes()} == dict(enumerate(REQUEST_CODES))


@given(LISTS, st.booleans())
def test_what_another_end_writes_is_read(lists, huffman):
    theirs, ours = hpack.Encoder(), Decoder(ROOM)
    for fields in lists:
        assert ours.decode(theirs.encode(fields, huffman)) == fields


@given(LISTS, st.lists(st.sampled_from([0, 40, 100, 1000, 4096, 9000])))
def test_what_we_write_is_read_by_another_end(lists, sizes):
    ours, theirs = Encoder(), hpack.Decoder()
    for fields in lists:
        if sizes:
            ours.resize(sizes[0])
            theirs.max_allowed_table_size = sizes.pop(0)
        assert theirs.decode(ours.encode(fields), raw=True) == fields


def test_what_was_said_before_is_said_in_a_byte():
    ours, fields = Encoder(), [(b":status", b"200"), (b"content-type", b"text/plain")]
    first, before = ours.encode(fields), ours.changes
    again = ours.encode(fields)
    assert len(first) > len(again) == 2
    assert ours.changes == before


def test_the_least_of_several_sizes_is_said_as_well():
    ours = Encoder()
    ours.resize(0)
    ours.resize(4096)
    assert ours.encode([(b":method", b"GET")]) == b"\x20\x3f\xe1\x1f\x82"
    ours.resize(100)
    assert ours.encode([(b":method", b"GET")]) == b"\x3f\x45\x82"


def test_secrets_are_never_indexed_and_what_changes_is_not_kept():
    ours = Encoder()
    for name in (b"set-cookie", b"authorization", b"x-request-id", b"etag"):
        ours.encode([(name, b"a value")])
    assert ours.changes == 0
    assert ours.encode([(b"set-cookie", b"a")])[0] & 0xF0 == 0x10


@given(st.binary(max_size=60))
def test_huffman(data):
    coded = huffman_encoded(data)
    assert huffman_decoded(coded) == data
    with pytest.raises(HuffmanError):
        huffman_decoded(coded + b"\xff")


@pytest.mark.parametrize(
    "coded",
    [
        # "a" (00011) and padding that is not all ones.
        b"\x18",
        # The end of the string, said.
        b"\xff\xff\xff\xff",
        # A code that breaks off.
        b"\xff\xc0",
    ],
)
def test_huffman_codes_that_are_none(coded):
    with pytest.raises(HuffmanError):
        huffman_decoded(coded)


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\xbe",
        b"\xff\x80",
        b"\xff\x80\x80\x80\x80\x80\x01",
        b"\x40",
        b"\x40\x01",
        b"\x40\x01a\x05b",
        b"\x00\x81\xff\x00",
        # A size update behind a field, and one that is larger than was agreed.
        b"\x82\x20",
        b"\x3f\xe2\x1f",
    ],
)
def test_blocks_that_are_none(block):
    with pytest.raises(HPACKError):
        Decoder(ROOM).decode(block)


def test_the_size_may_change_twice_before_the_first_field():
    ours = Decoder(ROOM)
    ours.decode(hpack.Encoder().encode([(b"a", b"b")]))
    assert ours.decode(b"\x20\x3f\xe1\x1f\x82") == [(b":method", b"GET")]
    with pytest.raises(HPACKError):
        ours.decode(b"\xbe")


def test_a_list_that_is_too_long_does_no_other_harm():
    theirs, ours = hpack.Encoder(), Decoder(200)
    long = [(b"a", b"1" * 100), (b"b", b"2" * 100), (b"c", b"3")]
    assert ours.decode(theirs.encode(long)) is None
    assert ours.decode(theirs.encode([(b"c", b"3"), (b"b", b"2" * 100)])) == [
        (b"c", b"3"),
        (b"b", b"2" * 100),
    ]


def test_a_bomb_costs_no_memory():
    ours = Decoder(ROOM)
    entry = encode_integer(4000, 7)
    ours.decode(b"\x40\x01a" + entry + b"x" * 4000)
    bomb = b"\xbe" * 60_000
    tracemalloc.start()
    try:
        assert ours.decode(bomb) is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000


def test_a_block_that_changes_nothing_leaves_the_count_of_changes_alone():
    ours = Decoder(ROOM)
    ours.decode(b"\x82\x00\x01a\x01b\x10\x01a\x01b")
    assert ours.changes == 0
    ours.decode(b"\x40\x01a\x01b")
    assert ours.changes == 1
    ours.decode(b"\x20")
    assert ours.changes == 2

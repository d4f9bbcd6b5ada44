"""Header compression for HTTP/2 (RFC 7541): field lists to bytes and back.

It knows no frames and no fields' meaning. One `Decoder` and one `Encoder` per connection, and
every block through them in order: both ends' tables would differ otherwise.
"""

from collections import deque
from typing import Final

from .hpack_tables import STATIC, HuffmanError, huffman_decoded

# What each end's table may hold unless it says otherwise (RFC 9113 6.5.2), in bytes.
TABLE_SIZE: Final = 4096
# What an entry costs beside its bytes (RFC 7541 4.1).
ENTRY_COST: Final = 32
_FIRST_DYNAMIC: Final = len(STATIC) + 1
# An integer of more bytes than this is larger than anything here can be.
_INTEGER_BYTES: Final = 5

Field = tuple[bytes, bytes]


class HPACKError(ValueError):
    """A block that cannot be read: the tables do not agree any more (COMPRESSION_ERROR)."""


class Decoder:
    """Reads header blocks. list_limit: of a list, counted as RFC 9113 6.5.2 counts it.

    changes: grows whenever the table changes. While it stands still the same block means the
    same list.
    """

    __slots__ = ("_entries", "_limit", "_list_limit", "_size", "changes")

    def __init__(self, list_limit: int) -> None:
        self._entries: deque[Field] = deque()
        self._size = 0
        self._limit = TABLE_SIZE
        self._list_limit = list_limit
        self.changes = 0

    def decode(self, block: bytes) -> list[Field] | None:
        """The list of a whole block; None where it is too long, which does no other harm.

        Raises `HPACKError`.
        """
        fields: list[Field] = []
        size = at = 0
        end = len(block)
        try:
            while at < end:
                first = block[at]
                if first & 0x80:
                    index, at = _integer(block, at, 0x7F)
                    field = self._entry(index)
                elif first & 0xE0 == 0x20:
                    if fields:
                        raise HPACKError("a change of the table's size behind a field")
                    limit, at = _integer(block, at, 0x1F)
                    self._resize(limit)
                    continue
                else:
                    indexed = first & 0x40
                    index, at = _integer(block, at, 0x3F if indexed else 0x0F)
                    if index:
                        name = self._entry(index)[0]
                    else:
                        name, at = _string(block, at)
                    value, at = _string(block, at)
                    field = (name, value)
                    if indexed:
                        self._insert(field)
                size += len(field[0]) + len(field[1]) + ENTRY_COST
                # The rest is read all the same: the next block builds on its insertions.
                if size <= self._list_limit:
                    fields.append(field)
        except IndexError:
            raise HPACKError("a header block that ends too early") from None
        except HuffmanError as error:
            raise HPACKError(str(error)) from None
        return fields if size <= self._list_limit else None

    def _entry(self, index: int) -> Field:
        if index >= _FIRST_DYNAMIC:
            index -= _FIRST_DYNAMIC
            if index < len(self._entries):
                return self._entries[index]
        elif index:
            return STATIC[index - 1]
        raise HPACKError("an index that no entry has")

    def _insert(self, field: Field) -> None:
        self.changes += 1
        self._size += len(field[0]) + len(field[1]) + ENTRY_COST
        self._entries.appendleft(field)
        self._evict()

    def _resize(self, limit: int) -> None:
        if limit > TABLE_SIZE:
            raise HPACKError("a table larger than was agreed")
        self.changes += 1
        self._limit = limit
        self._evict()

    def _evict(self) -> None:
        entries = self._entries
        while self._size > self._limit:
            name, value = entries.pop()
            self._size -= len(name) + len(value) + ENTRY_COST


def _integer(block: bytes, at: int, most: int) -> tuple[int, int]:
    """The integer in the low bits of ``block[at]`` (RFC 7541 5.1), and where it ends."""
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for place in range(_INTEGER_BYTES):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at
    raise HPACKError("an integer of too many bytes")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """The string at ``block[at]`` (RFC 7541 5.2), and where it ends."""
    is_coded = block[at] & 0x80
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise HPACKError("a string that ends too early")
    data = block[at:end]
    return (huffman_decoded(data) if is_coded else data), end


_EXACT: Final = {field: index for index, field in reversed(list(enumerate(STATIC, 1)))}
_NAMED: Final = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}
# What nobody should be able to find out by guessing and looking at sizes (RFC 7541 7.1.3).
_NEVER_INDEXED: Final = frozenset(
    {b"set-cookie", b"cookie", b"authorization", b"www-authenticate", b"proxy-authenticate"}
)
# What is another one in each answer would only push out what is not.
_CHANGING: Final = frozenset(
    {b"x-request-id", b"content-length", b"content-range", b"etag", b"last-modified",
     b"location", b"content-location", b"age", b"expires", b"link", b":path"}
)  # fmt: skip


class Encoder:
    """Writes header blocks. Strings are not Huffman-coded: that costs more than it saves here.

    changes: as `Decoder`'s.
    """

    __slots__ = ("_entries", "_inserted", "_numbers", "_pending_limits", "_size", "changes",
                 "limit")  # fmt: skip

    def __init__(self) -> None:
        # The oldest first, with the numbers that they got when they came.
        self._entries: deque[Field] = deque()
        self._numbers: dict[Field, int] = {}
        self._inserted = 0
        self._size = 0
        self.limit = TABLE_SIZE
        self._pending_limits: list[int] = []
        self.changes = 0

    def resize(self, limit: int) -> None:
        """The other end's table holds ``limit`` bytes: no more than that is used, nor than ours."""
        limit = min(limit, TABLE_SIZE)
        if limit == self.limit:
            return
        self.limit = limit
        # The least of those between two blocks has to be said as well (RFC 7541 4.2).
        self._pending_limits = [min([limit, *self._pending_limits]), limit]
        self.changes += 1
        self._evict()

    def encode(self, fields: list[Field]) -> bytes:
        """The block of a list of (lower-case name, value)."""
        out = [self._size_changes()] if self._pending_limits else []
        numbers = self._numbers
        for field in fields:
            number = numbers.get(field)
            if number is not None:
                out.append(_prefixed(_FIRST_DYNAMIC + self._inserted - number, 0x7F, 0x80))
            else:
                out.append(self._literal(field))
        return b"".join(out)

    def _literal(self, field: Field) -> bytes:
        index = _EXACT.get(field)
        if index is not None:
            return _prefixed(index, 0x7F, 0x80)
        name, value = field
        cost = len(name) + len(value) + ENTRY_COST
        if name in _NEVER_INDEXED:
            head = _prefixed(_NAMED.get(name, 0), 0x0F, 0x10)
        elif name in _CHANGING or cost > self.limit // 4:
            head = _prefixed(_NAMED.get(name, 0), 0x0F, 0x00)
        else:
            head = _prefixed(_NAMED.get(name, 0), 0x3F, 0x40)
            self._insert(field, cost)
        said = b"" if name in _NAMED else _prefixed(len(name), 0x7F, 0) + name
        return b"%b%b%b%b" % (head, said, _prefixed(len(value), 0x7F, 0), value)

    def _insert(self, field: Field, cost: int) -> None:
        self.changes += 1
        self._inserted += 1
        self._entries.append(field)
        self._numbers[field] = self._inserted
        self._size += cost
        self._evict()

    def _evict(self) -> None:
        while self._size > self.limit:
            field = self._entries.popleft()
            del self._numbers[field]
            self._size -= len(field[0]) + len(field[1]) + ENTRY_COST

    def _size_changes(self) -> bytes:
        least, last = self._pending_limits
        self._pending_limits = []
        said = _prefixed(least, 0x1F, 0x20) if least != last else b""
        return said + _prefixed(last, 0x1F, 0x20)


_SHORT: Final = [bytes([number]) for number in range(256)]


def _prefixed(number: int, most: int, flags: int) -> bytes:
    """``number`` behind ``flags`` (RFC 7541 5.1)."""
    if number < most:
        return _SHORT[flags | number]
    out = bytearray([flags | most])
    number -= most
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

"""Field blocks: raw bytes, a line per field, order and case and repetition as they came.

A block is ``b"Name: value\\r\\n..."`` without the blank line that ends a head. It is kept
as bytes for as long as possible: what is passed on is cut out of it, never built again.
"""

import re
from collections.abc import Callable

from daarion_gw.errors import Fault

from .faults import WireError
from .grammar import BARE_LINE_END, FIELD_BLOCK, FIELD_LINE
from .limits import Limits


def check_block(block: bytes, limits: Limits) -> None:
    """Raise `WireError` unless ``block`` is a valid field block (RFC 9112 5)."""
    if FIELD_BLOCK.match(block) is None:
        raise WireError(Fault.MALFORMED, _what_is_wrong(block))
    if block.count(b"\n") > limits.fields:
        raise WireError(Fault.FIELDS_TOO_LARGE, f"more than {limits.fields} fields")


def _what_is_wrong(block: bytes) -> str:
    if BARE_LINE_END.search(block):
        return "a bare CR or LF in a field line"
    for line in block.split(b"\r\n"):
        if FIELD_BLOCK.match(line + b"\r\n") is None:
            break
    if line[:1] in (b" ", b"\t"):
        return "a folded field line"
    name, colon, value = line.partition(b":")
    if not colon:
        return "a field line without a colon"
    if name != name.strip():
        return "a blank before the colon of a field"
    if not name:
        return "a field without a name"
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value):
        return "a control byte in a field value"
    return "a field name that is no token"


def pairs(block: bytes) -> list[tuple[bytes, bytes]]:
    """The block's fields as (name, value) in order, values without the blanks around them."""
    return [(name, value.rstrip(b" \t")) for name, value in FIELD_LINE.findall(block)]


def values(block: bytes, name: bytes) -> list[bytes]:
    """All values of the field ``name`` (lower case), in order. For cold paths."""
    return [value for found, value in pairs(block) if found.lower() == name]


def without(block: bytes, drop: Callable[[bytes], bool]) -> bytes:
    """The block without the lines for whose lower-case name ``drop`` says yes."""
    return b"".join(
        line
        for line in block.splitlines(keepends=True)
        if not drop(line.partition(b":")[0].lower())
    )


_LIST_SEPARATOR = re.compile(rb"[\t ]*,[\t ]*")


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma list in lower case, empty ones left out (RFC 9110 5.6.1)."""
    return [member for member in _LIST_SEPARATOR.split(value.strip(b" \t").lower()) if member]


def check_begun(begun: bytes, start: int = 0) -> None:
    """Raise `WireError` when no more bytes could make ``begun`` a valid head or block.

    What stands before ``start`` was looked at before.
    """
    if BARE_LINE_END.search(begun, start):
        raise WireError(Fault.MALFORMED, "a bare CR or LF as line end")

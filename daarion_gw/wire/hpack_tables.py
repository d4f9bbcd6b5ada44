"""HPACK's tables (RFC 7541 appendices A and B), and the reading of its Huffman code."""

from functools import cache
from typing import Final

# Appendix A, from index 1 on: a name, and behind a blank its value.
_STATIC = b"""
    :authority
    :method GET
    :method POST
    :path /
    :path /index.html
    :scheme http
    :scheme https
    :status 200
    :status 204
    :status 206
    :status 304
    :status 400
    :status 404
    :status 500
    accept-charset
    accept-encoding gzip, deflate
    accept-language
    accept-ranges
    accept
    access-control-allow-origin
    age
    allow
    authorization
    cache-control
    content-disposition
    content-encoding
    content-language
    content-length
    content-location
    content-range
    content-type
    cookie
    date
    etag
    expect
    expires
    from
    host
    if-match
    if-modified-since
    if-none-match
    if-range
    if-unmodified-since
    last-modified
    link
    location
    max-forwards
    proxy-authenticate
    proxy-authorization
    range
    referer
    refresh
    retry-after
    server
    set-cookie
    strict-transport-security
    transfer-encoding
    user-agent
    vary
    via
    www-authenticate
"""
STATIC: Final = tuple(
    (name, value)
    for name, _, value in (line.strip().partition(b" ") for line in _STATIC.strip().splitlines())
)

# Appendix B. The code is canonical, so the number of bits of each symbol says it all: codes
# count upward in the order of (bits, symbol). The last symbol is the end of the string, which
# never stands in one.
_WRITTEN_BITS = """
    13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
    6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
    13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
    15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
    20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
    22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
    26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
    20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
    30
"""
_BITS: Final = bytes(map(int, _WRITTEN_BITS.split()))
_END_OF_STRING: Final = 256


class HuffmanError(ValueError):
    """Bytes that are no Huffman code of a string."""


def codes() -> list[tuple[int, int, int]]:
    """(bits, code, symbol) of every symbol, shortest first."""
    found = []
    code = bits_before = 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in enumerate(_BITS)):
        code <<= bits - bits_before
        bits_before = bits
        found.append((bits, code, symbol))
        code += 1
    return found


# What half a byte does to a node of the code's tree: (node after it, symbol that ended or -1).
# The shortest code has 5 bits, so no more than one can end.
_Steps = list[tuple[tuple[int, int], ...]]
_ROOT: Final = 0
_DEAD: Final = -1


@cache
def _steps() -> tuple[_Steps, frozenset[int]]:
    """The steps of every node, and the nodes in which a string may end.

    Padding is the beginning of the end's code, up to 7 bits of it (RFC 7541 5.2): all ones.
    """
    children: list[list[int]] = [[_DEAD, _DEAD]]
    symbols: dict[int, int] = {}
    for bits, code, symbol in codes():
        node = _ROOT
        for place in range(bits - 1, -1, -1):
            bit = code >> place & 1
            if children[node][bit] == _DEAD:
                children[node][bit] = len(children)
                children.append([_DEAD, _DEAD])
            node = children[node][bit]
        if symbol != _END_OF_STRING:
            symbols[node] = symbol
        else:
            # It may not be said: whoever gets there has said something else.
            symbols[node] = _DEAD
    steps: _Steps = []
    for start in range(len(children)):
        row = []
        for nibble in range(16):
            row.append(_walk(children, symbols, start, nibble))
        steps.append(tuple(row))
    padding, node = [_ROOT], _ROOT
    for _ in range(7):
        node = children[node][1]
        padding.append(node)
    return steps, frozenset(padding)


def _walk(
    children: list[list[int]], symbols: dict[int, int], node: int, nibble: int
) -> tuple[int, int]:
    told = -1
    for place in (3, 2, 1, 0):
        node = children[node][nibble >> place & 1]
        if node == _DEAD:
            return _DEAD, -1
        symbol = symbols.get(node)
        if symbol is not None:
            if symbol == _DEAD:
                return _DEAD, -1
            told, node = symbol, _ROOT
    return node, told


def huffman_decoded(data: bytes) -> bytes:
    """The string that ``data`` is the code of; raises `HuffmanError`."""
    steps, endings = _steps()
    out = bytearray()
    node = _ROOT
    for byte in data:
        node, symbol = steps[node][byte >> 4]
        if symbol >= 0:
            out.append(symbol)
        if node < 0:
            break
        node, symbol = steps[node][byte & 15]
        if symbol >= 0:
            out.append(symbol)
        if node < 0:
            break
    if node not in endings:
        raise HuffmanError("a string that is no Huffman code")
    return bytes(out)

"""How the end of a request is known: each rule taken out of the code once."""

from typing import Final

from tests.wire.mutant_words import CHUNKED, GRAMMAR, REQUEST, sample
from tests.wire.mutants import Mutant

MUTANTS: Final = (
    Mutant(
        "length-and-coding",
        REQUEST,
        """    if fields.content_length is not None:
        raise WireError(Fault.MALFORMED, "Content-Length together""",
        """    if False:
        raise WireError(Fault.MALFORMED, "Content-Length together""",
        sample("length-and-coding: length first"),
    ),
    Mutant(
        "content-length",
        REQUEST,
        '_SINGLE = frozenset({b"host", b"content-length"})',
        '_SINGLE = frozenset({b"host"})',
        sample("content-length: two that agree"),
    ),
    Mutant(
        "content-length",
        GRAMMAR,
        r'rb"[0-9]{1,18}\Z"',
        r'rb"[+]?[0-9]{1,18}\Z"',
        sample("content-length: plus"),
    ),
    Mutant(
        "content-length",
        GRAMMAR,
        r'rb"[0-9]{1,18}\Z"',
        r'rb"[0-9]{1,18}"',
        sample("content-length: list"),
    ),
    Mutant(
        "content-length",
        GRAMMAR,
        r'rb"[0-9]{1,18}\Z"',
        r'rb"[0-9]{1,40}\Z"',
        sample("content-length: overflow of 64 bits"),
    ),
    Mutant(
        "coding-in-1.0",
        REQUEST,
        "    if not minor:\n        raise",
        "    if False:\n        raise",
        sample("coding-in-1.0: chunked"),
    ),
    Mutant(
        "other-coding",
        REQUEST,
        'if codings != [b"chunked"]:',
        'if b"chunked" not in codings:',
        sample("other-coding: gzip, chunked"),
    ),
    Mutant(
        "other-coding",
        REQUEST,
        'or b"identity" in codings ',
        "",
        sample("other-coding: identity"),
    ),
    Mutant(
        "other-coding",
        REQUEST,
        ' or codings.count(b"chunked") > 1',
        "",
        sample("other-coding: chunked twice"),
    ),
    *(
        Mutant("chunk-size", CHUNKED, 'rb"([0-9A-Fa-f]{1,16}+)(?:;', changed, sample(name))
        for changed, name in (
            ('rb"[+]?([0-9A-Fa-f]{1,16}+)(?:;', "chunk-size: plus"),
            ('rb"(?:0x)?([0-9A-Fa-f]{1,16}+)(?:;', "chunk-size: 0x"),
            ('rb"[ ]*([0-9A-Fa-f]{1,16}+)(?:;', "chunk-size: blank before"),
            ('rb"([0-9A-Fa-f]{1,16}+)[ ]*(?:;', "chunk-size: blank after"),
            ('rb"([0-9A-Fa-f]{1,32}+)(?:;', "chunk-size: 17 digits"),
            ('rb"([0-9A-Fa-f]{0,16}+)(?:;', "chunk-size: no digit"),
        )
    ),
    Mutant(
        "chunk-size",
        CHUNKED,
        r'\x80-\xff]*+))?\r\n")',
        r'\x80-\xff]*+))?\r?\n")',
        sample("chunk-size: bare LF"),
    ),
    Mutant(
        "chunk-size",
        CHUNKED,
        'if begun not in (b"", b"\\r"):',
        "if False:",
        sample("chunk-size: data longer"),
    ),
    Mutant(
        "chunk-size",
        CHUNKED,
        'if data.startswith(b"\\r\\n", at):\n            self._next = _Next.SIZE',
        "if True:\n            self._next = _Next.SIZE",
        sample("chunk-size: data then bare LF"),
    ),
    Mutant(
        "chunk-extension",
        CHUNKED,
        "if match[2] is not None and len(match[2]) > self._limits.chunk_extension:",
        "if False:",
        sample("chunk-extension: 257 bytes"),
    ),
    Mutant(
        "chunk-extension",
        CHUNKED,
        "or len(begun) > longest:",
        "or False:",
        sample("chunk-extension: without end"),
    ),
    Mutant(
        "chunk-extension",
        CHUNKED,
        'rb"([0-9A-Fa-f]{1,16}+)(?:;',
        'rb"([0-9A-Fa-f]{1,16}+)(?:!',
        sample("chunk-extension: short"),
    ),
)

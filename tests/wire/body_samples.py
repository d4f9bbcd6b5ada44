"""Requests as data: how the end of a body is known, accepted and refused."""

from typing import Final

from daarion_gw.errors import Fault
from tests.wire.sample import (
    CHUNKED,
    HOST,
    Sample,
    accepted,
    chunks,
    head,
    post,
    posted,
    refused,
)


def _length_and_coding() -> list[Sample]:
    rule = "length-and-coding"
    return [
        accepted(rule, "length alone", post(b"Content-Length: 3") + b"abc", posted(b"abc")),
        accepted(rule, "coding alone", chunks(b"3\r\nabc\r\n0\r\n\r\n"), posted(b"abc")),
        refused(rule, "length first", post(b"Content-Length: 3", CHUNKED) + b"0\r\n\r\n"),
        refused(rule, "coding first", post(CHUNKED, b"Content-Length: 3") + b"0\r\n\r\n"),
        refused(rule, "length of zero", post(b"Content-Length: 0", CHUNKED) + b"0\r\n\r\n"),
        refused(
            rule,
            "names in odd case",
            post(b"cOnTeNt-lEnGtH: 3", b"tRANSFER-eNCODING: CHUNKED") + b"0\r\n\r\n",
        ),
    ]


def _content_length() -> list[Sample]:
    rule = "content-length"
    bad = {
        "list": b"3, 3",
        "plus": b"+3",
        "minus": b"-3",
        "inner blank": b" 3 4",
        "letters": b"three",
        "hexadecimal": b"0x3",
        "empty": b"",
        "underscore": b"1_0",
        "fraction": b"3.0",
        "19 digits": b"9" * 19,
        "overflow of 64 bits": b"18446744073709551619",
        "Arabic digit": "٣".encode(),
    }
    return [
        accepted(rule, "blanks around", post(b"Content-Length: \t 3 \t") + b"abc", posted(b"abc")),
        accepted(rule, "leading zeros", post(b"Content-Length: 003") + b"abc", posted(b"abc")),
        accepted(rule, "zero", post(b"Content-Length: 0"), posted(b"")),
        refused(rule, "two that agree", post(b"Content-Length: 3", b"Content-Length: 3") + b"abc"),
        refused(rule, "two that differ", post(b"Content-Length: 3", b"Content-Length: 4")),
        refused(rule, "two in odd case", post(b"content-length: 3", b"CONTENT-LENGTH: 3")),
        *(refused(rule, name, post(b"Content-Length: " + value)) for name, value in bad.items()),
    ]


def _codings() -> list[Sample]:
    not_ours = Fault.CODING_NOT_IMPLEMENTED
    coded = {
        "gzip": (b"gzip", not_ours),
        "gzip, chunked": (b"gzip, chunked", not_ours),
        "chunked, gzip": (b"chunked, gzip", not_ours),
        "xchunked": (b"xchunked", not_ours),
        "chunked with a parameter": (b"chunked;q=1", not_ours),
        "quoted": (b'"chunked"', not_ours),
        "identity": (b"identity", Fault.MALFORMED),
        "identity, chunked": (b"identity, chunked", Fault.MALFORMED),
        "chunked twice": (b"chunked, chunked", Fault.MALFORMED),
        "empty": (b"", Fault.MALFORMED),
        "comma": (b",", Fault.MALFORMED),
    }
    rule = "other-coding"
    return [
        accepted(
            "coding-in-1.0",
            "a length is the way in 1.0",
            head(b"POST / HTTP/1.0", b"Content-Length: 3") + b"abc",
            posted(b"abc"),
        ),
        refused("coding-in-1.0", "chunked", head(b"POST / HTTP/1.0", HOST, CHUNKED) + b"0\r\n\r\n"),
        refused("coding-in-1.0", "gzip", head(b"POST / HTTP/1.0", b"Transfer-Encoding: gzip")),
        accepted(
            rule,
            "odd case",
            post(b"Transfer-Encoding: CHUNKed") + b"3\r\nabc\r\n0\r\n\r\n",
            posted(b"abc"),
        ),
        refused(rule, "chunked twice, two lines", post(CHUNKED, CHUNKED)),
        refused(
            rule, "gzip on a line of its own", post(b"Transfer-Encoding: gzip", CHUNKED), not_ours
        ),
        *(
            refused(rule, name, post(b"Transfer-Encoding: " + value), fault)
            for name, (value, fault) in coded.items()
        ),
    ]


def _chunks() -> list[Sample]:
    rule = "chunk-size"
    bad = {
        "plus": b"+3\r\nabc\r\n",
        "minus": b"-3\r\nabc\r\n",
        "0x": b"0x3\r\nabc\r\n",
        "blank before": b" 3\r\nabc\r\n",
        "blank after": b"3 \r\nabc\r\n",
        "tab after": b"3\t\r\nabc\r\n",
        "blank before extension": b"3 ;a\r\nabc\r\n",
        "underscore": b"1_0\r\nabc\r\n",
        "no digit": b"\r\nabc\r\n",
        "extension without size": b";a\r\nabc\r\n",
        "17 digits": b"00000000000000003\r\nabc\r\n",
        "bare LF": b"3\nabc\r\n",
        "bare CR": b"3\rabc\r\n",
        "bare LF in extension": b"3;a\nabc\r\n",
        "data longer": b"3\r\nabcd\r\n",
        "data shorter": b"3\r\nab\r\n0\r\n\r\n",
        "data then bare LF": b"3\r\nabc\n",
        "data then CR and something": b"3\r\nabc\rX",
        "last chunk by bare LF": b"0\n\r\n",
        "end by bare LF": b"0\r\n\n",
        "letters": b"xyz\r\n",
    }
    end = b"0\r\n\r\n"
    extension = "chunk-extension"
    return [
        accepted(rule, "one", chunks(b"3\r\nabc\r\n" + end), posted(b"abc")),
        accepted(rule, "three", chunks(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" + end), posted(b"abc")),
        accepted(rule, "none", chunks(end), posted(b"")),
        accepted(
            rule, "either case", chunks(b"a\r\n0123456789\r\nB\r\n0123456789a\r\n" + end),
            posted(b"01234567890123456789a"),
        ),
        accepted(
            rule, "16 digits", chunks(b"0000000000000003\r\nabc\r\n000\r\n\r\n"), posted(b"abc")
        ),
        accepted(
            rule, "CRLF in the data", chunks(b"6\r\n\r\n0\r\n\r\r\n" + end), posted(b"\r\n0\r\n\r")
        ),
        accepted(
            rule, "trailers", chunks(b"3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n"), posted(b"abc")
        ),
        refused(rule, "folded trailer", chunks(b"0\r\nA: b\r\n c\r\n\r\n")),
        refused(rule, "trailer by bare LF", chunks(b"0\r\nA: b\n\r\n")),
        refused(rule, "trailer without colon", chunks(b"0\r\nGET / HTTP/1.1\r\n\r\n")),
        *(refused(rule, name, chunks(body)) for name, body in bad.items()),
        accepted(
            extension, "short", chunks(b'3;a=b;c="d e"\r\nabc\r\n0;last\r\n\r\n'), posted(b"abc")
        ),
        accepted(
            extension, "256 bytes", chunks(b"3;%b\r\nabc\r\n" % (b"x" * 256) + end), posted(b"abc")
        ),
        refused(extension, "257 bytes", chunks(b"3;%b\r\nabc\r\n" % (b"x" * 257))),
        refused(extension, "on the last chunk", chunks(b"0;%b\r\n\r\n" % (b"x" * 257))),
        refused(extension, "without end", chunks(b"3;" + b"x" * 5000)),
        refused(extension, "control byte", chunks(b"3;a\x00\r\nabc\r\n")),
    ]  # fmt: skip


BODY_SAMPLES: Final = (
    *_length_and_coding(),
    *_content_length(),
    *_codings(),
    *_chunks(),
)

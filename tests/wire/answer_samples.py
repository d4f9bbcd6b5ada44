"""Answers as data: each row of the rules, accepted and refused.

A sample is what an upstream sends, the request's method, whether it asked for an upgrade and
whether the upstream closes afterwards; then what is told (heads as their status) and whether
the connection may be used again.
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.wire.sample import head

Told = tuple[Any, ...]
END: Final = ("end", b"")
BROKEN: Final = ("broken",)
OK: Final = b"HTTP/1.1 200 OK"


@dataclass(frozen=True, slots=True)
class AnswerSample:
    """``told``: the events, of a broken answer without its body and its words."""

    rule: str
    name: str
    raw: bytes
    told: tuple[Told, ...]
    reusable: bool = True
    method: bytes = b"GET"
    upgrade: bool = False
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.rule}: {self.name}"

    @property
    def is_broken(self) -> bool:
        return BROKEN in self.told


def ok(*fields: bytes) -> bytes:
    return head(OK, *fields)


def body(data: bytes, status: int = 200, trailers: bytes = b"") -> tuple[Told, ...]:
    return (("head", status), *((("body", data),) if data else ()), ("end", trailers))


def _informational() -> list[AnswerSample]:
    rule = "informational"
    final = ok(b"Content-Length: 1") + b"a"
    hundred = head(b"HTTP/1.1 100 Continue")
    hints = head(b"HTTP/1.1 103 Early Hints", b"Link: </a.css>; rel=preload")
    switched = head(
        b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"
    )
    told = body(b"a")
    return [
        AnswerSample(rule, "100", hundred + final, (("informational", 100), *told)),
        AnswerSample(
            rule, "100 and 103 and 103", hundred + hints + hints + final,
            (("informational", 100), ("informational", 103), ("informational", 103), *told),
        ),
        AnswerSample(rule, "100 alone is no answer", hundred, (("informational", 100), BROKEN),
                     reusable=False, ended=True),
        AnswerSample(rule, "100 that says close", head(b"HTTP/1.1 100 Continue",
                     b"Connection: close") + final, (("informational", 100), *told)),
        AnswerSample(rule, "101 that we asked for", switched + b"\x81\x00", (("head", 101),),
                     reusable=False, upgrade=True),
        AnswerSample(rule, "101 that nobody asked for", switched, (BROKEN,), reusable=False),
        AnswerSample(rule, "101 after 100", hundred + switched,
                     (("informational", 100), ("head", 101)), reusable=False, upgrade=True),
        AnswerSample(rule, "a refused upgrade", head(b"HTTP/1.1 403 Forbidden",
                     b"Content-Length: 2") + b"no", body(b"no", 403), upgrade=True),
    ]  # fmt: skip


def _no_body() -> list[AnswerSample]:
    rule = "no-body"
    return [
        AnswerSample(rule, "204", head(b"HTTP/1.1 204 No Content"), body(b"", 204)),
        AnswerSample(rule, "204 with a length", head(b"HTTP/1.1 204 No Content",
                     b"Content-Length: 5"), body(b"", 204)),
        AnswerSample(rule, "204 with a coding", head(b"HTTP/1.1 204 No Content",
                     b"Transfer-Encoding: chunked"), body(b"", 204)),
        AnswerSample(rule, "304 with a length", head(b"HTTP/1.1 304 Not Modified",
                     b"Content-Length: 5"), body(b"", 304)),
        AnswerSample(rule, "304 with a coding", head(b"HTTP/1.1 304 Not Modified",
                     b"Transfer-Encoding: chunked"), body(b"", 304)),
        AnswerSample(rule, "HEAD with a length", ok(b"Content-Length: 5"), body(b""),
                     method=b"HEAD"),
        AnswerSample(rule, "HEAD with a coding", ok(b"Transfer-Encoding: chunked"), body(b""),
                     method=b"HEAD"),
        AnswerSample(rule, "HEAD without either", ok(), body(b""), method=b"HEAD"),
        AnswerSample(rule, "head is not HEAD", ok(b"Content-Length: 1") + b"a", body(b"a"),
                     method=b"head"),
        AnswerSample(rule, "HEAD with a body all the same", ok(b"Content-Length: 1") + b"a",
                     body(b""), reusable=False, method=b"HEAD"),
        AnswerSample(rule, "204 with a body all the same", head(b"HTTP/1.1 204 No Content",
                     b"Content-Length: 1") + b"a", body(b"", 204), reusable=False),
        AnswerSample(rule, "length of zero", ok(b"Content-Length: 0"), body(b"")),
    ]  # fmt: skip


def _until_close() -> list[AnswerSample]:
    rule = "until-close"
    return [
        AnswerSample(rule, "1.1", ok() + b"abc", body(b"abc"), reusable=False, ended=True),
        AnswerSample(rule, "1.1, empty", ok(), body(b""), reusable=False, ended=True),
        AnswerSample(rule, "1.0", head(b"HTTP/1.0 200 OK") + b"abc", body(b"abc"),
                     reusable=False, ended=True),
        AnswerSample(rule, "not yet closed", ok() + b"abc", (("head", 200), ("body", b"abc")),
                     reusable=False),
        AnswerSample(rule, "1.0 with a length", head(b"HTTP/1.0 200 OK", b"Content-Length: 3")
                     + b"abc", body(b"abc"), reusable=False),
        AnswerSample(rule, "1.0 kept alive", head(b"HTTP/1.0 200 OK", b"Content-Length: 3",
                     b"Connection: keep-alive") + b"abc", body(b"abc")),
        AnswerSample(rule, "1.1 that says close", ok(b"Content-Length: 3", b"Connection: a, Close")
                     + b"abc", body(b"abc"), reusable=False),
        AnswerSample(rule, "1.0 that says both", head(b"HTTP/1.0 200 OK", b"Content-Length: 0",
                     b"Connection: keep-alive, close"), body(b""), reusable=False),
    ]  # fmt: skip


def _ambiguous() -> list[AnswerSample]:
    rule = "ambiguous-answer"
    bad = {
        "two lengths": ok(b"Content-Length: 3", b"Content-Length: 4") + b"abcd",
        "list of lengths": ok(b"Content-Length: 3, 3") + b"abc",
        "signed length": ok(b"Content-Length: +3") + b"abc",
        "empty length": ok(b"Content-Length:") + b"abc",
        "length and coding": ok(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        "coding and length": ok(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
        "coding in 1.0": head(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"),
        "gzip": ok(b"Transfer-Encoding: gzip, chunked"),
        "chunked twice": ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        "chunked, chunked": ok(b"Transfer-Encoding: chunked, chunked"),
        "identity": ok(b"Transfer-Encoding: identity"),
        "status of two digits": head(b"HTTP/1.1 20 OK"),
        "status of four digits": head(b"HTTP/1.1 2000 OK"),
        "status 600": head(b"HTTP/1.1 600 Odd"),
        "status 099": head(b"HTTP/1.1 099 Odd"),
        "status in letters": head(b"HTTP/1.1 OK"),
        "two blanks": head(b"HTTP/1.1  200 OK"),
        "HTTP/2": head(b"HTTP/2.0 200 OK"),
        "lower case": head(b"http/1.1 200 OK"),
        "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "NUL in the reason": head(b"HTTP/1.1 200 O\x00K"),
        "NUL in a value": ok(b"A: \x00"),
        "NUL in a name": ok(b"A\x00: b"),
        "bare CR": ok(b"A: b\rC: d"),
        "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "bare LF after a field": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
        "folded": ok(b"A: b", b" c"),
        "blank before the colon": ok(b"Content-Length : 3") + b"abc",
        "no colon": ok(b"Content-Length"),
        "blank line first": b"\r\n" + ok(b"Content-Length: 0"),
        "head over 64 KiB": ok(b"A: " + b"b" * 65536),
        "head without end": ok(b"A: " + b"b" * 65536)[:-2],
        "status line without end": b"HTTP/1.1 200 " + b"a" * 20000,
        "201 fields": ok(*(b"A: b",) * 201),
    }
    good = {
        "the same length twice": ok(b"Content-Length: 3", b"content-length: 3"),
        "no reason": head(b"HTTP/1.1 200 ", b"Content-Length: 3"),
        "no blank before the reason": head(b"HTTP/1.1 200", b"Content-Length: 3"),
        "bytes above 0x7f in the reason": head("HTTP/1.1 200 Гаразд".encode(),
                                               b"Content-Length: 3"),
        "200 fields": ok(b"Content-Length: 3", *(b"A: b",) * 199),
    }  # fmt: skip
    return [
        *(AnswerSample(rule, name, raw, (BROKEN,), reusable=False) for name, raw in bad.items()),
        *(AnswerSample(rule, name, raw + b"abc", body(b"abc")) for name, raw in good.items()),
    ]


def _cut_short() -> list[AnswerSample]:
    rule = "cut-short"
    chunked = ok(b"Transfer-Encoding: chunked")
    broken = (("head", 200), BROKEN)
    cuts = {
        "nothing at all": (b"", (BROKEN,)),
        "in the status line": (b"HTTP/1.1 20", (BROKEN,)),
        "in the head": (ok(b"A: b")[:-2], (BROKEN,)),
        "before the body": (ok(b"Content-Length: 3"), broken),
        "in the body": (ok(b"Content-Length: 3") + b"ab", broken),
        "before the first chunk": (chunked, broken),
        "in a chunk's size": (chunked + b"3", broken),
        "in a chunk": (chunked + b"3\r\nab", broken),
        "after a chunk": (chunked + b"3\r\nabc\r\n", broken),
        "before the last CRLF": (chunked + b"0\r\n", broken),
        "in the trailers": (chunked + b"0\r\nA: b\r\n", broken),
    }
    bad = {
        "sign": b"+3\r\nabc\r\n",
        "bare LF": b"3\nabc\r\n",
        "data longer": b"3\r\nabcd\r\n",
        "17 digits": b"00000000000000003\r\n",
        "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
        "no size": b"\r\n",
    }
    return [
        AnswerSample(rule, "whole chunks", chunked + b"3\r\nabc\r\n0\r\n\r\n", body(b"abc")),
        AnswerSample(rule, "chunks and trailers",
                     chunked + b"3;x\r\nabc\r\n0\r\nA: b\r\nA: c\r\n\r\n",
                     body(b"abc", trailers=b"A: b\r\nA: c\r\n")),
        *(
            AnswerSample(rule, f"closed: {name}", raw, told, reusable=False, ended=True)
            for name, (raw, told) in cuts.items()
        ),
        *(
            AnswerSample(rule, f"chunking: {name}", chunked + raw, broken, reusable=False)
            for name, raw in bad.items()
        ),
    ]  # fmt: skip


def _excess() -> list[AnswerSample]:
    rule = "excess"
    return [
        AnswerSample(rule, "none behind a length", ok(b"Content-Length: 3") + b"abc", body(b"abc")),
        AnswerSample(rule, "behind a length", ok(b"Content-Length: 3") + b"abcd", body(b"abc"),
                     reusable=False),
        AnswerSample(rule, "a second answer", ok(b"Content-Length: 3") + b"abc"
                     + ok(b"Content-Length: 0"), body(b"abc"), reusable=False),
        AnswerSample(rule, "behind no body", ok(b"Content-Length: 0") + b"a", body(b""),
                     reusable=False),
        AnswerSample(rule, "behind chunks", ok(b"Transfer-Encoding: chunked") + b"0\r\n\r\n\r\n",
                     body(b""), reusable=False),
        AnswerSample(rule, "behind trailers", ok(b"Transfer-Encoding: chunked")
                     + b"0\r\nA: b\r\n\r\nX", body(b"", trailers=b"A: b\r\n"), reusable=False),
    ]  # fmt: skip


ANSWER_SAMPLES: Final = (
    *_informational(),
    *_no_body(),
    *_until_close(),
    *_ambiguous(),
    *_cut_short(),
    *_excess(),
)

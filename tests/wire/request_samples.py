"""Requests as data: each row of the rules, accepted and refused."""

from typing import Final

from daarion_gw.errors import Fault
from tests.wire.body_samples import BODY_SAMPLES
from tests.wire.sample import (
    GET,
    HOST,
    Sample,
    accepted,
    chunks,
    get,
    head,
    post,
    posted,
    refused,
)


def _lines() -> list[Sample]:
    rule = "line-end"
    controls = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F]
    field = "field-line"
    return [
        accepted(rule, "TAB and bytes above 0x7f in a value", get(b"A: b\tc \xd1\x97\xff")),
        refused(rule, "bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        refused(rule, "bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"),
        refused(rule, "bare LF in a value", get(b"A: b\nC: d")),
        refused(rule, "bare CR in a value", get(b"A: b\rC: d")),
        refused(rule, "bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
        refused(rule, "bare LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n"),
        refused(rule, "bare CR after the request line", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
        refused(rule, "bare CR after a field", b"GET / HTTP/1.1\r\nHost: a\rB: c\r\n\r\n"),
        refused(rule, "bare CR at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\rX"),
        refused(rule, "CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        refused(rule, "CR in the request line", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
        *(refused(rule, f"byte {byte:#04x}", get(b"A: b%cc" % byte)) for byte in controls),
        accepted(field, "empty value", get(b"A:")),
        accepted(field, "no blank after the colon", get(b"A:b")),
        accepted(field, "every token byte", get(b"!#$%&'*+-.^`|~0aZ: b")),
        accepted(field, "a colon in the value", get(b"A: b:c")),
        refused(field, "blank before the colon", get(b"A : b")),
        refused(field, "tab before the colon", get(b"A\t: b")),
        refused(field, "blank before Host's colon", head(GET, b"Host : a")),
        refused(field, "blank before the colon of a length", post(b"Content-Length : 3") + b"abc"),
        refused(field, "empty name", get(b": b")),
        refused(field, "no colon", get(b"A b")),
        refused(field, "folded by blank", get(b"A: b", b" c")),
        refused(field, "folded by tab", get(b"A: b", b"\tc")),
        refused(field, "folded first line", head(GET, b" Host: a", HOST)),
        refused(field, "folded blank line", get(b"A: b", b" ")),
        *(
            refused(field, f"name with {byte:#04x}", get(b"A%cB: c" % byte))
            for byte in b'"(),/;<=>?@[\\]{}\x00\x7f\x80\xff'
        ),
    ]  # fmt: skip


def _hosts() -> list[Sample]:
    rule = "host"
    good = [b"a", b"a:80", b"a:", b"A.example.com", b"127.0.0.1:8080", b"[::1]", b"[::1]:8080",
            b"xn--80aaxitdbjk.xn--p1ai", b"a_b", b"a%41b", b"[2001:db8::1]:65535",
            b"[::ffff:1.2.3.4]"]  # fmt: skip
    bad = [b"", b"a b", b"a, b", b"a/b", b"user@a", b"a:80:80", b"a:65536", b"a:123456", b"a:-1",
           b"a:http", b"[::1", b"::1", b"[::1]x", b"[]", b"a?b", b"a#b", b"http://a", b'a"',
           b"a\\b", b"\xd1\x97", b"[:::::]", b"[1.2.3.4]", b"[::1%25eth0]", b"a%4", b"a%zz",
           b"<a>", b":80", b"a,b"]  # fmt: skip
    return [
        *(
            accepted(rule, f"good {value.decode()!r}", head(GET, b"Host: " + value))
            for value in good
        ),
        accepted(rule, "none in 1.0", head(b"GET / HTTP/1.0")),
        *(
            refused(rule, f"bad {value.decode()!r}", head(GET, b"Host: " + value))
            for value in bad
        ),
        refused(rule, "none in 1.1", head(GET)),
        refused(rule, "none in 1.1 among others", head(GET, b"A: b")),
        refused(rule, "none in 1.1 beside an absolute target", head(b"GET http://a/ HTTP/1.1")),
        refused(rule, "two that agree", head(GET, HOST, HOST)),
        refused(rule, "two that differ", head(GET, HOST, b"hOsT: b")),
        refused(rule, "two in 1.0", head(b"GET / HTTP/1.0", HOST, HOST)),
        refused(rule, "bad one in 1.0", head(b"GET / HTTP/1.0", b"Host: a b")),
    ]  # fmt: skip


def _request_lines() -> list[Sample]:
    form, target, star, version = "absolute-form", "target-bytes", "asterisk", "version"
    gone = Fault.METHOD_NOT_ALLOWED
    other = Fault.VERSION_NOT_SUPPORTED

    def line(request_line: bytes, host: bytes = b"a") -> bytes:
        return head(request_line, b"Host: " + host)

    def target_is(raw: bytes, out: bytes, host: bytes = b"a", method: bytes = b"GET") -> Sample:
        name = f"{method.decode()} {raw.decode()} for {host.decode()}"
        return accepted(
            form, name, line(b"%b %b HTTP/1.1" % (method, raw), host), (method, out, b"")
        )

    visible = bytes(byte for byte in range(0x21, 0x7F) if byte != 0x23)
    return [
        target_is(b"http://a/b?c", b"/b?c"),
        target_is(b"https://a/b", b"/b"),
        target_is(b"HTTP://A/b", b"/b"),
        target_is(b"http://a:80/b", b"/b"),
        target_is(b"http://a/b", b"/b", b"a:80"),
        target_is(b"https://a:443/b", b"/b"),
        target_is(b"http://a", b"/"),
        target_is(b"http://a?b", b"/?b"),
        target_is(b"http://a/?http://b/", b"/?http://b/"),
        target_is(b"http://[::1]:8080/b", b"/b", b"[::1]:8080"),
        target_is(b"http://a", b"*", method=b"OPTIONS"),
        target_is(b"http://a//b", b"//b"),
        *(
            refused(form, f"{raw.decode()} for {host.decode()}",
                    line(b"GET %b HTTP/1.1" % raw, host))
            for raw, host in [
                (b"http://b/", b"a"), (b"http://a:8080/", b"a"), (b"http://a:443/", b"a"),
                (b"https://a:80/", b"a"), (b"http://user@a/", b"a"), (b"http:///", b"a"),
                (b"http://", b"a"), (b"ftp://a/", b"a"), (b"http:/a/", b"a"), (b"a/b", b"a"),
                (b"a", b"a"), (b"?a", b"a"), (b"http://a:99999/", b"a:99999"),
                (b"ws://a/", b"a"), (b"a:443", b"a:443"), (b"http://a b/", b"a"),
            ]
        ),
        refused(form, "bad authority in 1.0", head(b"GET http://user@a/ HTTP/1.0")),
        accepted(form, "authority in 1.0", head(b"GET http://a/b HTTP/1.0"), (b"GET", b"/b", b"")),
        accepted(target, "every visible byte", line(b"GET /%b HTTP/1.1" % visible),
                 (b"GET", b"/" + visible, b"")),
        accepted(target, "escapes stay", line(b"GET /%2F%41//.;a%zz HTTP/1.1"),
                 (b"GET", b"/%2F%41//.;a%zz", b"")),
        *(
            refused(target, f"byte {byte:#04x}", line(b"GET /a%cb HTTP/1.1" % byte))
            for byte in (*range(0x21), 0x23, *range(0x7F, 0x100, 16), 0xFF)
        ),
        refused(target, "none", line(b"GET HTTP/1.1")),
        refused(target, "empty", line(b"GET  HTTP/1.1")),
        refused(target, "two blanks", line(b"GET  / HTTP/1.1")),
        refused(target, "tab between", line(b"GET\t/ HTTP/1.1")),
        accepted(star, "OPTIONS *", line(b"OPTIONS * HTTP/1.1"), (b"OPTIONS", b"*", b"")),
        accepted(star, "OPTIONS of a path", line(b"OPTIONS / HTTP/1.1"), (b"OPTIONS", b"/", b"")),
        refused(star, "GET *", line(b"GET * HTTP/1.1")),
        refused(star, "OPTIONS **", line(b"OPTIONS ** HTTP/1.1")),
        refused("connect-trace", "CONNECT", line(b"CONNECT a:443 HTTP/1.1", b"a:443"), gone),
        refused("connect-trace", "CONNECT of a path", line(b"CONNECT / HTTP/1.1"), gone),
        refused("connect-trace", "TRACE", line(b"TRACE / HTTP/1.1"), gone),
        accepted("connect-trace", "trace is another method", line(b"trace / HTTP/1.1"),
                 (b"trace", b"/", b"")),
        *(
            accepted("method", name.decode(), line(name + b" / HTTP/1.1"), (name, b"/", b""))
            for name in (b"PROPFIND", b"get", b"PuT", b"M-SEARCH", b"!#$%&'*+-.^_`|~")
        ),
        *(
            refused("method", repr(name)[1:], line(name + b" / HTTP/1.1"))
            for name in (b"", b"GE(T", b"GET,", b"G\xe9T", b'"GET"', b"G\x00T", b" GET")
        ),
        accepted(version, "1.0", head(b"GET / HTTP/1.0")),
        accepted(version, "1.9", line(b"GET / HTTP/1.9")),
        *(
            refused(version, name.decode(), line(b"GET / " + name), other)
            for name in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3", b"HTTP/2", b"HTTP/1")
        ),
        refused(version, "preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", other),
        *(
            refused(version, repr(name)[1:], line(b"GET / " + name))
            for name in (b"http/1.1", b"HTTP/1.10", b"HTTP/1.", b"HTTP/01.1", b"HTTP/a.b",
                         b"HTTP/1.1 ", b"HTTP/1,1", b"HTTP 1.1", b"HTTPS/1.1", b"HTTP/1.\xb2", b"")
        ),
        refused(version, "of a simple request", b"GET /\r\n\r\n"),
    ]  # fmt: skip


def _streams() -> list[Sample]:
    pipelined, size, blank = "pipelined", "size", "blank-lines"
    one = get()
    long_target = b"/" + b"a" * (16 * 1024 - len(b"GET / HTTP/1.1"))
    filler = 64 * 1024 - len(get(b"A: "))
    return [
        accepted(pipelined, "three", one * 3, *((b"GET", b"/", b""),) * 3),
        accepted(
            pipelined, "behind a length", post(b"Content-Length: 3") + b"abc" + one,
            posted(b"abc"), (b"GET", b"/", b""),
        ),
        accepted(
            pipelined, "behind chunks", chunks(b"3\r\nabc\r\n0\r\n\r\n") + one,
            posted(b"abc"), (b"GET", b"/", b""),
        ),
        accepted(
            pipelined, "behind trailers", chunks(b"0\r\nA: b\r\n\r\n") + one,
            posted(b""), (b"GET", b"/", b""),
        ),
        accepted(pipelined, "a hundred", one * 100, *((b"GET", b"/", b""),) * 100),
        Sample(pipelined, "good, then bad", one + get(b"A : b"), ((b"GET", b"/", b""),),
               Fault.MALFORMED),
        accepted(size, "a request line of 16 KiB",
                 head(b"GET %b HTTP/1.1" % long_target, HOST), (b"GET", long_target, b"")),
        refused(size, "a request line of 16 KiB and 1",
                head(b"GET %ba HTTP/1.1" % long_target, HOST), Fault.TARGET_TOO_LONG),
        refused(size, "a request line of 70 KiB",
                head(b"GET /%b HTTP/1.1" % (b"a" * 70 * 1024), HOST), Fault.TARGET_TOO_LONG),
        refused(size, "a request line without end", b"GET /" + b"a" * 17 * 1024,
                Fault.TARGET_TOO_LONG),
        accepted(size, "a head of 64 KiB", get(b"A: " + b"b" * filler)),
        refused(size, "a head of 64 KiB and 1", get(b"A: " + b"b" * (filler + 1)),
                Fault.FIELDS_TOO_LARGE),
        refused(size, "a head without end", get(b"A: " + b"b" * 70 * 1024)[:-2],
                Fault.FIELDS_TOO_LARGE),
        accepted(size, "200 fields", get(*(b"A: b",) * 199)),
        refused(size, "201 fields", get(*(b"A: b",) * 200), Fault.FIELDS_TOO_LARGE),
        refused(size, "trailers over 64 KiB", chunks(b"0\r\nA: %b\r\n\r\n" % (b"b" * 65536)),
                Fault.FIELDS_TOO_LARGE),
        refused(size, "201 trailers", chunks(b"0\r\n" + b"A: b\r\n" * 201 + b"\r\n"),
                Fault.FIELDS_TOO_LARGE),
        accepted(blank, "one", b"\r\n" + one),
        accepted(blank, "two", b"\r\n\r\n" + one),
        accepted(blank, "two before each", (b"\r\n\r\n" + one) * 2, *((b"GET", b"/", b""),) * 2),
        refused(blank, "three", b"\r\n\r\n\r\n" + one),
        refused(blank, "a bare LF", b"\n" + one),
        refused(blank, "a bare CR", b"\r" + one),
        refused(blank, "a blank", b" \r\n" + one),
    ]  # fmt: skip


def _tokens() -> list[Sample]:
    return [
        accepted("expect", "100-continue", post(b"Expect: 100-continue", b"Content-Length: 0"),
                 posted(b"")),
        accepted("expect", "another", post(b"Expect: 200-ok"), posted(b"")),
        refused("expect", "beside what is refused", post(b"Expect: 100-continue", b"A : b")),
        accepted("http-1.0", "without Host", head(b"GET / HTTP/1.0")),
        accepted("http-1.0", "kept alive", head(b"GET / HTTP/1.0", b"Connection: keep-alive")),
        refused("http-1.0", "folded", head(b"GET / HTTP/1.0", b"A: b", b" c")),
    ]  # fmt: skip


REQUEST_SAMPLES: Final = (
    *BODY_SAMPLES,
    *_lines(),
    *_hosts(),
    *_request_lines(),
    *_streams(),
    *_tokens(),
)

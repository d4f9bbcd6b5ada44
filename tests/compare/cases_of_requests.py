"""Requests that are fine: methods, paths, routes, fields, bodies, expectations."""

from collections.abc import Iterator

from tests.compare.case import Case, ask, chunks
from tests.compare.recorder import Script


def methods() -> Iterator[Case]:
    """Every method passes with its name as it is."""
    for method in b"GET POST PUT PATCH DELETE OPTIONS PROPFIND MKCOL REPORT PURGE M-SEARCH".split():
        yield ask(f"method/{method.decode()}", method=method)
    yield ask("method/HEAD", method=b"HEAD")
    yield ask("method/lower-case", method=b"get")
    yield ask("method/mixed-case", method=b"Frobnicate")
    yield ask("method/TRACE", method=b"TRACE")
    yield ask("method/OPTIONS-asterisk", b"*", method=b"OPTIONS")


_RESTS = {
    "empty": b"",
    "plain": b"users/42",
    "slash-at-end": b"users/",
    "two-slashes": b"a//b",
    "two-slashes-first": b"/a",
    "three-slashes": b"a///b//",
    "encoded-slash": b"a%2Fb",
    "encoded-slash-lower-case": b"a%2fb",
    "encoded-letter": b"%41bc",
    "encoded-blank": b"a%20b",
    "encoded-percent": b"a%25b",
    "encoded-question-mark": b"a%3Fb",
    "encoded-hash": b"%23room:example.test",
    "encoded-utf8": b"caf%C3%A9",
    "encoded-no-utf8": b"caf%E9",
    "encoded-semicolon": b"a%3Bb",
    "plus": b"a+b",
    "semicolon": b"a;v=1/b;w=2",
    "sub-delimiters": b"!$&'()*+,;=:@",
    "unreserved": b"-._~",
    "room-alias": b"!abc:example.test/state",
    "dot": b"a/./b",
    "dot-dot-inside": b"a/b/../c",
    "encoded-dot-dot-inside": b"a/%2e%2e/c",
    "dots-that-are-names": b".../..a/.b",
    "long": b"x" * 3000,
}
_QUERIES = {
    "empty": b"?",
    "one": b"?a=1",
    "repeated": b"?a=1&a=2&a=",
    "encoded": b"?next=%2Fhome%3Fx%3D1",
    "two-question-marks": b"?a?b",
    "url": b"?to=http://example.test/a/../b",
    "dot-dot": b"?f=../../etc",
    "brackets": b"?ids[]=1&ids[]=2",
    "bad-percent": b"?a=100%",
    "quotes": b"?a=\"x\"&b='y'",
    "long": b"?q=" + b"y" * 4000,
}


def paths() -> Iterator[Case]:
    """What is left of a target after the prefix, where it is cut and where it is kept."""
    for name, rest in _RESTS.items():
        yield ask(f"path/stripped/{name}", b"/api/" + rest)
        yield ask(f"path/kept/{name}", b"/_matrix/" + rest)
    for name, query in _QUERIES.items():
        yield ask(f"query/{name}", b"/api/find" + query)
    yield ask("query/kept", b"/grafana/d/1?orgId=1&from=now-6h")
    yield ask("path/leaves-its-route", b"/api/../rag/x")
    yield ask("path/leaves-its-route-encoded", b"/api/%2e%2e/rag/x")
    yield ask("path/leaves-its-route-encoded-slash", b"/api/..%2frag/x")
    yield ask("path/above-the-root", b"/../../x")
    yield ask("path/raw-utf8", b"/api/caf\xc3\xa9")
    yield ask("path/bad-percent", b"/api/100%")
    yield ask("path/encoded-nul", b"/api/a%00b")
    yield ask("path/hash", b"/api/a#b")
    yield ask("path/too-long", b"/api/" + b"z" * 20000)


def routing() -> Iterator[Case]:
    """Which upstream gets it."""
    for prefix in (b"/rag/", b"/notify/", b"/matrix/", b"/grafana/", b"/prometheus/", b"/_matrix/"):
        yield ask(f"route{prefix.decode()}", prefix + b"x/y")
    yield ask("route/boundary", b"/apix")
    yield ask("route/case-matters", b"/API/x")
    yield ask("route/none", b"/nothing/here")
    yield ask("route/no-slash", b"/api")
    yield ask("route/no-slash-query", b"/api?a=1")
    yield ask("route/no-slash-POST", b"/api", b"Content-Length: 2", method=b"POST", body=b"hi")
    yield ask("route/absolute-form", b"http://app.example.test/api/x?y")
    yield ask("route/healthz", b"/healthz")
    yield ask("route/host-with-port", host=b"app.example.test:8443")
    yield ask("route/host-upper-case", host=b"APP.Example.TEST")
    yield ask("route/host-address", host=b"[::1]:8080")
    yield ask("route/down", b"/down/x")
    yield ask("route/down-POST", b"/down/x", b"Content-Length: 2", method=b"POST", body=b"hi")
    yield ask("route/down-HEAD", b"/down/x", method=b"HEAD")
    yield ask("route/down-html", b"/down/x", b"Accept: text/html")


_FIELDS: dict[str, tuple[bytes, ...]] = {
    "ordinary": (b"Accept: */*", b"User-Agent: curl/8.4.0", b"Accept-Language: uk,en;q=0.8"),
    "case": (b"x-LOWER-upper: Value", b"X-ABC: 1"),
    "repeated": (b"X-A: 1", b"X-B: 2", b"X-A: 3"),
    "repeated-accept": (b"Accept: text/html", b"Accept: text/plain"),
    "empty-value": (b"X-Empty:",),
    "blanks-around": (b"X-Blank: \t v a l u e \t ",),
    "no-blank-after-colon": (b"X-Tight:value",),
    "colon-in-value": (b"X-Url: http://a:b@c/?d",),
    "odd-name": (b"X!#$%&'*+.^`|~: odd",),
    "digits-name": (b"1234: digits",),
    "dot-name": (b"X.Dot: dotted",),
    "underscore-name": (b"X_Under: lost",),
    "obs-text": (b"X-Text: caf\xe9 \xd0\x94",),
    "quoted": (b'X-Quoted: "a, b"; c="d\\"e"',),
    "long": (b"X-Long: " + b"v" * 6000,),
    "many": tuple(b"X-Many-%d: %d" % (n, n) for n in range(60)),
    "cookie": (b"Cookie: a=1; b=2; c=%D0%94",),
    "cookies-on-two-lines": (b"Cookie: a=1", b"Cookie: b=2"),
    "authorization": (b"Authorization: Bearer abc.def",),
    "basic": (b"Authorization: Basic YTpi",),
    "origin": (b"Origin: https://app.example.test", b"Referer: https://app.example.test/"),
    "accept-encoding": (b"Accept-Encoding: gzip, br",),
    "te-trailers": (b"TE: trailers", b"Connection: TE"),
    "te-gzip": (b"TE: gzip;q=0.5",),
    "connection-close": (b"Connection: close",),
    "connection-keep-alive": (b"Connection: keep-alive", b"Keep-Alive: timeout=5"),
    "connection-names-a-field": (b"Connection: X-Drop", b"X-Drop: me", b"X-Stay: me"),
    "connection-names-host": (b"Connection: host, x-forwarded-for",),
    "proxy-connection": (b"Proxy-Connection: keep-alive",),
    "proxy-authorization": (b"Proxy-Authorization: Basic YTpi",),
    "proxy": (b"Proxy: http://evil.example.test",),
    "upgrade-h2c": (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"),
    "via": (b"Via: 1.1 outer",),
    "max-forwards": (b"Max-Forwards: 5",),
    "forwarded": (b"Forwarded: for=192.0.2.1;proto=https",),
    "x-forwarded-for": (b"X-Forwarded-For: 192.0.2.1",),
    "x-forwarded-for-twice": (b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-For: 192.0.2.2"),
    "x-forwarded-proto": (b"X-Forwarded-Proto: https",),
    "x-forwarded-host": (b"X-Forwarded-Host: outer.example.test",),
    "x-real-ip": (b"X-Real-IP: 192.0.2.9",),
    "x-request-id": (b"X-Request-Id: chosen-by-the-client",),
    "range": (b"Range: bytes=0-99", b'If-Range: "abc"'),
    "if-none-match": (b'If-None-Match: "abc", W/"def"',),
    "if-modified-since": (b"If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT",),
    "cache-control": (b"Cache-Control: no-cache", b"Pragma: no-cache"),
    "content-type-without-body": (b"Content-Type: application/json",),
    "priority": (b"Priority: u=1, i", b"Sec-Fetch-Mode: cors"),
}


def fields() -> Iterator[Case]:
    """What becomes of the fields of a request."""
    for name, lines in _FIELDS.items():
        yield ask(f"field/{name}", b"/api/x", *lines)


def bodies() -> Iterator[Case]:
    """Bodies of requests by length and by chunks."""
    for size in (0, 1, 10, 8192, 16385, 100_000, 1_048_576):
        length = b"Content-Length: %d" % size
        body = bytes(n % 251 for n in range(251)) * (size // 251 + 1)
        yield ask(f"body/length-{size}", b"/api/x", length, method=b"POST", body=body[:size])
    chunked = b"Transfer-Encoding: chunked"
    for name, body in {
        "one": chunks(b"hello"),
        "many": chunks(*[b"x" * n for n in range(1, 50)]),
        "none": chunks(),
        "big": chunks(b"y" * 70_000, b"z" * 30_000),
        "extension": chunks(b"hello", extension=b";name=value"),
        "trailers": chunks(b"hello", trailers=b"X-Sum: 1\r\n"),
    }.items():
        yield ask(f"body/chunked-{name}", b"/api/x", chunked, method=b"PUT", body=body)
    two = b"Content-Length: 2"
    yield ask("body/with-GET", b"/api/x", two, body=b"hi")
    yield ask("body/with-DELETE", b"/api/x", two, method=b"DELETE", body=b"hi")
    yield ask("body/with-HEAD", b"/api/x", two, method=b"HEAD", body=b"hi")
    yield ask(
        "body/chunked-upper-case",
        b"/api/x",
        b"Transfer-Encoding: Chunked",
        method=b"POST",
        body=chunks(b"hi"),
    )
    form = b"Content-Type: application/x-www-form-urlencoded"
    yield ask("body/form", b"/api/x", form, b"Content-Length: 7", method=b"POST", body=b"a=1&b=2")
    yield ask("body/just-over-the-limit", b"/api/x", b"Content-Length: 104857601", method=b"POST")
    yield ask("body/over-the-limit", b"/api/x", b"Content-Length: 999999999999", method=b"POST")
    yield ask("body/to-a-kept-route", b"/_matrix/x", two, method=b"PUT", body=b"hi")


def expectations() -> Iterator[Case]:
    """`Expect: 100-continue`: the body is sent once somebody asks for it."""
    head = (
        b"POST /api/x HTTP/1.1\r\nHost: app.example.test\r\n"
        b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    asked = Script(when_expected=b"HTTP/1.1 100 Continue\r\n\r\n")
    yield Case("expect/upstream-says-100", head, asked, (b"POST",), then=b"hello")
    yield Case("expect/upstream-says-nothing", head, Script(), (b"POST",), then=b"hello")
    yield ask("expect/something-else", b"/api/x", b"Expect: 200-maybe")
    yield ask("expect/without-a-body", b"/api/x", b"Expect: 100-continue")

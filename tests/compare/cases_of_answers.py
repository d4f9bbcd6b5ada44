"""Answers of the upstream: statuses, redirects, fields, bodies, and broken ones."""

from collections.abc import Iterator

from tests.compare.case import Case, answer, ask, chunks, ok
from tests.compare.recorder import Script

_STATUSES = (
    b"200 OK|201 Created|202 Accepted|203 Non-Authoritative Information|206 Partial Content|"
    b"300 Multiple Choices|400 Bad Request|401 Unauthorized|403 Forbidden|404 Not Found|"
    b"405 Method Not Allowed|409 Conflict|410 Gone|418 I'm a teapot|422 Unprocessable Entity|"
    b"429 Too Many Requests|451 Unavailable For Legal Reasons|500 Internal Server Error|"
    b"501 Not Implemented|502 Bad Gateway|503 Service Unavailable|504 Gateway Timeout|"
    b"299 Own|599 Own"
).split(b"|")


def statuses() -> Iterator[Case]:
    """Every status of the upstream reaches the client with its own body."""
    for status in _STATUSES:
        script = answer(b"HTTP/1.1 " + status, b"Content-Length: 4", body=b"body")
        yield ask(f"status/{status[:3].decode()}", script=script)
    for status in (b"204 No Content", b"304 Not Modified"):
        number = status[:3].decode()
        yield ask(f"status/{number}", script=answer(b"HTTP/1.1 " + status, b'ETag: "a"'))
    not_modified = answer(b"HTTP/1.1 304 Not Modified", b'ETag: "a"', b"Content-Length: 99")
    yield ask("status/304-with-length", script=not_modified)
    yield ask("status/204-with-length", script=answer(b"HTTP/1.1 204 X", b"Content-Length: 0"))
    yield ask("status/205", script=answer(b"HTTP/1.1 205 Reset Content", b"Content-Length: 0"))
    yield ask("status/odd-reason", script=answer(b"HTTP/1.1 200 So it is!", b"Content-Length: 0"))
    yield ask("status/no-reason", script=answer(b"HTTP/1.1 200 ", b"Content-Length: 0"))
    yield ask("status/no-reason-no-blank", script=answer(b"HTTP/1.1 200", b"Content-Length: 0"))
    yield ask("status/1.0", script=answer(b"HTTP/1.0 200 OK", b"Content-Length: 2", body=b"ok"))
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    yield ask("status/103-first", script=Script(interim=early))
    yield ask("status/100-unasked", script=Script(interim=b"HTTP/1.1 100 Continue\r\n\r\n"))


_REDIRECTS = {
    "root-relative": b"/login?next=%2F",
    "under-the-prefix": b"/api/login",
    "relative": b"login",
    "upstream-absolute": b"http://127.0.0.1:UPSTREAM/login",
    "own-host": b"http://app.example.test/login",
    "foreign": b"https://id.example.test/login",
    "scheme-relative": b"//id.example.test/login",
    "query-only": b"?a=1",
}


def redirects() -> Iterator[Case]:
    """Locations and cookies on a stripped and on a kept route."""
    for name, location in _REDIRECTS.items():
        script = answer(b"HTTP/1.1 302 Found", b"Location: " + location, b"Content-Length: 0")
        yield ask(f"location/stripped/{name}", b"/api/a", script=script)
        yield ask(f"location/kept/{name}", b"/_matrix/a", script=script)
    for status in (b"301", b"303", b"307", b"308"):
        script = answer(
            b"HTTP/1.1 %b See" % status, b"Location: https://a.test/", b"Content-Length: 0"
        )
        yield ask(f"location/{status.decode()}", script=script)
    for name, cookie in {
        "plain": b"a=1",
        "root": b"a=1; Path=/; HttpOnly; Secure; SameSite=Lax",
        "path": b"a=1; Path=/sub; Max-Age=10",
        "under-the-prefix": b"a=1; path=/api/x",
        "domain": b"a=1; Domain=example.test",
        "expires": b"a=1; Expires=Mon, 01 Jan 2024 00:00:00 GMT",
    }.items():
        yield ask(f"cookie/stripped/{name}", script=ok(b"Set-Cookie: " + cookie))
    yield ask("cookie/kept/root", b"/grafana/login", script=ok(b"Set-Cookie: a=1; Path=/"))
    yield ask("cookie/two", script=ok(b"Set-Cookie: a=1", b"Set-Cookie: b=2"))


_ANSWER_FIELDS: dict[str, tuple[bytes, ...]] = {
    "repeated": (b"X-A: 1", b"X-B: 2", b"X-A: 3"),
    "link-twice": (b"Link: </a>; rel=x", b"Link: </b>; rel=y"),
    "empty-value": (b"X-Empty:",),
    "odd-name": (b"X!#$%&'*+.^`|~: odd",),
    "underscore-name": (b"X_Under: kept",),
    "obs-text": (b"X-Text: caf\xe9",),
    "server-and-date": (b"Server: origin/1", b"Date: Mon, 01 Jan 2024 00:00:00 GMT"),
    "cache": (b'ETag: "abc"', b"Cache-Control: max-age=60", b"Vary: Accept, Origin", b"Age: 3"),
    "last-modified": (b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", b"Accept-Ranges: bytes"),
    "expires": (b"Expires: Mon, 01 Jan 2024 00:00:00 GMT",),
    "gzip": (b"Content-Encoding: gzip",),
    "disposition": (b'Content-Disposition: attachment; filename="a.txt"',),
    "cors": (b"Access-Control-Allow-Origin: *", b"Access-Control-Expose-Headers: X-A"),
    "challenge": (b'WWW-Authenticate: Basic realm="a"', b"WWW-Authenticate: Bearer"),
    "keep-alive": (b"Connection: keep-alive", b"Keep-Alive: timeout=5, max=100"),
    "connection-close": (b"Connection: close",),
    "connection-names-a-field": (b"Connection: X-Drop", b"X-Drop: me"),
    "upgrade-offered": (b"Upgrade: h2c", b"Connection: Upgrade"),
    "via": (b"Via: 1.1 inner",),
    "own-security": (b"X-Frame-Options: SAMEORIGIN", b"X-Content-Type-Options: nosniff"),
    "own-referrer-policy": (b"Referrer-Policy: no-referrer",),
    "hsts": (b"Strict-Transport-Security: max-age=60",),
    "refresh": (b"Refresh: 5; url=/next",),
    "content-location": (b"Content-Location: /x.json",),
    "request-id": (b"X-Request-Id: of-the-upstream",),
    "accel-buffering": (b"X-Accel-Buffering: no",),
    "accel-redirect": (b"X-Accel-Redirect: /healthz",),
    "long": (b"X-Long: " + b"v" * 3000,),
    "longer-than-a-page": (b"X-Long: " + b"v" * 9000,),
}


def answers() -> Iterator[Case]:
    """What becomes of the fields and bodies of an answer."""
    for name, lines in _ANSWER_FIELDS.items():
        yield ask(f"answer/{name}", script=ok(*lines))
    first = b"HTTP/1.1 200 OK"
    chunked = b"Transfer-Encoding: chunked"
    yield ask("answer/chunked", script=answer(first, chunked, body=chunks(b"hello", b"world")))
    yield ask("answer/chunked-empty", script=answer(first, chunked, body=chunks()))
    yield ask(
        "answer/chunked-extension",
        script=answer(first, chunked, body=chunks(b"a", extension=b";x=y")),
    )
    trailed = answer(first, chunked, b"Trailer: X-Sum", body=chunks(b"a", trailers=b"X-Sum: 1\r\n"))
    yield ask("answer/trailers", script=trailed)
    yield ask(
        "answer/trailers-wanted", b"/api/x", b"TE: trailers", b"Connection: TE", script=trailed
    )
    yield ask("answer/until-close", script=answer(first, b"X-A: 1", body=b"to the end", close=True))
    yield ask("answer/empty-until-close", script=answer(first, close=True))
    yield ask("answer/length-0", script=ok(body=b""))
    yield ask("answer/length-100000", script=ok(body=b"abcde" * 20000))
    yield ask(
        "answer/HEAD-with-length", method=b"HEAD", script=answer(first, b"Content-Length: 99")
    )
    yield ask("answer/HEAD-chunked", method=b"HEAD", script=answer(first, chunked))
    yield ask("answer/HEAD-nothing", method=b"HEAD", script=answer(first))
    big = chunks(*[b"q" * 10_000] * 20)
    yield ask("answer/chunked-200000", script=answer(first, chunked, body=big))


def broken_answers() -> Iterator[Case]:
    """An upstream that does not keep the rules."""
    first, two = b"HTTP/1.1 200 OK", b"Content-Length: 2"
    yield ask("broken/closes-at-once", script=Script(b"", close=True))
    yield ask("broken/resets", script=Script(reset=True))
    yield ask("broken/half-a-head", script=Script(b"HTTP/1.1 200 OK\r\nContent-Le", close=True))
    yield ask("broken/no-http", script=Script(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True))
    yield ask("broken/status-word", script=answer(b"HTTP/1.1 OK", two, body=b"ok", close=True))
    yield ask(
        "broken/two-lengths",
        script=answer(first, two, b"Content-Length: 3", body=b"okk", close=True),
    )
    yield ask("broken/same-length-twice", script=answer(first, two, two, body=b"ok", close=True))
    yield ask(
        "broken/length-and-chunked",
        script=answer(first, two, b"Transfer-Encoding: chunked", body=chunks(b"ok"), close=True),
    )
    yield ask(
        "broken/length-no-number",
        script=answer(first, b"Content-Length: two", body=b"ok", close=True),
    )
    yield ask(
        "broken/blank-before-colon", script=answer(first, b"X-A : 1", two, body=b"ok", close=True)
    )
    yield ask("broken/nul", script=answer(first, b"X-A: a\x00b", two, body=b"ok", close=True))
    yield ask("broken/folded", script=answer(first, b"X-A: a", b" b", two, body=b"ok", close=True))
    yield ask(
        "broken/bare-line-feeds",
        script=Script(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", close=True),
    )
    yield ask(
        "broken/too-few-bytes", script=answer(first, b"Content-Length: 9", body=b"ok", close=True)
    )
    yield ask("broken/too-many-bytes", script=answer(first, two, body=b"okay", close=True))
    chunked = b"Transfer-Encoding: chunked"
    yield ask(
        "broken/no-last-chunk", script=answer(first, chunked, body=b"2\r\nok\r\n", close=True)
    )
    yield ask(
        "broken/bad-chunk-size", script=answer(first, chunked, body=b"zz\r\nok\r\n", close=True)
    )
    yield ask(
        "broken/unasked-101",
        script=answer(
            b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x", b"Connection: Upgrade", close=True
        ),
    )

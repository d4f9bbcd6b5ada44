"""The rules of the wire, by the short names that samples, tests and mutants carry.

A sample's id begins with the name of its rule, other tests have it in their own name
(``test_client_walk``). The lists of mutants say for each rule which test fails without it;
``python -m tests.wire.mutants host`` shows it. What only a clock, a socket or a route can
decide is tested in ``tests/front`` and stands in `DECIDED_BY_FRONT`, so that nothing is
forgotten between them.
"""

from typing import Final

REQUESTS: Final = {
    "length-and-coding": "Content-Length together with Transfer-Encoding: 400",
    "content-length": "two, a list, a sign, inner blanks, non-digits, overflow: 400",
    "coding-in-1.0": "Transfer-Encoding in HTTP/1.0: 400",
    "other-coding": "last coding not chunked, or unknown: 501; identity: 400",
    "chunk-size": "sign, 0x, blanks, over 16 digits, bare LF, data without CRLF: 400",
    "chunk-extension": "accepted up to 256 bytes, never forwarded",
    "line-end": "bare LF or CR, NUL or other control byte: 400",
    "field-line": "blank before the colon, empty or non-token name, folded line: 400",
    "host": "none in 1.1, two, no valid authority: 400",
    "absolute-form": "http and https, authority agrees with Host, forwarded in origin-form",
    "target-bytes": "below 0x21, 0x7f and above, or #: 400",
    "asterisk": "only with OPTIONS; Max-Forwards counted down on OPTIONS",
    "connect-trace": "405",
    "method": "any other token, its case kept",
    "version": "1.0 and 1.1, other 1.x as 1.1, anything else 505 or 400",
    "expect": "100-continue is told apart from other expectations, and forwarded",
    "pipelined": "in order, one at a time, what is read ahead is countable",
    "http-1.0": "kept alive only when asked for, Host not needed, no Expect passed on",
    "size": "request line over 16 KiB: 414; head over 64 KiB or over 200 fields: 431",
    "blank-lines": "up to two empty lines before a request line are ignored",
}

PASSAGE: Final = {
    "hop-by-hop": "Connection and its kin are removed, TE kept as trailers only",
    "connection-names": "what Connection names goes, but never Host, length or our own",
    "identity": "the identity family of an untrusted peer is stripped, and Proxy",
    "certificates": "where the gateway asks clients for one, it alone tells of it upstream",
    "underscore": "names with an underscore are dropped unless the route keeps them",
    "client-walk": "X-Forwarded-For from the right past trusted addresses",
    "request-id": "a trusted peer's well-formed id is kept",
    "via": "Via: 1.1 daarion is added; our own again is a loop",
    "order": "order, case and repetition of all other fields stay",
    "trailers": "pass when the receiver said so, without framing, routing and auth",
}

ANSWERS: Final = {
    "informational": "relayed, never final; 101 only if we asked",
    "no-body": "204, 304, HEAD: no body; lengths stripped from 1xx and 204",
    "until-close": "a body that the close ends, and then no reuse",
    "ambiguous-answer": "two lengths, length with coding, bad line, NUL, CR, fold, size: 502",
    "cut-short": "fewer bytes than declared, broken chunking, close in mid-body: broken",
    "excess": "more bytes than declared, or when idle: never reused",
}

WEBSOCKET: Final = {
    "recognised": "GET, 1.1, Upgrade and Connection tokens, a key of 16 bytes",
    "websocket-version": "other than 13: 426",
    "offers": "subprotocols and extensions as RFC 6455 writes them, each once: else 400",
    "wrong-101": "one subprotocol, a token; readable extensions: else 502",
    "origins": "same is the Host's, a default port said or not",
    "other-upgrade": "any other upgrade token is dropped, the request goes on",
    "frames": "masks, control frames, reserved bits, opcodes: 1002",
    "between-frames": "a frame of ours goes out only between frames",
}

ROUTES: Final = {
    "strip": "the literal prefix is cut off, the rest stays byte for byte",
    "relocate": "places in answers are put back under the prefix",
    "normal": "matching on decoded unreserved characters without dot segments",
    "security-fields": "added to answers, never twice",
    "strict-transport": "over TLS and where it is asked for: the gateway's, once",
}

HTTP2: Final = {
    "h2-compression": "RFC 7541: tables, integers, Huffman code, sizes; else COMPRESSION_ERROR",
    "h2-frames": "preface, sizes, padding, settings, header blocks whole: else the connection ends",
    "h2-streams": "which frame may stand on which stream; bodies as long as declared",
    "h2-windows": "no window is overdrawn by either side, and each is opened as bodies are taken",
    "h2-fields": "pseudo-fields, lower-case tokens, nothing of a connection, cookies joined",
    "h2-floods": "what brings nothing is paid for: resets, pings, settings, empty frames",
}

ALL: Final = REQUESTS | PASSAGE | ANSWERS | WEBSOCKET | ROUTES | HTTP2

# Rows, or halves of rows, that need a clock, a socket or a route.
DECIDED_BY_FRONT: Final = (
    "OPTIONS * is answered 204; Max-Forwards: 0 is answered by the gateway",
    "Expect: limits and policies first, our own 100 after 1 s, 417",
    "pipelined: reading stops at the bound",
    "HTTP/1.0: never chunked",
    "head not complete within 10 s: 408",
    "body slower than 64 B/s for 30 s: 408",
    "a loop is answered 508",
    "body ended by close: chunked to 1.1, close to 1.0",
    "final answer before the request body is complete",
    "pooled connection dies before the first byte",
    "client goes away",
    "refusal sent to a client that is still sending",
    "nothing but the head goes upstream before 101; early bytes are kept",
    "a refused upgrade is relayed and the connection is HTTP again",
    "a dead side becomes 1001 or 1011 on the other",
)

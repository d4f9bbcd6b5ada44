"""Writes the corpus anew from the samples of tests/wire: ``python -m tests.fuzz.seeds``.

Each input is a file named after its content. What a run found stays: it is in ``found``.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hpack

from daarion_gw.wire import http2_frames as h2
from tests.wire.answer_samples import ANSWER_SAMPLES
from tests.wire.body_samples import BODY_SAMPLES
from tests.wire.http2_played import GET, POST, block, data, headers
from tests.wire.request_samples import REQUEST_SAMPLES
from tests.wire.test_frames import BAD, GOOD
from tests.wire.test_proxy_header import HEADERS, NONE_OF_THEM

CORPUS: Final = Path(__file__).parent / "corpus"
FOUND: Final = Path(__file__).parent / "found"
# Longer ones only make every input that is bred from them slow.
LONGEST: Final = 600
_METHODS: Final = {b"GET": 0, b"HEAD": 1, b"POST": 2, b"CONNECT": 3}


def requests() -> Iterator[bytes]:
    for sample in (*REQUEST_SAMPLES, *BODY_SAMPLES):
        yield b"\x01" + sample.raw


def answers() -> Iterator[bytes]:
    for sample in ANSWER_SAMPLES:
        kind = _METHODS.get(sample.method, 0) | sample.upgrade << 2 | sample.ended << 3
        yield bytes([kind, 1]) + sample.raw


def frames() -> Iterator[bytes]:
    yield from (b"\x01\x01" + raw for raw in GOOD.values())
    yield from (b"\x01\x01" + before + bad for before, bad in BAD.values())


def http2() -> Iterator[bytes]:
    other = h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block(GET)[5:])
    for raw in (
        headers(),
        headers(1, POST, h2.END_HEADERS) + data(1, b"body", h2.END_STREAM),
        headers(1, [*POST, ("content-length", "4")], h2.END_HEADERS) + data(1, b"bo") + data(1),
        headers(1, POST, h2.END_HEADERS) + headers(1, [("x-t", "1")]),
        h2.frame(h2.HEADERS, h2.END_STREAM, 1, block(GET)[:5]) + other,
        headers() + h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08") + headers(3),
        headers() + h2.window_update(1, 5) + h2.window_update(0, 5),
        h2.frame(h2.PING, 0, 0, b"12345678") + h2.frame(h2.GOAWAY, 0, 0, bytes(8)),
        h2.settings(initial_window_size=5) + h2.frame(h2.PRIORITY, 0, 1, bytes(5)),
        headers(1, [*GET, ("cookie", "a=b"), ("cookie", "c=d"), ("te", "trailers")]),
        h2.frame(h2.DATA, h2.PADDED, 1, b"\x02ab\0\0"),
    ):
        yield b"\x01\x01" + raw


def header_blocks() -> Iterator[bytes]:
    for lists in ([GET, GET], [POST, [("x-a", "1"), ("x-b", "2")], [("x-b", "2")]]):
        encoder = hpack.Encoder()
        yield b"".join(bytes([len(each)]) + each for each in map(encoder.encode, lists))
    yield b"\x06\x20\x3f\xe1\x1f\x82\x84\x05\x40\x01a\x01b\x01\xbe"


def proxy_headers() -> Iterator[bytes]:
    yield from (*HEADERS, *NONE_OF_THEM)


ALL: Final = {
    "requests": requests,
    "answers": answers,
    "frames": frames,
    "http2": http2,
    "header_blocks": header_blocks,
    "proxy_headers": proxy_headers,
}


def main() -> None:
    for name, inputs in ALL.items():
        folder = CORPUS / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for raw in inputs():
            if len(raw) <= LONGEST:
                (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)


if __name__ == "__main__":
    main()

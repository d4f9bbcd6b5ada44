"""Requests, peers and passages that several tests speak of."""

import ipaddress

from daarion_gw.wire.client import Peer, Trust
from daarion_gw.wire.limits import DEFAULT
from daarion_gw.wire.passage import Passage, forwarding, request_bytes
from daarion_gw.wire.request import Known, RequestHead, parse_head
from tests.wire.sample import head

TRUST = Trust([ipaddress.ip_network("10.0.0.0/8")])
STRANGER = Peer(b"192.0.2.7", TRUST, b"http")
PROXY = Peer(b"10.0.0.1", TRUST, b"http")
WHOLE = Passage(b"", b"", b"127.0.0.1:3000", b"ab12")
API = Passage(b"/api/", b"", b"127.0.0.1:8000", b"ab12")


def parse(*lines: bytes, known: Known | None = None) -> RequestHead:
    return parse_head(head(*lines)[:-2], DEFAULT, known or Known())


def get(*fields: bytes, line: bytes = b"GET /api/x HTTP/1.1") -> RequestHead:
    return parse(line, b"Host: a", *fields)


def sent(
    request: RequestHead,
    peer: Peer = STRANGER,
    passage: Passage = WHOLE,
    upgrade: bool = False,
) -> list[bytes]:
    """The lines that go upstream."""
    made = forwarding(request, peer, passage)
    raw = request_bytes(request, passage.target(request.target), made, b"id-1234567", upgrade)
    assert raw.endswith(b"\r\n\r\n")
    return raw[:-4].split(b"\r\n")

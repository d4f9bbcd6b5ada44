"""What the log says about clients that do not speak TLS."""

from twisted.internet.address import IPv4Address
from twisted.logger import LogLevel, globalLogPublisher

from daarion_gw.tls.scans import INTERVAL, Scans

PEER = IPv4Address("TCP", "192.0.2.7", 5)


def test_one_line_for_many():
    events = []
    now = [0.0]
    scans = Scans(clock=lambda: now[0])
    globalLogPublisher.addObserver(events.append)
    try:
        for _ in range(100):
            scans.saw(PEER, "unknown protocol")
        now[0] += INTERVAL
        scans.saw(PEER, "it speaks plain HTTP")
    finally:
        globalLogPublisher.removeObserver(events.append)
    lines = [event["log_format"].format(**event) for event in events if "why" in event]
    assert lines == [
        "no TLS with 192.0.2.7: unknown protocol",
        "no TLS with 192.0.2.7: it speaks plain HTTP (and 99 more before it)",
    ]
    assert {event["log_level"] for event in events if "why" in event} == {LogLevel.debug}

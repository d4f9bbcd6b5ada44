"""A proxy that does less than it should gets no figure; ratios are those of the rounds."""

import pytest

from bench.origin import Origin
from bench.raw_client import BrokenError
from bench.table import ratio, verdicts

HOST = "127.0.0.1:5000"


def a_line(number: int, **changed: str) -> str:
    fields = {
        "status": "200",
        "uri": "/small",
        "host": HOST,
        "real_ip": "127.0.0.1",
        "chain": "127.0.0.1",
        "proto": "http",
        "forwarded_host": HOST,
        "request_id": f"request-{number:08d}",
    }
    return "\t".join((fields | changed).values()) + "\n"


def an_origin(folder, lines: list[str]) -> Origin:
    (folder / "requests.log").write_text("".join(lines))
    return Origin(0, 0, folder, [], patience=0.5)


def test_honest_requests_pass(tmp_path):
    origin = an_origin(tmp_path, [a_line(number) for number in range(5)])
    origin.check_requests("/small", 5, 5, HOST)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([a_line(1)], "saw 1 requests"),
        ([a_line(1), a_line(2), a_line(3)], "saw 3 requests"),
        ([a_line(1), a_line(1)], "1 request ids"),
        ([a_line(1), a_line(2, real_ip="-")], "without all its fields"),
        ([a_line(1), a_line(2, proto="-")], "without all its fields"),
        ([a_line(1), a_line(2, host="origin")], "without all its fields"),
        ([a_line(1), a_line(2, request_id="-")], "without all its fields"),
        ([a_line(1), a_line(2, uri="/bench/small")], "without all its fields"),
    ],
)
def test_a_proxy_that_does_less_gets_no_figure(tmp_path, lines, why):
    with pytest.raises(BrokenError, match=why):
        an_origin(tmp_path, lines).check_requests("/small", 2, 2, HOST)


def test_a_ratio_is_the_median_of_the_rounds():
    assert ratio([2.0, 3.0, 40.0], [1.0, 1.0, 20.0]) == 2.0


def test_verdicts_say_what_is_met_and_what_is_behind():
    rounds = {
        "nginx tuned": [1.0] * 3,
        "nginx old": [4.0] * 3,
        "daarion-gw": [2.3] * 3,
        "nginx tuned, log on": [1.0] * 3,
        "daarion-gw, log on": [3.0] * 3,
    }
    text, met = verdicts({"small GET": rounds}, "first")
    assert "| small GET | daarion-gw | nginx tuned | 2.30 | 2.2 | behind |" in text
    assert "| small GET | daarion-gw | nginx old | 0.57 | 0.6 | PASS |" in text
    assert "| small GET | daarion-gw, log on | nginx tuned, log on | 3.00 | - |  |" in text
    assert not met


def test_what_is_met_is_met():
    rounds = {"nginx tuned": [1.0] * 3, "nginx streaming": [1.0] * 3, "daarion-gw": [0.8] * 3}
    _, met = verdicts({"100 MB answer": rounds}, "first")
    assert met


def test_a_missing_gateway_meets_nothing():
    text, met = verdicts({"small GET": {"nginx tuned": [1.0]}}, "first")
    assert "missing" in text
    assert not met

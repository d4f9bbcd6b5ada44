"""The gateway beside the nginx that it takes the place of: the same requests through both.

What the upstream sees and what the client gets is equal, but for what differences.yaml lists
with a reason. A difference that is not listed fails, and so does one that no longer occurs.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.compare.cases import all_cases
from tests.compare.differences import Difference, Listed, compare, judge, read_list
from tests.compare.facets import Facets, facets_of
from tests.compare.proxies import UPSTREAMS, gateway, nginx
from tests.compare.recorder import Recorder

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    upstreams = Recorder(UPSTREAMS)
    upstreams.start()
    yield upstreams
    upstreams.stop()


def run_all(port: int, recorder: Recorder, only: str = "*") -> dict[str, Facets]:
    return {
        case.name: facets_of(case, port, recorder)
        for case in all_cases()
        if fnmatchcase(case.name, only)
    }


@pytest.fixture(scope="module")
def beside_nginx(recorder, tmp_path_factory) -> dict[str, Facets]:
    with nginx(tmp_path_factory.mktemp("nginx") / "run", recorder) as port:
        return run_all(port, recorder)


def all_differences(left: dict[str, Facets], right: dict[str, Facets]) -> list[Difference]:
    return [each for name in right for each in compare(name, left[name], right[name])]


def told(unlisted: list[Difference]) -> str:
    return "\n".join(str(each) for each in unlisted)


def test_there_are_enough_cases_and_each_has_its_own_name():
    names = [case.name for case in all_cases()]
    assert len(names) >= 200
    assert len(set(names)) == len(names)


def test_nginx_beside_itself_does_not_differ(beside_nginx, recorder, tmp_path):
    with nginx(tmp_path / "run", recorder) as port:
        again = run_all(port, recorder)
    assert told(all_differences(beside_nginx, again)) == ""


@pytest.mark.parametrize(
    ("changed", "cases", "facet"),
    [
        ("proxy_hide_header X-A;", "answer/repeated", "client/field/x-a"),
        ("add_header X-More 1 always;", "method/*", "client/field/x-more"),
        ("proxy_pass_request_headers off;", "field/*", "upstream/field/cookie"),
        ("client_max_body_size 1k;", "body/length-*", "client/status"),
        ("merge_slashes off;", "path/stripped/*", "upstream/line"),
        ("keepalive_requests 1;", "method/GET", "client/connection-after"),
        ("chunked_transfer_encoding off;", "answer/chunked", "client/framing"),
    ],
)
def test_a_change_of_behaviour_is_seen(beside_nginx, recorder, tmp_path, changed, cases, facet):
    with nginx(tmp_path / "run", recorder, changed) as port:
        other = run_all(port, recorder, cases)
    assert facet in {each.facet for each in all_differences(beside_nginx, other)}


def test_the_gateway_differs_only_where_it_is_written_down(beside_nginx, recorder, tmp_path):
    with gateway(tmp_path / "run", recorder) as port:
        ours = run_all(port, recorder)
    unlisted, stale = judge(all_differences(beside_nginx, ours), read_list())
    assert told(unlisted) == "", f"{len(unlisted)} differences are not listed"
    assert stale == [], "these listed differences no longer occur"


def test_a_listed_difference_covers_only_what_it_says():
    found = [
        Difference("a/1", "client/2/field/server", "nginx/1.22.1", "(absent)"),
        Difference("b/1", "client/status", "200", "400"),
    ]
    entries = [
        Listed("client/field/server", ("a/*", "c/*"), "passed through", nginx="^nginx"),
        Listed("client/status", ("b/1",), "stricter", gateway="^404"),
    ]
    unlisted, stale = judge(found, entries)
    assert unlisted == [found[1]]
    assert stale == ["client/field/server: c/* (passed through)", "client/status: b/1 (stricter)"]


def test_every_listed_difference_has_its_reason():
    listed = read_list()
    assert listed
    for entry in listed:
        assert len(entry.reason) >= 15, entry

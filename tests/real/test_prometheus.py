"""Prometheus' web pages in Chromium under `/prometheus/`, prefix kept and prefix cut off."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.real.browser import Page, chromium, new_page
from tests.real.installed import need_program
from tests.real.plain_http import ask
from tests.real.proxies import Proxy
from tests.real.running import answers, free_port, running, until

# In front of "kept" Prometheus answers under the prefix, in front of "stripped" at its root; in
# both cases it writes links that begin with the prefix.
FLAGS = {
    "kept": ["--web.external-url=/prometheus/"],
    "stripped": ["--web.external-url=/prometheus/", "--web.route-prefix=/"],
}


@pytest.fixture(scope="module", params=["kept", "stripped"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, module_proxy
) -> Iterator[Proxy]:
    """The proxy with a Prometheus behind `/prometheus/` that watches itself."""
    program = need_program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    kept = request.param == "kept"
    inside = f"http://127.0.0.1:{port}" + ("/prometheus" if kept else "")
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(watch_itself(port, "/prometheus/metrics" if kept else "/metrics")))
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *FLAGS[request.param],
    ]
    with running(argv, folder / "log", ready=lambda: answers(f"{inside}/-/ready")):
        until(lambda: has_samples(inside), 20, "Prometheus has scraped itself")
        route = {"to": f"http://127.0.0.1:{port}", "strip_prefix": not kept}
        yield module_proxy({"/prometheus/": route})


def watch_itself(port: int, path: str) -> dict[str, object]:
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "itself",
                "metrics_path": path,
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
            }
        ],
    }


def has_samples(base: str) -> bool:
    # As of two seconds ago: a browser asks for times a little in the past.
    answer = ask("GET", f"{base}/api/v1/query?query=up%20offset%202s").json()
    return [sample["value"][1] for sample in answer["data"]["result"]] == ["1"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as url:
        yield url


@pytest.fixture
def page(browser: str) -> Iterator[Page]:
    with new_page(browser) as page:
        yield page


# Debian ships popper.js as an ES module that the pages load as a plain script: it and Bootstrap's
# tooltips fail without any proxy as well, and the pages do without them.
BROKEN_IN_DEBIAN = re.compile(
    r"exception: (SyntaxError: .* at .*/popper(\.min)?\.js|TypeError: Bootstrap's tooltips require)"
)


def assert_all_went_well(page: Page, front: Proxy) -> None:
    assert [bad for bad in page.failures() if not BROKEN_IN_DEBIAN.match(bad)] == []
    asked = [url for _, url in page.statuses if not url.startswith("data:")]
    assert len(asked) > 5, asked
    # Nothing went around the proxy, and nothing left the prefix.
    assert [url for url in asked if not url.startswith(f"{front.url}/prometheus/")] == []


def test_the_front_page_leads_to_the_graph_page(front: Proxy, page: Page) -> None:
    page.go(f"{front.url}/prometheus/")
    page.wait_for("document.querySelector('.execute_btn') !== null")
    assert page.run("location.pathname").startswith("/prometheus/")
    assert page.run("document.title").startswith("Prometheus")
    assert_all_went_well(page, front)


def test_the_graph_page_shows_a_querys_result(front: Proxy, page: Page) -> None:
    page.go(f"{front.url}/prometheus/classic/graph?g0.expr=up&g0.tab=1")
    # Until the answer is there the table says "no data".
    page.wait_for("/job=.itself./.test(document.querySelector('.console table')?.innerText)")
    assert_all_went_well(page, front)


def test_the_graph_page_draws_a_graph(front: Proxy, page: Page) -> None:
    page.go(f"{front.url}/prometheus/classic/graph?g0.expr=up&g0.tab=0&g0.range_input=1m")
    drawn = page.wait_for("document.querySelector('.rickshaw_graph svg path')?.getAttribute('d')")
    assert drawn.startswith("M")
    assert_all_went_well(page, front)


@pytest.mark.parametrize("name", ["targets", "status", "config", "rules", "flags"])
def test_the_other_pages_load_whole(front: Proxy, page: Page, name: str) -> None:
    page.go(f"{front.url}/prometheus/classic/{name}")
    page.wait_for("document.readyState === 'complete' && document.querySelector('nav') !== null")
    assert_all_went_well(page, front)

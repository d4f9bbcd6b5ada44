"""The stand-ins' pages in real Chromium: assets, forms, cookies and live WebSockets.

`pages` says where they are: once each the stand-ins themselves, with nothing between, and
behind the gateway, so that a fault can be told from one of the page's own.
"""

import json

import pytest
from selenium.webdriver.common.by import By

SHAPES = {"desk": {"width": 1280}, "phone": {"width": 360, "height": 780, "dark": True}}


@pytest.fixture(params=["alone", "gateway"])
def pages(request):
    """{upstream name: the address of its page}."""
    if request.param == "gateway":
        gateway = request.getfixturevalue("gateway").url
        paths = {"microdao-ws": "ws/", "grafana": "grafana/", "prometheus": "prometheus/"}
        return {name: gateway + path for name, path in paths.items()}
    urls = request.getfixturevalue("start_site")().urls
    return {name: urls[name] + "/" for name in ("microdao-ws", "grafana", "prometheus")}


def text(window, selector):
    return window.find_element(By.CSS_SELECTOR, selector).text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["microdao-ws", "grafana", "prometheus"])
def test_pages_are_whole(browser, pages, screenshot, eventually, name, shape):
    window = browser(**SHAPES[shape])
    window.get(pages[name])
    state = {"microdao-ws": "open", "grafana": "live", "prometheus": "1 series"}[name]
    eventually(lambda: text(window, "#state").startswith(state))
    screenshot(window, f"{name}-{shape}")
    wide, room = window.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= room
    assert [
        entry for entry in window.get_log("browser") if "/api/user" not in entry["message"]
    ] == []


def test_the_console_talks(browser, pages, eventually):
    window = browser()
    window.get(pages["microdao-ws"])
    eventually(lambda: text(window, "#state").startswith("open"))
    window.find_element(By.ID, "text").clear()
    window.find_element(By.ID, "text").send_keys("привіт")
    window.find_element(By.CSS_SELECTOR, "button.first").click()
    eventually(lambda: text(window, "#log") == "→ привіт\n← привіт")
    window.find_element(By.ID, "clock").click()
    last = eventually(lambda: text(window, "#log").split("\n← ")[2:])[0]
    assert json.loads(last)["time"].endswith("Z")


def test_grafana_s_number_moves_and_its_login_lasts(browser, pages, eventually):
    window = browser()
    window.get(pages["grafana"])
    first = eventually(lambda: text(window, "#value") not in ("–", "") and text(window, "#value"))
    eventually(lambda: text(window, "#value") != first)
    eventually(lambda: window.find_elements(By.LINK_TEXT, "log in"))
    window.find_element(By.LINK_TEXT, "log in").click()
    window.find_element(By.ID, "user").send_keys("olena")
    window.find_element(By.TAG_NAME, "button").click()
    eventually(lambda: window.find_elements(By.LINK_TEXT, "log out"))
    assert text(window, "#user") == "olena · log out"
    assert window.get_cookie("grafana_session")["path"] == "/grafana/"


def test_prometheus_answers_a_query(browser, pages, eventually):
    window = browser()
    window.get(pages["prometheus"])
    eventually(lambda: 'job="stand-in"' in text(window, "#rows"))
    field = window.find_element(By.ID, "expression")
    field.clear()
    field.send_keys("down")
    window.find_element(By.TAG_NAME, "button").click()
    eventually(lambda: "knows only the query up" in text(window, "#state"))

"""The start page in real Chromium: on a desk and on a phone, light and dark, alive."""

import pytest
from selenium.webdriver.common.by import By

SHAPES = {
    "desk-light": {"width": 1280},
    "desk-dark": {"width": 1280, "dark": True, "lang": "uk"},
    "phone-light": {"width": 360, "height": 780, "lang": "uk"},
    "phone-dark": {"width": 360, "height": 780, "dark": True},
}


def texts(window, selector):
    return [element.text for element in window.find_elements(By.CSS_SELECTOR, selector)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("trusted", [True, False])
def test_it_fits_and_complains_of_nothing(browser, start_site, screenshot, shape, trusted):
    site = start_site(trusted=trusted, down=["rag-service"])
    window = browser(**SHAPES[shape])
    window.get(site.url)
    screenshot(window, f"start-{shape}-{'trusted' if trusted else 'stranger'}")
    assert len(texts(window, "li")) == 8
    wide, room = window.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= room
    assert window.get_log("browser") == []


def test_it_keeps_itself_fresh(browser, start_site, eventually):
    site = start_site()
    window = browser()
    window.get(site.url)
    assert texts(window, ".count") == ["8 of 8 answer now"]
    site.tell("stop grafana")
    eventually(lambda: texts(window, ".count") == ["7 of 8 answer now"])
    assert texts(window, "li.down .path") == ["/grafana/"]
    assert texts(window, "li.down .word") == ["No answer"]
    assert texts(window, "li.down .detail") == ["refused the connection"]
    assert window.get_log("browser") == []


def test_it_says_when_the_gateway_is_gone(browser, start_site, eventually):
    site = start_site()
    window = browser()
    window.get(site.url)
    assert texts(window, ".lost") == [""]
    site.stop()
    eventually(lambda: "The gateway itself does not answer" in texts(window, ".lost")[0])


def test_it_rests_while_nobody_looks(browser, start_site, eventually):
    site = start_site()
    window = browser()
    window.get(site.url)
    asked = "return performance.getEntriesByType('resource').length"
    eventually(lambda: window.execute_script(asked) >= 1)
    # Hidden as the browser says it of a tab in the background.
    window.execute_script(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    seen = window.execute_script(asked)
    window.execute_async_script("setTimeout(arguments[0], 6500)")
    assert window.execute_script(asked) == seen
    window.execute_script(
        "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"
    )
    eventually(lambda: window.execute_script(asked) > seen)


def test_it_works_without_javascript(browser, start_site):
    site = start_site(down=["grafana"])
    window = browser(javascript=False)
    window.get(site.url)
    assert texts(window, ".count") == ["7 of 8 answer now"]
    assert texts(window, "time")[0].endswith("UTC")
    window.find_element(By.LINK_TEXT, "Українська").click()
    assert texts(window, "h1") == ["Служби за цим шлюзом"]
    window.find_element(By.LINK_TEXT, "Перевірити ще раз").click()
    assert texts(window, ".count") == ["Зараз відповідають 7 із 8"]


def test_the_whole_row_leads_to_the_service(browser, start_site):
    window = browser(width=360, height=780)
    window.get(start_site().url)
    window.find_element(By.CSS_SELECTOR, "li:first-child .name").find_element(
        By.XPATH, ".."
    ).click()
    assert window.current_url.endswith("/api/")


def test_the_gateway_s_own(browser, gateway, screenshot, eventually):
    window = browser()
    window.get(gateway.url)
    eventually(lambda: texts(window, ".count") == ["8 of 8 answer now"])
    screenshot(window, "start-gateway")
    assert window.get_log("browser") == []

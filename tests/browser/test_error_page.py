"""The error page in real Chromium, as a trusted reader and as a stranger see it."""

import pytest

from daarion_gw.front.error_page import render

REFUSED = "upstream microdao-api at 127.0.0.1:8000 refused the connection"
HINT = "Is it running? Look at it with: curl http://127.0.0.1:8000/"


@pytest.mark.parametrize("shape", ["desk", "phone"])
@pytest.mark.parametrize("trusted", [True, False])
def test_it_fits(browser, screenshot, tmp_path, shape, trusted):
    detail, hint = (REFUSED + "/" + "x" * 90, HINT) if trusted else (None, None)
    body = render(502, "Bad Gateway", "7f3c9a52e1d84b0c", detail, hint, True)[1]
    page = tmp_path / "error.html"
    page.write_bytes(body)
    desk, phone = {"width": 1280}, {"width": 360, "height": 780, "dark": True}
    window = browser(**(desk if shape == "desk" else phone))
    window.get(page.as_uri())
    screenshot(window, f"error-{shape}-{'trusted' if trusted else 'stranger'}")
    wide, room = window.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= room
    assert window.get_log("browser") == []

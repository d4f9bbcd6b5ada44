"""Real Chromium, and the sites that it looks at.

`browser(width=…, dark=…, lang=…)` opens a window; `start_site(…)` serves the start page
on a plain site; `gateway` runs the gateway itself with its stand-ins.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = os.environ.get("SCREENSHOTS")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def missing(what):
    """A skip on a laptop; in CI a test that does not run is a failure."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


@pytest.fixture(scope="session")
def chromium():
    driver, program = shutil.which("chromedriver"), shutil.which("chromium")
    if not (driver and program):
        missing("chromium and chromium-driver are not installed (apt install both)")
    try:
        import selenium  # noqa: F401
    except ImportError:
        missing("selenium is not installed (pip install 'daarion-gw[test]')")
    return driver, program


@pytest.fixture
def browser(chromium):
    """A function that opens a window; all are closed at the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    driver, program = chromium
    opened, profiles = [], []

    def open_window(width=1280, height=900, dark=False, lang="en", javascript=True):
        profiles.append(tempfile.mkdtemp(prefix="daarion-gw-chromium-"))
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profiles[-1]}",
            f"--lang={lang}",
        ):
            options.add_argument(flag)
        preferences = {"intl.accept_languages": lang}
        if not javascript:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", preferences)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        window = webdriver.Chrome(options=options, service=Service(driver))
        opened.append(window)
        # A headless window is never narrower than 500 px; a phone is emulated instead.
        phone = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600}
        window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        return window

    yield open_window
    for window in opened:
        window.quit()
    for profile in profiles:
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def screenshot():
    """Keep a picture under $SCREENSHOTS, when that is set."""

    def keep(window, name):
        if SCREENSHOTS:
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            window.save_screenshot(str(folder / f"{name}.png"))

    return keep


@pytest.fixture
def eventually():
    """Poll until a condition holds; fail after fifteen seconds."""

    def wait(condition):
        end = time.monotonic() + 15
        while not (result := condition()):
            assert time.monotonic() < end, "it did not happen within fifteen seconds"
            time.sleep(0.05)
        return result

    return wait


class Running:
    """A process that serves `url` until it is stopped."""

    def __init__(self, *command, cwd=None):
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=cwd or ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.url = ""
        self.urls = {}

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        if self.process.stdin.closed:
            return
        self.process.terminate()
        try:
            self.process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start_site():
    """A function that serves the start page before the stand-ins (see start_page_site.py)."""
    running = []

    def serve(**options):
        script = ROOT / "tests" / "front" / "start_page_site.py"
        site = Running(str(script), json.dumps(options))
        running.append(site)
        ready = json.loads(site.process.stdout.readline())
        site.url, site.urls = f"http://127.0.0.1:{ready['port']}/", ready["urls"]
        return site

    yield serve
    for site in running:
        site.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """The gateway itself with its stand-ins: `twistd -n daarion-gw --port N --demo`."""
    port = free_port()
    run = "from twisted.scripts.twistd import run; run()"
    arguments = ["-c", run, "-n", "--pidfile=", "daarion-gw", "--port", str(port), "--demo"]
    running = Running(*arguments, "--admin", "off", cwd=tmp_path_factory.mktemp("gateway"))
    running.url = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 20
    while not is_healthy(port):
        if running.process.poll() is not None or time.monotonic() > end:
            running.stop()
            pytest.fail("the gateway did not start")
        time.sleep(0.1)
    yield running
    running.stop()


def is_healthy(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        client.request("GET", "/healthz")
        return client.getresponse().read().strip() == b"OK"
    except OSError:
        return False
    finally:
        client.close()

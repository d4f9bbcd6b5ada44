"""A headless Chromium driven over its debugging protocol; it notes every failed request and error.

Knows nothing about what it is shown.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.real.installed import need_module, need_program
from tests.real.plain_http import ask
from tests.real.running import Running, answers, running, until

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-port=0",
    "--window-size=1280,1000",
]


class Page:
    """One tab: `statuses` is what was answered, `errors` what went wrong, `open` what is due."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.urls: dict[str, str] = {}
        self.open: set[str] = set()
        self.statuses: list[tuple[int, str]] = []
        self.websockets: list[str] = []
        self.errors: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command; events that come before its answer are noted."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=30))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message["method"], message["params"])

    def _note(self, event: str, params: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.urls[params["requestId"]] = params["request"]["url"]
                self.open.add(params["requestId"])
                if redirect := params.get("redirectResponse"):
                    self.statuses.append((redirect["status"], redirect["url"]))
            case "Network.responseReceived":
                answer = params["response"]
                self.statuses.append((answer["status"], answer["url"]))
            case "Network.loadingFinished":
                self.open.discard(params["requestId"])
            case "Network.loadingFailed":
                self.open.discard(params["requestId"])
                if not params.get("canceled"):
                    url = self.urls.get(params["requestId"])
                    self.errors.append(f"{url}: {params['errorText']}")
            case "Network.webSocketCreated":
                self.websockets.append(params["url"])
            case "Network.webSocketFrameError":
                self.errors.append(f"WebSocket: {params['errorMessage']}")
            case "Runtime.exceptionThrown":
                self.errors.append(describe_exception(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] == "error":
                words = [str(word.get("value", word)) for word in params["args"]]
                self.errors.append(f"console: {' '.join(words)}")
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                entry = params["entry"]
                self.errors.append(f"log: {entry['text']} {entry.get('url', '')}")

    def go(self, url: str) -> None:
        assert "errorText" not in (went := self.call("Page.navigate", url=url)), went

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression in the page; promises are awaited."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20) -> Any:
        """Poll the expression until it is true in the page."""

        # A page on its way to another one has no context to run anything in.
        def look() -> Any:
            with contextlib.suppress(AssertionError):
                return self.run(script)

        try:
            return until(look, seconds, script, every=0.1)
        except AssertionError as late:
            text = self.run("document.documentElement.outerText.slice(0, 800)")
            raise AssertionError(f"{late}\nerrors: {self.errors}\npage: {text}") from None

    def failures(self) -> list[str]:
        """Waits until every request has ended; those that failed, and errors on the console."""
        try:
            until(lambda: self.run("1") and not self.open, 20, "every request has ended")
        except AssertionError:
            self.errors += [f"never ended: {self.urls[one]}" for one in sorted(self.open)]
        return [f"{status} {url}" for status, url in self.statuses if status >= 400] + self.errors


def describe_exception(details: dict[str, Any]) -> str:
    what = details.get("exception", {}).get("description", details["text"]).splitlines()[0]
    return f"exception: {what} at {details.get('url', '?')}"


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[str]:
    """A Chromium of its own; yields the address of its debugging port."""
    program = need_program("chromium", "chromium-browser", "google-chrome")
    need_module("websockets")
    profile = folder / "profile"
    port_file = profile / "DevToolsActivePort"
    argv = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    env = {"HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": os.devnull}
    process: Running
    with running(argv, folder / "log", ready=port_file.exists, seconds=40, env=env) as process:
        port = int(until(port_file.read_text, 5, "debugging port written").split()[0])
        url = f"http://127.0.0.1:{port}"
        process.wait_ready(lambda: answers(f"{url}/json/version"), 20)
        yield url


@contextlib.contextmanager
def new_page(chromium_url: str) -> Iterator[Page]:
    """A new tab with empty notes."""
    from websockets.sync.client import connect

    tab = ask("PUT", f"{chromium_url}/json/new?about:blank").json()
    # A closed tab does not always say goodbye to its debugger.
    url, options = tab["webSocketDebuggerUrl"], {"max_size": None, "close_timeout": 1}
    with connect(url, compression=None, **options) as connection:
        yield Page(connection)
        ask("GET", f"{chromium_url}/json/close/{tab['id']}")

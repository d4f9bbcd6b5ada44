"""JupyterLab behind `/jupyter/`, prefix kept: login, cookies, origins, live WebSockets."""

import contextlib
import http.cookies
import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.real.browser import chromium, new_page
from tests.real.installed import need_module, need_tool
from tests.real.plain_http import Answer, ask
from tests.real.proxies import Proxy
from tests.real.running import answers, free_port, running

PASSWORD = "open sesame"
# hashlib.sha256(PASSWORD + salt), the salt being 5ea1.
PASSWORD_HASH = "sha256:5ea1:ee822da65faf124b5de64187862a088a077798531aa074d9e3b4c11eb7c74ae5"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, module_proxy) -> Iterator[Proxy]:
    """The proxy with a JupyterLab of its own behind `/jupyter/`."""
    program = need_tool("jupyter", "bin", "jupyter-lab")
    need_module("websockets")
    folder = tmp_path_factory.mktemp("jupyter")
    port = free_port()
    config = folder / "config.json"
    config.write_text(json.dumps(jupyter_config(folder, port)))
    env = {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config"), "SHELL": "/bin/sh"}
    inside = f"http://127.0.0.1:{port}"
    with running(
        [program, f"--config={config}"],
        folder / "log",
        ready=lambda: answers(f"{inside}/jupyter/login"),
        seconds=60,
        env=env,
    ):
        yield module_proxy({"/jupyter/": {"to": inside, "strip_prefix": False}})


def jupyter_config(folder: Path, port: int) -> dict[str, object]:
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    return {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "base_url": "/jupyter/",
            "root_dir": str(notebooks),
            "allow_root": True,
            "open_browser": False,
        },
        "IdentityProvider": {"token": ""},
        "PasswordIdentityProvider": {"hashed_password": PASSWORD_HASH},
        "LabApp": {
            "extension_manager": "readonly",
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        },
    }


@dataclass(slots=True)
class Visitor:
    """A client with a cookie jar of one site; `paths` is the Path each cookie came with."""

    front: Proxy
    jar: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, target: str, body: Any = None, **fields: str) -> Answer:
        answer = ask(method, self.front.url + target, body, fields=self.fields() | fields)
        for line in answer.all("Set-Cookie"):
            for name, cookie in http.cookies.SimpleCookie(line).items():
                self.jar[name] = cookie.value
                self.paths[name] = cookie["path"]
        return answer

    def fields(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        return {"Cookie": cookies, "X-XSRFToken": self.jar.get("_xsrf", "")}

    def log_in(self, password: str) -> Answer:
        self.ask("GET", "/jupyter/login")
        form = urlencode({"_xsrf": self.jar["_xsrf"], "password": password})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/jupyter/login?next=%2Fjupyter%2Flab", form.encode(), **kind)

    def socket(self, target: str, origin: str | None = None, **options: Any) -> Any:
        """A WebSocket as a page of this site would open it."""
        from websockets.sync.client import connect

        return connect(
            self.front.ws_url + target,
            origin=origin or self.front.url,
            additional_headers={"Cookie": self.fields()["Cookie"]},
            max_size=None,
            **options,
        )

    @contextlib.contextmanager
    def kernel(self) -> Iterator[str]:
        """A Python kernel's id."""
        started = self.ask("POST", "/jupyter/api/kernels", {"name": "python3"})
        assert started.status == 201, started.body
        kernel_id = started.json()["id"]
        yield kernel_id
        assert self.ask("DELETE", f"/jupyter/api/kernels/{kernel_id}").status == 204


@pytest.fixture
def visitor(front: Proxy) -> Visitor:
    visitor = Visitor(front)
    answer = visitor.log_in(PASSWORD)
    assert answer.status == 302, answer.body
    return visitor


def execute(kernel: Any, code: str) -> list[str]:
    """Run code in a kernel over its WebSocket; the texts it printed or returned."""
    request_id = uuid.uuid4().hex
    request = {
        "header": {
            "msg_id": request_id,
            "msg_type": "execute_request",
            "username": "",
            "session": uuid.uuid4().hex,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {}},
        "channel": "shell",
    }
    kernel.send(json.dumps(request))
    texts: list[str] = []
    while True:
        message = json.loads(kernel.recv(timeout=30))
        if message["parent_header"].get("msg_id") != request_id:
            continue
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                texts.append(content["text"])
            case "execute_result":
                texts.append(content["data"]["text/plain"])
            case "error":
                raise AssertionError(content["evalue"])
            case "status" if content["execution_state"] == "idle":
                return texts


def test_a_stranger_is_sent_to_the_login_page_under_the_prefix(front: Proxy) -> None:
    answer = ask("GET", f"{front.url}/jupyter/lab")
    assert answer.status == 302
    assert answer.all("Location") == ["/jupyter/login?next=%2Fjupyter%2Flab"]


def test_a_wrong_password_is_refused(front: Proxy) -> None:
    assert Visitor(front).log_in("guess").status == 401


def test_the_password_opens_the_lab(visitor: Visitor) -> None:
    answer = visitor.ask("GET", "/jupyter/lab")
    assert answer.status == 200
    assert b"<title>JupyterLab</title>" in answer.body


def test_cookies_keep_their_path_and_are_named_after_the_host_asked(visitor: Visitor) -> None:
    """Jupyter names its cookie after Host, port included: Host came through unchanged."""
    assert visitor.paths == {
        "_xsrf": "/jupyter/",
        f"username-127-0-0-1-{visitor.front.port}": "/jupyter/",
    }


def test_a_kernel_computes_over_its_websocket(visitor: Visitor) -> None:
    with visitor.kernel() as kernel, visitor.socket(channels(kernel)) as socket:
        assert execute(socket, "1+1") == ["2"]


def test_a_megabyte_of_output_comes_through_in_order(visitor: Visitor) -> None:
    with visitor.kernel() as kernel, visitor.socket(channels(kernel)) as socket:
        printed = "".join(execute(socket, "for n in range(150_000): print(f'{n:06d}')"))
    assert printed == "".join(f"{n:06d}\n" for n in range(150_000))


def test_several_websockets_live_at_once(visitor: Visitor) -> None:
    terminal = visitor.ask("POST", "/jupyter/api/terminals", {}).json()["name"]
    with (
        visitor.kernel() as one,
        visitor.kernel() as two,
        visitor.socket(channels(one)) as first,
        visitor.socket(channels(two)) as second,
        visitor.socket("/jupyter/api/events/subscribe") as events,
        visitor.socket(f"/jupyter/terminals/websocket/{terminal}") as shell,
    ):
        assert execute(first, "x = 40") == []
        assert execute(second, "x = 2; x") == ["2"]
        assert execute(first, "x + 2") == ["42"]
        shell.send(json.dumps(["stdin", "echo $((6*7))-from-shell\n"]))
        assert_says(shell, "42-from-shell")
        with visitor.kernel():
            assert_says(events, "kernel_actions")
        assert execute(second, "x + 1") == ["3"]


def assert_says(socket: Any, word: str) -> None:
    heard = ""
    deadline = time.monotonic() + 20
    while word not in heard:
        heard += str(socket.recv(timeout=max(0.0, deadline - time.monotonic())))


def channels(kernel_id: str) -> str:
    return f"/jupyter/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}"


def test_another_sites_page_is_refused_by_jupyter_itself(visitor: Visitor) -> None:
    """The upstream's refusal arrives as it stands: no 101, its own 403."""
    from websockets.exceptions import InvalidStatus

    with visitor.kernel() as kernel:
        with pytest.raises(InvalidStatus) as refused:
            visitor.socket(channels(kernel), origin="http://elsewhere.example")
        assert refused.value.response.status_code == 403


def test_the_lab_runs_in_a_browser(front: Proxy, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Log in by the form, wait for the launcher, start a console: a kernel's WebSocket is live."""
    with chromium(tmp_path_factory.mktemp("chromium")) as url, new_page(url) as page:
        page.go(f"{front.url}/jupyter/lab")
        page.wait_for("document.querySelector('#password_input') !== null")
        page.run(
            f"document.querySelector('#password_input').value = {PASSWORD!r};"
            "document.querySelector('#login_submit').click()"
        )
        page.wait_for("document.querySelector('.jp-LauncherCard') !== null", 60)
        page.run("document.querySelector('.jp-LauncherCard[data-category=Console]').click()")
        page.wait_for("/Python 3/.test(document.querySelector('.jp-CodeConsole')?.innerText)", 60)

        assert page.failures() == []
        live = [re.sub(r"[0-9a-f-]{36}", "ID", url) for url in page.websockets]
        assert any(f"{front.ws_url}/jupyter/api/kernels/ID/channels" in url for url in live), live

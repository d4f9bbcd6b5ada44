"""Fixtures for the tests against real servers: the proxy under test, in two scopes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.proxies import UNDER_TEST, Proxy, Routes, proxy_in_front

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)


class ProxyStarter:
    """Starts proxies that live as long as the scope which asked for them."""

    def __init__(self, stack: contextlib.ExitStack, new_folder: Callable[[], Path]) -> None:
        self._stack = stack
        self._new_folder = new_folder

    def __call__(self, routes: Routes, **options: object) -> Proxy:
        return self._stack.enter_context(proxy_in_front(routes, self._new_folder(), **options))


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyStarter]:
    """`proxy(routes, gateway={...})` starts the proxy under test for one test."""
    with contextlib.ExitStack() as stack:
        yield ProxyStarter(stack, lambda: tmp_path_factory.mktemp("proxy"))


@pytest.fixture(scope="module")
def module_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyStarter]:
    """The same for all tests of one module."""
    with contextlib.ExitStack() as stack:
        yield ProxyStarter(stack, lambda: tmp_path_factory.mktemp("proxy"))


@pytest.fixture
def gateway_only() -> None:
    """For tests of what the gateway promises and nginx does not."""
    if UNDER_TEST == "nginx":
        pytest.skip("nginx makes no such promise")

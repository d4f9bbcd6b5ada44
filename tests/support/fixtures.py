"""A gateway per test module, the upstreams behind it, and a client before it.

A module says what it needs: ``CONFIG`` is its gateway.yaml, in which ``${ORIGIN}`` and
``${SECOND}`` are the URLs of two upstream servers that the tests themselves play.
"""

from collections.abc import Iterator

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin
from tests.support.stream import Client

LOGGED = "access_log: {format: json, file: access.log}"


@pytest.fixture(scope="module")
def far_side() -> Iterator[dict[str, Origin]]:
    origins = {"ORIGIN": Origin(), "SECOND": Origin()}
    yield origins
    for origin in origins.values():
        origin.close()


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    far_side: dict[str, Origin],
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    urls = {name: origin.url for name, origin in far_side.items()}
    gateway = GatewayProcess(folder, request.module.CONFIG, **urls)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def gateway(running: GatewayProcess, far_side: dict[str, Origin]) -> Iterator[GatewayProcess]:
    """The module's gateway, without a connection left over from another test."""
    for origin in far_side.values():
        origin.forget()
    yield running
    running.forget_clients()


@pytest.fixture
def origin(gateway: GatewayProcess, far_side: dict[str, Origin]) -> Origin:
    return far_side["ORIGIN"]


@pytest.fixture
def second(gateway: GatewayProcess, far_side: dict[str, Origin]) -> Origin:
    return far_side["SECOND"]


@pytest.fixture
def client(gateway: GatewayProcess) -> Client:
    return gateway.connect()

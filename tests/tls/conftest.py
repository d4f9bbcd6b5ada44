"""What the tests of TLS have in common: a certificate, and the fixtures of a running gateway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daarion_gw.tls.listening import Listening
from tests.support.certificates import make_certificate
from tests.support.fixtures import client, far_side, gateway, origin, second
from tests.tls.in_memory import Pair, listening_with

__all__ = ["client", "far_side", "gateway", "origin", "second"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of a certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def listening(certificate: tuple[Path, Path]) -> Listening:
    return listening_with(*certificate)


@pytest.fixture
def pair_of(listening: Listening, certificate: tuple[Path, Path]) -> Callable[..., Pair]:
    """Makes two ends that have done their handshake."""

    def make(**words: Any) -> Pair:
        pair = Pair(listening, certificate[0], **words)
        pair.shake()
        return pair

    return make

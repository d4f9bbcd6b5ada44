"""What the tests of TLS have in common: a certificate, and the fixtures of a running gateway."""

from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.fixtures import client, far_side, gateway, origin, second

__all__ = ["client", "far_side", "gateway", "origin", "second"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of a certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))

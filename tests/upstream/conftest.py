"""The fixtures of the tests that talk to a running gateway."""

from tests.support.fixtures import client, far_side, gateway, origin, running, second

__all__ = ["client", "far_side", "gateway", "origin", "running", "second"]

"""What a file says of the gateway's own limits. (Mistakes: cases/config/protection*.yaml.)"""

from pathlib import Path

import pytest

from daarion_gw.config.load import load
from daarion_gw.config.protection import ClientLimits, Signals
from daarion_gw.config.settings import Gateway, Settings


def gateway_of(text: str, folder: Path, **variables: str) -> Gateway:
    (folder / "g.yaml").write_text(f"gateway: {text}\nroutes: {{}}\n")
    return load("g.yaml", variables, folder).gateway


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("{}", ClientLimits(connections="auto", per_client=None)),
        ("{connections: auto, per_client: off}", ClientLimits()),
        ("{connections: 5000, per_client: 50}", ClientLimits(connections=5000, per_client=50)),
        ("{connections: off}", ClientLimits(connections=None)),
        ("{connections: 0, per_client: 0}", ClientLimits(connections=None)),
        ("{connections: '${N}'}", ClientLimits(connections=12)),
        ("", ClientLimits()),
    ],
)
def test_limits_of_connections(written, limits, tmp_path):
    assert gateway_of(f"{{limits: {written}}}", tmp_path, N="12").limits == limits


@pytest.mark.parametrize(
    ("written", "lag", "memory"),
    [
        ("{}", 0.5, None),
        ("{lag: 250ms, memory: 512M}", 0.25, 512 << 20),
        ("{lag: off, memory: off}", None, None),
        ("{memory: 80%}", 0.5, 0.8),
        ("{memory: 0.8}", 0.5, 0.8),
        ("{memory: 100%}", 0.5, 1.0),
        ("{memory: 1000000}", 0.5, 1_000_000),
        ("{memory: '${M}'}", 0.5, 0.75),
        ("", 0.5, None),
    ],
)
def test_signals(written, lag, memory, tmp_path):
    found = gateway_of(f"{{overload: {written}}}", tmp_path, M="0.75").overload
    assert (found.lag, found.memory, type(found.memory)) == (lag, memory, type(memory))


@pytest.mark.parametrize("memory", [1 << 30, 0.8, 1.0, None])
def test_a_worker_gets_them_as_they_are(memory):
    settings = Settings(gateway=Gateway(overload=Signals(memory=memory)))
    found = Settings.model_validate_json(settings.model_dump_json()).gateway.overload.memory
    assert (found, type(found)) == (memory, type(memory))

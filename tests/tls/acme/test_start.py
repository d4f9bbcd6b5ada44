"""What `check` and a start say of certificates that are to be got by ACME."""

import json
import socket
import subprocess

import pytest
from click.testing import CliRunner

from daarion_gw.__main__ import main
from daarion_gw.tls.acme.authority import QUESTION
from tests.support.gateway import GatewayProcess, environment, twistd
from tests.support.waiting import PATIENCE, Stopwatch

CONFIG = """
gateway: {{listen: [{listen}], admin: off}}
tls: {{acme: {{domains: app.example.com, state: {state}, challenge: {challenge}}}}}
routes: {{}}
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(listen='"tcp:0", "daarion-tls:0"', state="state", challenge="auto"):
        text = CONFIG.format(listen=listen, state=state, challenge=challenge)
        (tmp_path / "gateway.yaml").write_text(text)

    return write


def check():
    done = CliRunner().invoke(main, ["check"])
    return done.exit_code, done.output


def test_all_is_well(written, tmp_path):
    written()
    code, output = check()
    assert (code, output.startswith("gateway.yaml: fine")) == (0, True)
    assert [each.name for each in tmp_path.iterdir()] == ["gateway.yaml"]


def test_all_that_stands_in_the_way_is_told(written, tmp_path):
    (tmp_path / "file").write_text("")
    written(listen='"tcp:0"', state="file/state", challenge="tls-alpn-01")
    assert check() == (
        1,
        "warning: tls: no listener shows the certificates that it has or gets: daarion-tls:443 in "
        "listen would\n"
        "tls.acme.challenge: tls-alpn-01 needs a listener daarion-tls:443 without files of its "
        "own, and there is none\n"
        "tls.acme.state: file is no folder\n"
        "2 mistakes\n",
    )


def test_a_gateway_does_not_start_with_it(written, tmp_path):
    (tmp_path / "file").write_text("")
    written(state="file/state")
    done = subprocess.run(
        twistd("--listen", "tcp:0:interface=127.0.0.1"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "tls.acme.state: " in done.stderr
    assert "1 mistake" in done.stderr


def test_its_end_waits_for_no_authority(tmp_path):
    """One that takes the connection and says nothing must not keep a gateway from stopping."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        acme = {
            "domains": "app.example.com",
            "state": "state",
            "directory": f"https://127.0.0.1:{silent.getsockname()[1]}/dir",
        }
        running = GatewayProcess(tmp_path, json.dumps({"tls": {"acme": acme}, "routes": {}}))
        try:
            silent.settimeout(PATIENCE)
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)
                with Stopwatch() as stopping:
                    running.stop()
            assert stopping.seconds < QUESTION / 2
        finally:
            running.kill()

"""Chromium believes what ``certs dev`` makes once it was told to as that says, and not before."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.browser.conftest import missing
from tests.support.gateway import GatewayProcess, environment, twistd


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user of this test's own, who has NSS's data base."""
    if shutil.which("certutil") is None:
        missing("certutil is not installed (apt install libnss3-tools)")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = tmp_path / ".pki" / "nssdb"
    place.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{place}", "-N", "--empty-password"], check=True)
    return tmp_path


def test_it_is_trusted_as_it_says(browser, home):
    made = subprocess.run(
        [sys.executable, "-m", "daarion_gw", "certs", "dev"],
        cwd=home, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    (trust,) = re.findall(r"^ +(certutil -d sql:.*)$", made.stdout, re.MULTILINE)
    files = "interface=127.0.0.1:privateKey=certs/key.pem:certKey=certs/cert.pem"
    flags = ("--demo", "--admin", "off", "--listen", f"daarion-tls:0:{files}")
    gateway = GatewayProcess(home, "", command=twistd(*flags))

    def seen(window, host: str) -> str:
        window.get(f"https://{host}:{gateway.ports[0]}/healthz")
        return window.page_source

    try:
        assert "ERR_CERT_AUTHORITY_INVALID" in seen(browser(), "localhost")
        subprocess.run(trust, shell=True, cwd=home, check=True)
        window = browser()
        for host in ("localhost", "127.0.0.1"):
            assert ">OK<" in seen(window, host)
        gateway.stop()
    finally:
        gateway.kill()

"""What scanners say of a `daarion-tls:` listener: SSLyze with Mozilla's profile, and testssl.sh."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from tests.real.installed import need_program, need_tool
from tests.support.certificates import NAME
from tests.support.gateway import GatewayProcess
from tests.support.hierarchy import DAY, Authority

# What ends in time for each change; without these testssl.sh looks at everything.
FULL = os.environ.get("TESTSSL_FULL") == "1"
QUICK = ["--protocols", "--fs", "--server-preference", "--server-defaults", "--headers"]
SECONDS = 900
CONFIG = """
gateway: {{listen: ["daarion-tls:0:interface=127.0.0.1"], access_log: off}}
tls:
  certificates: [{{cert: "{cert}", key: "{key}"}}]
  hsts: on
routes: {{}}
"""
SUITES = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
# Of the scanning side, and of a name that no registry knows.
NOT_OURS = {"engine_problem", "DNS_CAArecord"}
HARMLESS = {"OK", "INFO", "LOW"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, authority: Authority):
    """The listener, with a certificate as a public authority would issue it."""
    folder = tmp_path_factory.mktemp("scanned")
    place = x509.UniformResourceIdentifier("http://crl.example/list.crl")
    lists = x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])
    uses = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    cert, key = authority.issue(folder / "pair", NAME, until=80 * DAY, more=(lists, uses))
    gateway = GatewayProcess(folder, CONFIG.format(cert=cert, key=key), listen=())
    try:
        yield gateway.ports[0]
        gateway.stop()
    finally:
        gateway.kill()


# SSLyze


def sslyze(port: int, authority: Authority, folder: Path, profile: str) -> tuple[str, dict]:
    """What it says in the end, and all that it has found."""
    file = folder / "found.json"
    done = subprocess.run(
        [need_tool("sslyze", "bin", "python"), "-m", "sslyze", "--mozilla_config", profile,
         "--certinfo_ca_file", authority.file, "--json_out", file, f"{NAME}:{port}{{127.0.0.1}}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    (found,) = json.loads(file.read_text())["server_scan_results"]
    return done.stdout, found["scan_result"]


@pytest.fixture(scope="module")
def scanned(port, authority, tmp_path_factory):
    return sslyze(port, authority, tmp_path_factory.mktemp("sslyze"), "intermediate")


def test_it_complies_with_mozillas_intermediate_profile(scanned):
    assert "OK - Compliant." in scanned[0]


def test_versions_suites_and_curves_are_no_others(scanned):
    found = scanned[1]
    suites = {
        version: {each["cipher_suite"]["name"] for each in result["accepted_cipher_suites"]}
        for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3")
        if (result := found[f"{version}_cipher_suites"]["result"])
    }
    assert {version for version, accepted in suites.items() if accepted} == {"tls_1_2", "tls_1_3"}
    assert set().union(*suites.values()) == SUITES
    curves = found["elliptic_curves"]["result"]["supported_curves"]
    assert {curve["name"] for curve in curves} == {"X25519", "secp256r1", "secp384r1"}


def test_what_does_not_comply_would_be_noticed(port, authority, tmp_path):
    """Modern is TLS 1.3 alone."""
    said, _ = sslyze(port, authority, tmp_path, "modern")
    assert "FAILED - Not compliant." in said
    assert "tls_versions" in said


# testssl.sh


def test_testssl_finds_nothing_above_low(port, authority, tmp_path):
    file = tmp_path / "found.json"
    done = subprocess.run(
        [need_program("testssl", "testssl.sh"), "--quiet", "--color", "0", "--warnings", "off",
         "--nodns", "none", "--add-ca", authority.file, "--ip", "127.0.0.1", "--jsonfile", file,
         *([] if FULL else QUICK), f"https://{NAME}:{port}/"],
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    found = json.loads(file.read_text())
    assert len(found) > 40, done.stdout
    wrong = [
        (each["severity"], each["id"], each["finding"])
        for each in found
        if each["severity"] not in HARMLESS and each["id"] not in NOT_OURS
    ]
    assert wrong == []

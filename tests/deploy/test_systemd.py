"""The units: systemd's own checkers, and what the gateway expects of them."""

import re
from pathlib import Path

import pytest

from daarion_gw.config import defaults
from tests.deploy.checkers import ROOT, Stack, run, tool

UNIT = ROOT / "deploy" / "systemd" / "daarion-gw.service"
SOCKET = UNIT.with_suffix(".socket")
# 0 is locked away, 10 is wide open. What is left is the network, which a gateway is made of.
MOST_EXPOSED = 1.6
PROGRAM = re.compile(r"^(Exec\w+)=(/\S+)", re.MULTILINE)


def verify(folder: Path, text: str, socket: str = "", drop_in: str = "") -> tuple[int, str]:
    """`systemd-analyze verify` of the service, or of the socket unit beside it.

    It also looks for the programs, which stand where a package would put them, not on the machine
    of the test: the copy names empty executables of the same name.
    """
    folder.mkdir(exist_ok=True)
    for program in {Path(path) for _key, path in PROGRAM.findall(text)}:
        (folder / program.name).touch(mode=0o755)
    copy = folder / UNIT.name
    copy.write_text(PROGRAM.sub(lambda found: f"{found[1]}={folder / Path(found[2]).name}", text))
    beside = folder / SOCKET.name
    if socket:
        beside.write_text(socket)
    if drop_in:
        (folder / f"{UNIT.name}.d").mkdir()
        (folder / f"{UNIT.name}.d" / "x.conf").write_text(drop_in)
    units = [copy, beside] if socket else [copy]
    return run(tool("systemd-analyze"), "verify", "--man=no", *units)


def settings(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    assert verify(tmp_path, UNIT.read_text(), SOCKET.read_text()) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ListenStream=80\n", "ListenStraem=80\n"),
        ("ListenStream=443\n", "ListenStream=99999\n"),
        ("[Socket]", "[Sockets]"),
        ("BindIPv6Only=both", "BindIPv6Only=perhaps"),
    ],
)
def test_systemd_sees_what_is_broken_of_the_sockets(tmp_path: Path, old: str, new: str) -> None:
    text = SOCKET.read_text()
    assert old in text
    assert verify(tmp_path, UNIT.read_text(), text.replace(old, new))[1] != ""


GUIDES = [ROOT / "docs" / "publish.md", ROOT / "docs" / "uk" / "publish.md"]
DROP_IN = re.compile(r"^```ini\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES, ids=["English", "Ukrainian"])
def test_the_drop_ins_of_the_guides_are_right(tmp_path: Path, guide: Path) -> None:
    found = DROP_IN.findall(guide.read_text("utf-8"))
    assert found
    for number, text in enumerate(found):
        assert verify(tmp_path / f"{number}", UNIT.read_text(), drop_in=text) == (0, "")
        broken = text.replace("Groups=", "Gruops=")
        assert verify(tmp_path / f"b{number}", UNIT.read_text(), drop_in=broken)[1] != ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ProtectSystem=strict", "ProtectSistem=strict"),
        ("Type=notify", "Type=easy"),
        ("TimeoutStopSec=40s", "TimeoutStopSec=40 lightyears"),
        ("KillSignal=SIGTERM", "KillSignal=SIGTREM"),
        ("[Service]", "[Servise]"),
        ("ExecStart=/opt", "ExecStart=opt"),
    ],
)
def test_systemd_sees_what_is_broken(tmp_path: Path, old: str, new: str) -> None:
    text = UNIT.read_text()
    assert old in text

    # It exits 0 on an unknown key: any line is a failure.
    assert verify(tmp_path, text.replace(old, new))[1] != ""


def test_a_missing_program_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/daarion-gw", str(tmp_path / "nowhere")))

    assert "is not executable" in run(tool("systemd-analyze"), "verify", "--man=no", copy)[1]


def security(unit: Path) -> tuple[int, str]:
    limit = f"--threshold={MOST_EXPOSED * 10:.0f}"
    return run(tool("systemd-analyze"), "security", "--offline=yes", "--no-pager", limit, unit)


def test_the_unit_is_locked_down() -> None:
    code, said = security(UNIT)

    assert code == 0, said


@pytest.mark.parametrize("line", ["PrivateDevices=yes\n", "NoNewPrivileges=yes\n"])
def test_an_open_door_is_seen(stack: Stack, line: str) -> None:
    stack.replace("systemd/daarion-gw.service", line, "")
    stack.replace("systemd/daarion-gw.service", "ProtectSystem=strict\n", "")
    stack.replace("systemd/daarion-gw.service", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", "")

    code, _said = security(stack.folder / "systemd" / UNIT.name)

    assert code != 0


def test_it_may_open_low_ports_and_nothing_else() -> None:
    unit = settings(UNIT.read_text())

    assert unit["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert unit["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert unit["DynamicUser"] == "yes"


def test_it_runs_reloads_and_drains_as_the_gateway_expects() -> None:
    text = UNIT.read_text()
    unit = settings(text)
    drain = defaults.default_settings().gateway.drain_timeout

    assert unit["ExecStart"] == (
        "/opt/daarion-gw/bin/twistd -n --pidfile= daarion-gw --config /etc/daarion-gw/gateway.yaml"
    )
    assert "ExecReload=/bin/kill -HUP $MAINPID" in text
    assert unit["KillSignal"] == "SIGTERM"
    # What has to be there after a restart: the account of ACME, keys, certificates.
    assert unit["StateDirectory"] == "daarion-gw"
    assert unit["ConfigurationDirectory"] == "daarion-gw"
    # It is fed twice within.
    assert unit["WatchdogSec"] == "30s"
    # The process that systemd knows tells of the one that follows it.
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert drain < float(unit["TimeoutStopSec"].removesuffix("s")) <= drain + 15


def test_the_socket_unit_holds_the_ports_that_the_guides_listen_at() -> None:
    text = SOCKET.read_text()

    assert re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE) == ["80", "443"]
    assert "FileDescriptorName" not in text, "the gateway goes by where they are"
    for guide in GUIDES:
        assert 'listen: ["tcp:80", "daarion-tls:443"]' in guide.read_text("utf-8")


def test_the_install_section_names_what_the_unit_expects() -> None:
    unit = UNIT.read_text()
    readme = (ROOT / "README.md").read_text("utf-8")
    steps = readme.partition("\n### systemd\n")[2].partition("\n## ")[0]

    for program in {path for _key, path in PROGRAM.findall(unit)} - {"/bin/kill"}:
        assert program.startswith("/opt/daarion-gw/bin/")
    for word in ("python3 -m venv /opt/daarion-gw", "> /etc/daarion-gw/gateway.yaml",
                 "deploy/systemd/daarion-gw.service deploy/systemd/daarion-gw.socket"):  # fmt: skip
        assert word in steps

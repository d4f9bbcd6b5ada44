"""What the documents say is so: commands, keys, defaults, links, tables and examples."""

import json
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from ruamel.yaml import YAML

from daarion_gw.__main__ import main
from daarion_gw.config import defaults, shape
from daarion_gw.config.load import ConfigurationError, load
from daarion_gw.config.settings import Settings
from daarion_gw.errors import Fault
from daarion_gw.observe.counters import Counters
from daarion_gw.observe.metrics import Metrics
from tests.support.gateway import ROOT, GatewayProcess, environment

NAMES = (
    "README.md",
    "README.uk.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "certs/README.md",
    "docs/configuration.md",
    "docs/operating.md",
    "docs/publish.md",
    "docs/uk/publish.md",
)
# English page → the same in Ukrainian: the same commands, parts and examples.
IN_UKRAINIAN = {"README.md": "README.uk.md", "docs/publish.md": "docs/uk/publish.md"}
PAGES = {name: (ROOT / name).read_text("utf-8") for name in NAMES}

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(text: str, *kinds: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(text) if kind in kinds]


def without_blocks(text: str) -> str:
    return INDENTED.sub("", BLOCK.sub("", text))


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below ``## heading``, without its two head lines."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", IN_UKRAINIAN)
def test_both_languages_have_the_same_commands_in_the_same_order(name: str):
    english, ukrainian = PAGES[name], PAGES[IN_UKRAINIAN[name]]
    assert BLOCK.findall(english) == BLOCK.findall(ukrainian)
    assert INDENTED.findall(BLOCK.sub("", english)) == INDENTED.findall(BLOCK.sub("", ukrainian))
    assert len(BLOCK.findall(english)) > 10


@pytest.mark.parametrize("name", IN_UKRAINIAN)
def test_both_languages_have_the_same_parts(name: str):
    def shape_of(text: str) -> list[int | str]:
        """Headings by depth, tables by their number of rows, lists by their items."""
        found: list[int | str] = []
        for line in without_blocks(text).splitlines():
            if match := re.match(r"(#+) |(\||- |<!--)", line):
                found.append(match[1] or match[2])
        return found

    assert shape_of(PAGES[name]) == shape_of(PAGES[IN_UKRAINIAN[name]])


def test_the_speed_that_is_told_is_the_one_that_was_measured():
    text = (ROOT / "docs" / "bench.md").read_text("utf-8").partition("<details>")[0]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    measured = [[cell.strip() for cell in cells[1:7]] for cells in lines]
    for page, heading in (("README.md", "Speed"), ("README.uk.md", "Швидкість")):
        told = [cells[1:] for cells in rows(PAGES[page], heading)]
        assert len(told) >= 8
        assert all(cells in measured for cells in told)


# configuration


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name in NAMES for text in blocks(PAGES[name], "yaml")]
)
def test_every_example_of_a_configuration_loads(name: str, text: str, tmp_path: Path):
    (tmp_path / "gateway.yaml").write_text(text)
    assert load("gateway.yaml", {}, tmp_path).routes


# Section of docs/configuration.md → where its keys stand in a file, and what judges them.
SECTIONS: dict[str, tuple[tuple[str | int, ...], type[BaseModel]]] = {
    "gateway": (("gateway",), shape.WrittenGateway),
    "tls": (("tls",), shape.TLS),
    "certificates": (("tls", "certificates", 0), shape.Certificate),
    "access_log": (("gateway", "access_log"), shape.AccessLog),
    "proxy_protocol": (("gateway", "proxy_protocol"), shape.WrittenProxyProtocol),
    "gateway limits": (("gateway", "limits"), shape.ClientLimits),
    "overload": (("gateway", "overload"), shape.Signals),
    "client_certificates": (("tls", "client_certificates"), shape.ClientCertificates),
    "hsts": (("tls", "hsts"), shape.StrictTransport),
    "routes": (("routes", "/x/"), shape.WrittenRoute),
    "timeouts": (("routes", "/x/", "timeouts"), shape.Timeouts),
    "websocket": (("routes", "/x/", "websocket"), shape.WrittenWebSocket),
    "upstreams": (("upstreams", "u"), shape.WrittenUpstream),
    "servers": (("upstreams", "u", "servers", 0), shape.WrittenServer),
    "tls of servers": (("upstreams", "u", "tls"), shape.WrittenServerTLS),
    "health_check": (("upstreams", "u", "health_check"), shape.WrittenHealthCheck),
    "sticky": (("upstreams", "u", "sticky"), shape.WrittenSticky),
    "eject": (("upstreams", "u", "eject"), shape.WrittenEject),
    "breaker": (("upstreams", "u", "breaker"), shape.WrittenBreaker),
    "limits": (("upstreams", "u", "limits"), shape.UpstreamLimits),
    "retry": (("upstreams", "u", "retry"), shape.WrittenRetry),
    "tests": (("tests", 0), shape.WrittenTest),
    "acme": (("tls", "acme"), shape.ACME),
}
BASE: dict[str, Any] = {
    # Before all else: where a test stands is a part of its settings.
    "tests": [{"url": "/x/", "upstream": "u"}],
    "gateway": {"access_log": {}},
    "tls": {"acme": {"domains": ["app.example.com"]}, "client_certificates": {"ca": "ca.pem"}},
    "routes": {"/x/": {"to": "u", "timeouts": {}, "websocket": {}}},
    "upstreams": {
        "u": {"servers": [{"url": "http://h:1"}], "health_check": {"path": "/h"}},
    },
}
DOCUMENTED = [
    (section, *row[:3]) for section in SECTIONS
    for row in rows(PAGES["docs/configuration.md"], section)
]  # fmt: skip


def loaded(tree: object, folder: Path) -> Settings:
    # JSON is YAML too.
    (folder / "gateway.yaml").write_text(json.dumps(tree))
    return load("gateway.yaml", {}, folder)


def with_value(section: str, key: str, value: object) -> object:
    tree: Any = with_section(section)
    place = tree
    for part in SECTIONS[section][0]:
        place = place[part]
    place[key] = value
    return tree


def with_section(section: str) -> object:
    """The base, with an empty section where it has none: that is not everywhere the same."""
    tree: Any = deepcopy(BASE)
    place = tree
    for part in SECTIONS[section][0]:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    return tree


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_has_a_row_and_every_row_a_key(section: str):
    keys = [key.strip("`") for found, key, *_ in DOCUMENTED if found == section]
    assert sorted(keys) == sorted(SECTIONS[section][1].model_fields)


@pytest.mark.parametrize(("section", "key", "takes", "default"), DOCUMENTED)
def test_the_documented_default_is_the_default(section, key, takes, default, tmp_path):
    name = key.strip("`")
    if default == "-":
        field = SECTIONS[section][1].model_fields[name]
        assert field.is_required() or field.default is None
        return
    assert default.startswith("`")
    value = YAML(typ="safe", pure=True).load(default.strip("`"))
    plain = loaded(with_section(section), tmp_path)
    assert loaded(with_value(section, name, value), tmp_path) == plain


def test_another_default_would_be_noticed(tmp_path: Path):
    plain = loaded(BASE, tmp_path)
    assert loaded(with_value("timeouts", "idle", "61s"), tmp_path) != plain
    assert loaded(with_value("gateway", "listen", ["tcp:8081"]), tmp_path) != plain
    with pytest.raises(ConfigurationError):
        loaded(with_value("routes", "nonsense", 1), tmp_path)


def test_the_default_table_is_the_one_that_is_served():
    told = [
        (path.strip("`"), name.strip("`"), address.strip("`"), prefix)
        for path, name, address, prefix, _ in rows(PAGES["README.md"], "The default table")[:-2]
    ]
    assert told == [
        (
            row.path,
            row.upstream,
            f"127.0.0.1:{defaults.PORTS[row.upstream]}",
            "stripped" if row.options.strip_prefix else "kept",
        )
        for row in defaults.TABLE
    ]
    notes = {row[0].strip("`"): row[4] for row in rows(PAGES["README.md"], "The default table")}
    for row in defaults.TABLE:
        assert all(f"`{path}`" in notes[row.path] for path in row.options.deny)


def test_the_variables_of_the_default_table_are_named():
    for name in defaults.PORTS:
        assert f"`{defaults.variable(name)}`" in PAGES["docs/configuration.md"]


# commands

# What other programs take and the documents quote.
FOREIGN = {"--web.external-url", "--web.route-prefix"}


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """Command → its --help: twistd, "twistd daarion-gw", and each sub-command of daarion-gw."""

    def of_twistd(*words: str) -> str:
        run = "from twisted.scripts.twistd import run; run()"
        done = subprocess.run([sys.executable, "-c", run, *words, "--help"], check=True, text=True,
                              capture_output=True, env=environment(), cwd=ROOT)  # fmt: skip
        return done.stdout

    def of_ours(*words: str) -> str:
        return CliRunner().invoke(main, [*words, "--help"]).output

    ours = {f"daarion-gw {name}": of_ours(name) for name in main.commands}
    for name, group in main.commands.items():
        for inner in getattr(group, "commands", ()):
            ours[f"daarion-gw {name} {inner}"] = of_ours(name, inner)
    twistd = {"twistd": of_twistd(), "twistd daarion-gw": of_twistd("daarion-gw")}
    return {**twistd, "daarion-gw": of_ours(), **ours}


def commands(text: str) -> Iterator[list[str]]:
    """Every command in ``sh`` blocks, in indented blocks and in code spans, as words."""
    lines = [line for body in blocks(text, "sh") for line in body.splitlines()]
    lines += [line.strip() for body in INDENTED.findall(BLOCK.sub("", text))
              for line in body.splitlines()]  # fmt: skip
    lines += SPAN.findall(without_blocks(text))
    for line in lines:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*|\(?umask", words[0]):
            del words[0]
        if words:
            words[0] = words[0].rpartition("/")[2]
            yield words


def has_option(help_text: str, word: str) -> bool:
    return (
        re.search(rf"(?<![\w-]){re.escape(word.partition('=')[0])}(?![\w-])", help_text) is not None
    )


def wrong_words(words: list[str], helps: dict[str, str], targets: set[str]) -> list[str]:
    """What in a command does not exist."""
    program, rest = words[0], words[1:]
    if program == "make":
        return [word for word in rest if re.fullmatch("[a-z-]+", word) and word not in targets]
    if program == "twistd":
        cut = rest.index("daarion-gw") if "daarion-gw" in rest else len(rest)
        before = [word for word in rest[:cut] if word.startswith("-")]
        after = [word for word in rest[cut:] if word.startswith("-")]
        wrong = [word for word in before if not has_option(helps["twistd"], word)]
        return wrong + [w for w in after if not has_option(helps["twistd daarion-gw"], w)]
    if program == "daarion-gw" and rest and rest[0].isascii():
        if rest[0] not in main.commands:
            return [word for word in rest[:1] if not has_option(helps["daarion-gw"], word)]
        shown = helps[f"daarion-gw {rest[0]}"]
        if "COMMAND [ARGS]" in shown and len(rest) > 1:
            if f"daarion-gw {rest[0]} {rest[1]}" not in helps:
                return rest[1:2]
            shown = helps[f"daarion-gw {rest[0]} {rest[1]}"]
        return [w for w in rest[1:] if w.startswith("-") and not has_option(shown, w)]
    if program.startswith("--") and program.partition("=")[0] not in FOREIGN:
        return [] if any(has_option(shown, program) for shown in helps.values()) else [program]
    return []


@pytest.fixture(scope="module")
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_sub_command_option_and_target_exists(name, helps, targets):
    wrong = [word for words in commands(PAGES[name]) for word in wrong_words(words, helps, targets)]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("make run test", []),
        ("make rum", ["rum"]),
        ("twistd -n --pidfile= daarion-gw --port 8080 --demo", []),
        ("twistd -n --port 1 daarion-gw", ["--port"]),
        ("venv/bin/twistd -n daarion-gw --prot 8080", ["--prot"]),
        ("DAARION_GRAFANA_URL=x daarion-gw routes", []),
        ("daarion-gw chek", ["chek"]),
        ("daarion-gw check --jason", ["--jason"]),
        ("daarion-gw certs dev app.test --folder x --forse", ["--forse"]),
        ("daarion-gw certs def", ["def"]),
        ("--work 2", ["--work"]),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(command, wrong, helps, targets):
    (words,) = commands(f"```sh\n{command}\n```\n")
    assert wrong_words(words, helps, targets) == wrong


# links and names


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in HEADING.findall(page.read_text("utf-8"))}


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for link in LINK.findall(without_blocks(text)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str):
    assert broken_links(ROOT / name, PAGES[name]) == []


def test_a_link_to_nowhere_is_noticed():
    text = "[a](README.md) [b](READ.md) [c](README.md#tls) [d](README.md#tlz)"
    assert broken_links(ROOT / "README.md", text) == ["READ.md", "README.md#tlz"]


# Announced, and made by make.
NOT_THERE = {"policies/", ".venv/"}


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_and_folder_named_exists(name: str):
    for span in SPAN.findall(without_blocks(PAGES[name])):
        if re.fullmatch(r"[\w.]+/[\w./]*|\w+\.(?:py|yaml)", span):
            places = [ROOT / span, ROOT / "daarion_gw" / span, *ROOT.glob(f"tests/*/{span}")]
            assert any(place.exists() for place in places) or span in NOT_THERE, span


def test_every_part_of_the_house_has_its_line():
    house = blocks(PAGES["ARCHITECTURE.md"], "text")[0]
    parts = re.findall(r"^    daarion_gw\.(\w+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert "front" in parts
    for part in parts:
        assert f"\n  {part}/ " in house


# operating


def test_every_fault_has_its_row_with_its_status():
    told: dict[str, str] = {}
    for names, statuses, _ in rows(PAGES["docs/operating.md"], "Faults"):
        found = SPAN.findall(names)
        each = statuses.split(", ")
        told |= zip(found, each if len(each) > 1 else each * len(found), strict=True)
    # These three are nobody's yet.
    assert told == {each.name: str(each.status) for each in Fault}


def test_every_metric_named_is_shown():
    counters = Counters()
    counters.server("u", "h:1")
    counters.route("/x/", "u").failed("NOT_FOUND")
    counters.front.refuse(404)
    shown = Metrics(counters, "0").text("")[0].decode()
    for name in re.findall(r"`(daarion_\w+)`", PAGES["docs/operating.md"]):
        assert re.search(rf"^# TYPE {name} ", shown, re.MULTILINE), name


# the example of a gateway with resources beside its routes


def test_the_example_in_python_runs(tmp_path: Path):
    (program,) = blocks(PAGES["README.md"], "python")
    (tmp_path / "gateway.tac").write_text(program)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_text("a page")
    run = "from twisted.scripts.twistd import run; run()"
    gateway = GatewayProcess(
        tmp_path,
        'gateway: {listen: ["tcp:0:interface=127.0.0.1"], admin: off}',
        command=[sys.executable, "-c", run, "-n", "--pidfile=", "--python", "gateway.tac"],
    )

    def get(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.ports[0]}{path}") as answer:
            return answer.read()

    try:
        assert get("/docs/") == b"a page"
        assert get("/report/today") == b"GET /today\n"
        gateway.reload()
        assert get("/report/today") == b"GET /today\n"
        gateway.terminate()
        gateway.exit_code()
        assert "Traceback" not in gateway.output
    finally:
        gateway.kill()

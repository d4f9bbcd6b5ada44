"""Imports go downward only, and each third-party name has one home (ARCHITECTURE.md)."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "daarion_gw"

# From the lowest rung to the highest. What stands on one rung does not import its neighbours.
RUNGS = (
    ("errors", "pem"),
    ("wire", "config"),
    ("policies", "observe"),
    ("net",),
    ("upstream", "tls", "convert"),
    ("front",),
    ("admin", "demo"),
    ("service",),
    ("workers",),
    ("upgrade",),
    ("tap", "__main__", "plugin"),
)
RUNG_OF = {part: rung for rung, parts in enumerate(RUNGS) for part in parts}

WITHOUT_TWISTED = ("errors", "pem", "wire", "config", "policies", "observe", "convert")
# Third-party name → the files or folders in which it may stand.
HOMES = {
    "autobahn": ("daarion_gw/front/sides.py", "daarion_gw/demo/"),
    "OpenSSL": ("daarion_gw/tls/", "daarion_gw/upstream/security.py"),
    "cryptography": ("daarion_gw/tls/", "daarion_gw/pem.py"),
    "prometheus_client": ("daarion_gw/observe/",),
    # They block: nothing but what runs in a thread may know them.
    "acme": ("daarion_gw/tls/acme/authority.py",),
    "josepy": ("daarion_gw/tls/acme/authority.py",),
    "requests": ("daarion_gw/tls/acme/authority.py",),
}
# Importing the reactor installs one: only where one is chosen, or for type checkers.
REACTOR_HOMES = {
    ("daarion_gw/tap.py", "makeService"),
    ("daarion_gw/workers/worker.py", "main"),
    ("daarion_gw/demo/stand_in.py", None),
}


@dataclass(frozen=True)
class Import:
    """``file``, relative to the root, names ``module``; within which function, if any."""

    file: str
    line: int
    module: str
    function: str | None

    @property
    def part(self) -> str:
        """The part of the gateway that the file belongs to."""
        first, _, rest = self.file.partition("/")
        return rest.partition("/")[0].removesuffix(".py") if first == PACKAGE else "plugin"


def imports_of(root: Path) -> list[Import]:
    folders = [root / PACKAGE, root / "twisted"]
    return [
        found
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        for found in imports_in(path.relative_to(root).as_posix(), path.read_text("utf-8"))
    ]


def imports_in(file: str, source: str) -> Iterator[Import]:
    package = file.removesuffix(".py").split("/")[:-1]

    def walk(node: ast.AST, function: str | None) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for name in child.names:
                    yield Import(file, child.lineno, name.name, function)
            elif isinstance(child, ast.ImportFrom):
                above = package[: len(package) - child.level + 1] if child.level else []
                base = ".".join([*above, *([child.module] if child.module else [])])
                for name in child.names:
                    yield Import(file, child.lineno, f"{base}.{name.name}", function)
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from walk(child, child.name)
            else:
                yield from walk(child, function)

    return walk(ast.parse(source, file), None)


def complaints(imports: list[Import]) -> list[str]:
    """One sentence for each import that breaks a rule of the house."""
    return [
        f"{found.file}:{found.line}: {sentence}"
        for found in imports
        for judge in (layer, own_kind, home, reactor)
        if (sentence := judge(found)) is not None
    ]


def layer(found: Import) -> str | None:
    top, _, rest = found.module.partition(".")
    if top != PACKAGE:
        return None
    part, other = found.part, rest.partition(".")[0]
    if part == "__init__" or other == part:
        return None
    for name in (part, other):
        if name not in RUNG_OF and name != "__version__":
            return f"{name} stands on no rung: give it one in tests/test_layers.py"
    if other != "__version__" and RUNG_OF[part] <= RUNG_OF[other]:
        return f"{part} may not import {other}"
    return None


def own_kind(found: Import) -> str | None:
    top = found.module.partition(".")[0]
    if top == "twisted" and found.part in WITHOUT_TWISTED:
        return f"{found.part} may not import twisted"
    if found.part == "wire" and top != PACKAGE and top not in sys.stdlib_module_names:
        return f"wire may not import {top}: it knows the standard library alone"
    if found.part == "errors":
        return None if top in sys.stdlib_module_names else f"errors may not import {top}"
    return None


def home(found: Import) -> str | None:
    top = found.module.partition(".")[0]
    homes = HOMES.get(top)
    if homes is None or found.file.startswith(homes):
        return None
    return f"{found.part} may not import {top}: its home is {' or '.join(homes)}"


def reactor(found: Import) -> str | None:
    if not found.module.startswith("twisted.internet.reactor"):
        return None
    if {(found.file, found.function), (found.file, None)} & REACTOR_HOMES:
        return None
    return "the reactor may be imported where a process begins only"


def test_imports_go_downward_only():
    found = imports_of(ROOT)
    assert len(found) > 100
    assert complaints(found) == []


@pytest.mark.parametrize(
    ("file", "source", "sentences"),
    [
        ("front/x.py", "from daarion_gw.admin.site import Site", ["front may not import admin"]),
        ("front/x.py", "from daarion_gw import admin", ["front may not import admin"]),
        ("front/x.py", "import daarion_gw.service", ["front may not import service"]),
        ("front/x.py", "from ..admin import site", ["front may not import admin"]),
        ("front/x.py", "def f():\n    from ..admin import site", ["front may not import admin"]),
        ("wire/x.py", "from daarion_gw.config import load", ["wire may not import config"]),
        ("upstream/x.py", "from daarion_gw.tls import acme", ["upstream may not import tls"]),
        ("net/x.py", "from daarion_gw.upstream import pool", ["net may not import upstream"]),
        ("errors.py", "from daarion_gw.wire import faults", ["errors may not import wire",
                                                              "errors may not import daarion_gw"]),
        ("service.py", "from daarion_gw import tap", ["service may not import tap"]),
        ("wire/x.py", "from twisted.web import http", ["wire may not import twisted"]),
        ("config/x.py", "import twisted", ["config may not import twisted"]),
        ("observe/x.py", "from twisted.python import log", ["observe may not import twisted"]),
        ("wire/x.py", "import h11", [
            "wire may not import h11: it knows the standard library alone"]),
        ("front/x.py", "from autobahn.websocket import types", [
            "front may not import autobahn: its home is daarion_gw/front/sides.py or "
            "daarion_gw/demo/"]),
        ("front/x.py", "from OpenSSL import SSL", [
            "front may not import OpenSSL: its home is daarion_gw/tls/ or "
            "daarion_gw/upstream/security.py"]),
        ("upstream/x.py", "import cryptography.x509", [
            "upstream may not import cryptography: its home is daarion_gw/tls/ or "
            "daarion_gw/pem.py"]),
        ("admin/x.py", "import prometheus_client", [
            "admin may not import prometheus_client: its home is daarion_gw/observe/"]),
        ("tls/acme/x.py", "from acme import client", [
            "tls may not import acme: its home is daarion_gw/tls/acme/authority.py"]),
        ("front/x.py", "from twisted.internet import reactor", [
            "the reactor may be imported where a process begins only"]),
        ("tap.py", "from twisted.internet import reactor", [
            "the reactor may be imported where a process begins only"]),
        ("helpers/x.py", "from daarion_gw import wire", [
            "helpers stands on no rung: give it one in tests/test_layers.py"]),
        # What is allowed.
        ("tap.py", "def makeService():\n    from twisted.internet import reactor", []),
        ("demo/stand_in.py", "from twisted.internet import reactor", []),
        ("front/x.py", "from twisted.internet import defer\nfrom daarion_gw import wire", []),
        ("front/sides.py", "from autobahn.twisted import websocket", []),
        ("demo/sockets.py", "from autobahn.twisted import websocket", []),
        ("front/x.py", "from . import tree\nfrom .tree import Root", []),
        ("__main__.py", "from daarion_gw import __version__", []),
        ("service.py", "from daarion_gw.demo import service", []),
    ],
)  # fmt: skip
def test_each_broken_rule_is_named(tmp_path, file, source, sentences):
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    found = complaints(imports_of(tmp_path))
    assert [complaint.partition(": ")[2] for complaint in found] == sentences
    assert all(complaint.startswith(f"{PACKAGE}/{file}:") for complaint in found)


def test_the_plugin_stands_at_the_top(tmp_path):
    path = tmp_path / "twisted" / "plugins" / "daarion_gw_plugin.py"
    path.parent.mkdir(parents=True)
    path.write_text("from daarion_gw.tap import options\n")
    assert complaints(imports_of(tmp_path)) == [
        "twisted/plugins/daarion_gw_plugin.py:1: plugin may not import tap"
    ]
    path.write_text("from twisted.application.service import ServiceMaker\n")
    assert complaints(imports_of(tmp_path)) == []

"""From what the operator wrote to settings, or to every mistake in it at once.

Reads ``gateway.yaml``, ``.env`` and the variables it is given; it does not look at the process's
own environment or folder, so that its caller and its tests say what those are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from daarion_gw.config import addresses, defaults
from daarion_gw.config.document import Document, read_document
from daarion_gw.config.environment import DOTENV, Environment, read_environment
from daarion_gw.config.problems import ConfigurationError, Problem, UnfitError
from daarion_gw.config.reading import Reading
from daarion_gw.config.references import check_references
from daarion_gw.config.route_keys import parse_key
from daarion_gw.config.route_tests import RouteTest
from daarion_gw.config.settings import Route, RouteOptions, Server, Settings, Upstream
from daarion_gw.config.shape import WrittenFile, WrittenRoute, is_section
from daarion_gw.config.verdict import add_verdict

__all__ = ["ConfigurationError", "Problem", "find_file", "load"]

PLACES = ("gateway.yaml", "/etc/daarion-gw/gateway.yaml")


def find_file(given: str | None, cwd: Path) -> str | None:
    """The file to load: the one given, else the first of ``PLACES`` that exists, else None.

    A given file is not looked for: that it is missing is for ``load`` to say.
    """
    if given is not None:
        return given
    return next((place for place in PLACES if _stands(cwd / place)), None)


def load(
    path: str | None, environ: Mapping[str, str], cwd: Path, reading: Reading | None = None
) -> Settings:
    """Settings from the file at ``path`` (relative to ``cwd``), or from none for None.

    ``environ`` are the variables of the process; those of ``.env`` in ``cwd`` stand below them.
    ``reading`` is told of each file. Raises ``ConfigurationError`` with every mistake found.
    """
    reading = Reading() if reading is None else reading
    environment, problems = read_environment(environ, cwd, reading)
    if path is None:
        document, written = Document(""), WrittenFile()
    else:
        reading.note(cwd / path)
        document = _read(path, cwd, environment)
        written = _judge(document)
        problems += sorted(
            document.problems, key=lambda found: (found.line or 0, found.column or 0)
        )
    overrides: dict[str, Server] = {}
    if written.routes is None:
        overrides, wrong = _overrides(environment, written)
        problems += wrong
    if problems:
        raise ConfigurationError(problems)
    return _settings(written, overrides, path, _tests(written, document))


def _stands(path: Path) -> bool:
    # A link to nowhere or a closed folder is not to be taken for "no file": reading it will say.
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _read(path: str, cwd: Path, environment: Environment) -> Document:
    try:
        return read_document((cwd / path).read_text("utf-8-sig"), path, environment)
    except OSError as error:
        why = error.strerror or type(error).__name__
        problem = Problem(path, None, None, "", f"cannot be read: {why}")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        found = f"found the byte 0x{error.object[error.start]:02x}, which is not UTF-8"
        problem = Problem(path, line, column, "", found)
    return Document(path, broken={()}, problems=[problem])


def _judge(document: Document) -> WrittenFile:
    """What the file says; where it has mistakes they are noted, and an empty one is returned."""
    check_references(document)
    try:
        return WrittenFile.model_validate(_without_empty_sections(document.tree))
    except ValidationError as error:
        add_verdict(document, error)
        # Whether there is a routing table decides which variables are looked at.
        has_routes = isinstance(document.tree, dict) and document.tree.get("routes") is not None
        return WrittenFile(routes={} if has_routes else None)


def _without_empty_sections(value: object, path: tuple[str, ...] = ()) -> object:
    """A section whose keys are all commented out is an absent section, not a mistake."""
    if value is None and not path:
        return {}
    if not isinstance(value, dict):
        return value
    return {
        key: _without_empty_sections(inner, (*path, key))
        for key, inner in value.items()
        if not (inner is None and is_section((*path, key)))
    }


def _overrides(
    environment: Environment, written: WrittenFile
) -> tuple[dict[str, Server], list[Problem]]:
    """The servers that ``DAARION_<NAME>_URL`` names for the default table.

    An upstream that the file defines under the table's name is not looked for here.
    """
    servers: dict[str, Server] = {}
    problems: list[Problem] = []
    for name in defaults.PORTS:
        variable = defaults.variable(name)
        value, faults = environment.lookup(variable)
        file = "environment" if variable in environment.variables else DOTENV
        for fault in faults:
            found = (fault.found, fault.expected, fault.suggestion)
            problems.append(Problem(file, None, None, variable, *found))
        # Compose passes a variable that is not set on as an empty one.
        if faults or not value or name in written.upstreams:
            continue
        try:
            servers[name] = addresses.server(value)
        except UnfitError as error:
            found_words = error.reason or "no URL"
            problems.append(Problem(file, None, None, variable, found_words, error.expected))
    return servers, problems


def _tests(written: WrittenFile, document: Document) -> tuple[RouteTest, ...]:
    tests = []
    for number, test in enumerate(written.tests):
        path = document.nearest(("tests", number))
        place = document.values[path]
        hidden = any(each[: len(path)] == path for each in document.expanded)
        tests.append(test.settings(place.line, place.column, hidden))
    return tuple(tests)


def _settings(
    written: WrittenFile,
    overrides: dict[str, Server],
    path: str | None,
    tests: tuple[RouteTest, ...],
) -> Settings:
    general = written.gateway.defaults.options()
    upstreams = {name: upstream.settings(name) for name, upstream in written.upstreams.items()}
    gateway = written.gateway.gateway()
    if written.routes is None:
        table = defaults.upstreams(overrides)
        routes = defaults.routes(general)
        upstreams = {**table, **upstreams}
    else:
        builder = _Table(general, upstreams)
        routes = tuple(builder.route(key, route) for key, route in written.routes.items())
        upstreams = builder.upstreams
    return Settings(
        gateway=gateway,
        tls=written.tls,
        routes=routes,
        upstreams=upstreams,
        tests=tests,
        source=path,
    )


@dataclass(slots=True)
class _Table:
    """Makes routes of what is written, and an upstream of each ``to`` that is a URL."""

    general: RouteOptions
    upstreams: dict[str, Upstream]
    _made: set[str] = field(default_factory=set)

    def route(self, key: str, written: WrittenRoute) -> Route:
        host, path = parse_key(key)
        target = written.target
        name = target if isinstance(target, str) else self._upstream(key, target)
        options = defaults.overlay(self.general, written.options())
        return Route(key=key, host=host, path=path, upstream=name, **dict(options))

    def _upstream(self, key: str, servers: tuple[Server, ...]) -> str:
        """The name of the upstream of these servers; the default table's rows share theirs."""
        name = defaults.name_for(key) or key
        taken = self.upstreams.get(name)
        if taken is not None and (name not in self._made or taken.servers != servers):
            name = key
        self._made.add(name)
        self.upstreams[name] = Upstream(name=name, servers=servers)
        return name

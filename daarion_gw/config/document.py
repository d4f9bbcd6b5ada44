"""A YAML file as plain values, with the place of each key and value.

Reads YAML 1.2, replaces ``${…}``, and notes what is wrong with the text itself: syntax, keys
written twice, unknown variables. What the keys mean is not known here.

The tree of nodes is read instead of a loaded tree because it shows what a loader hides or stops
at: every duplicate key, and the text as it was written, which is what an error message shows in
place of an expanded value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from daarion_gw.config.environment import Environment
from daarion_gw.config.problems import Problem

KeyPath = tuple[str | int, ...]

_TAG: Final = "tag:yaml.org,2002:"
_BASES: Final = {"0o": 8, "0x": 16, "0b": 2}
_LONGEST_SHOWN: Final = 80
# Aliases of aliases can make a small file huge; no gateway has this many settings.
_MOST_VALUES: Final = 100_000
_BLANKS: Final = "blanks: YAML is not indented with tabs"
_DEPTH: Final = "keys of one mapping below each other, and quotes around a value with a colon"
_QUOTES: Final = "quotes around a ${…} that stands inside of { } or [ ]"


class _TooLargeError(Exception):
    """The file holds more values than anyone could have meant."""


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1, and what stands there in the file's own words."""

    line: int
    column: int
    written: str = ""


@dataclass(slots=True, repr=False)
class Document:
    """What a file says. The values may hold secrets, hence no repr.

    ``tree``: dicts with text keys, lists, text, numbers, booleans, None. ``keys`` and ``values``:
    the place of each key path. ``expanded``: the paths whose value came out of a ``${…}``.
    ``broken``: those whose value could not be found out; their problem is told already.
    """

    file: str
    tree: object = None
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    expanded: set[KeyPath] = field(default_factory=set)
    broken: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        path: KeyPath,
        found: str,
        expected: str | None = None,
        suggestion: str | None = None,
        *,
        at_key: bool = False,
    ) -> None:
        """Note a problem with the value (or the key) at ``path`` or at what holds it."""
        path = self.nearest(path)
        if any(path[:length] in self.broken for length in range(len(path) + 1)):
            return
        places = self.keys if at_key and path in self.keys else self.values
        place = places.get(path)
        line, column = (place.line, place.column) if place else (1, 1)
        problem = Problem(self.file, line, column, self.key_text(path), found, expected, suggestion)
        if problem not in self.problems:
            self.problems.append(problem)

    def nearest(self, path: KeyPath) -> KeyPath:
        """The innermost place of the file on the way along ``path``.

        Steps that the file does not have are left out: a short form (``/api/: [URL, URL]``)
        stands for keys that nobody wrote.
        """
        here: KeyPath = ()
        for part in path:
            if (*here, part) in self.values:
                here = (*here, part)
        return here

    def key_text(self, path: KeyPath) -> str:
        """``routes./api/.to[1]``, in the file's own words."""
        text = ""
        for length in range(1, len(path) + 1):
            part = path[length - 1]
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                place = self.keys.get(path[:length])
                text += ("." if text else "") + (place.written if place else part)
        return text

    def shown(self, path: KeyPath) -> str:
        """The value at ``path`` in words fit for a message: never an expanded one."""
        path = self.nearest(path)
        value = self.at(path)
        if isinstance(value, dict):
            return "a mapping"
        if isinstance(value, list):
            return "a list"
        if value is None or value == "":
            return "nothing"
        if path and path[-1] == "secret":
            return "a secret"
        written = _presentable(self.values[path].written)
        return f'"{written}"' if isinstance(value, str) else written

    def at(self, path: KeyPath) -> object:
        """The value at ``path``, which must be there."""
        value = self.tree
        for part in path:
            assert isinstance(value, dict | list)
            value = value[part]  # type: ignore[index]
        return value


def read_document(text: str, file: str, environment: Environment) -> Document:
    """The document in ``text``; its ``problems`` hold every mistake of the text itself."""
    document = Document(file)
    try:
        yaml = YAML(typ="safe", pure=True)
        # An anchor that is defined again is good YAML; the later one counts from there on.
        yaml.composer.warn_double_anchors = False
        node = yaml.compose(text)
        if node is not None:
            document.tree = _Builder(document, environment).value(node, ())
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        _not_yaml(document, line, column, f"the character U+{code:04X} is not allowed")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        context = error.context
        if context and error.context_mark and error.context_mark.line + 1 != line:
            context += f" that began on line {error.context_mark.line + 1}"
        why = ", ".join(word for word in (context, error.problem) if word)
        _not_yaml(document, line, column, why, _remedy(why, text.splitlines()[line - 1 : line]))
    except YAMLError as error:
        _not_yaml(document, 1, 1, type(error).__name__)
    except _TooLargeError:
        _not_yaml(document, 1, 1, f"more than {_MOST_VALUES} values")
    except RecursionError:
        _not_yaml(document, 1, 1, "nested too deeply")
    return document


def _remedy(why: str, lines: list[str]) -> str | None:
    """What was forgotten, for those mistakes that everybody makes. lines: where it was found."""
    if "flow" in why and any("${" in line for line in lines):
        return _QUOTES
    if "'\\t'" in why:
        return _BLANKS
    return _DEPTH if "mapping values are not allowed" in why else None


def _not_yaml(
    document: Document, line: int, column: int, why: str, expected: str | None = None
) -> None:
    # A document that did not load has no values: nothing else can be said of it.
    document.tree = None
    document.broken.add(())
    found = f"not YAML: {why}"
    document.problems.append(Problem(document.file, line, column, "", found, expected))


@dataclass(slots=True, repr=False)
class _Builder:
    """Walks the nodes once and fills a document."""

    document: Document
    environment: Environment
    _open: list[Node] = field(default_factory=list)

    def value(self, node: Node, path: KeyPath) -> object:
        """The plain value of ``node``, its place noted under ``path``."""
        if len(self.document.values) >= _MOST_VALUES:
            raise _TooLargeError
        written = node.value if isinstance(node, ScalarNode) else ""
        self.document.values[path] = _place(node, written)
        if any(node is outer for outer in self._open):
            self._broken(path, "found an alias that holds itself", "a value")
            return None
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, n)) for n, item in enumerate(node.value)]
            assert isinstance(node, ScalarNode)
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        done: dict[str, object] = {}
        for key, key_node, value_node in self._pairs(node, path):
            inner = (*path, key)
            if key in done:
                self._written_twice(inner, key_node)
                continue
            self.document.keys[inner] = _place(key_node, key_node.value)
            done[key] = self.value(value_node, inner)
            if done[key] is None and not self.document.values[inner].written:
                # The end of an empty value is somewhere below; its key is what the eye finds.
                self.document.values[inner] = _place(key_node, "")
        # What "<<" brings in stands below what the mapping says itself.
        for key, key_node, value_node in self._merged(node, path):
            if key not in done:
                self.document.keys[(*path, key)] = _place(key_node, key_node.value)
                done[key] = self.value(value_node, (*path, key))
        return done

    def _pairs(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, ScalarNode, Node]]:
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                place = _place(key_node, "")
                self._problem(place, path, "found a list or a mapping as a key", "text")
            elif key_node.tag != _TAG + "merge":
                key, faults = self.environment.expand(key_node.value)
                for fault in faults:
                    inner = (*path, key_node.value)
                    place = _place(key_node, "")
                    self._problem(place, inner, fault.found, fault.expected, fault.suggestion)
                if not faults:
                    yield key, key_node, value_node

    def _merged(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, ScalarNode, Node]]:
        for key_node, value_node in node.value:
            if key_node.tag != _TAG + "merge":
                continue
            sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            for source in sources:
                if not isinstance(source, MappingNode):
                    place = _place(source, "")
                    self._problem(place, path, 'found no mapping after "<<"', "an alias of one")
                elif not any(source is outer for outer in self._open):
                    self._open.append(source)
                    yield from self._pairs(source, path)
                    yield from self._merged(source, path)
                    self._open.pop()

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        tag = str(node.tag or "")
        if tag == _TAG + "null":
            return None
        if tag == _TAG + "bool":
            return node.value.lower() in ("true", "yes", "on")
        if tag in (_TAG + "int", _TAG + "float"):
            return _number(node.value)
        if tag not in (_TAG + "str", _TAG + "timestamp"):
            self._broken(path, f'found the tag "{tag}"', "a value without a tag")
            return None
        text, faults = self.environment.expand(node.value)
        if text != node.value:
            self.document.expanded.add(path)
        for fault in faults:
            self._broken(path, fault.found, fault.expected, fault.suggestion)
        return text

    def _written_twice(self, path: KeyPath, again: ScalarNode) -> None:
        first = self.document.keys[path]
        self._problem(_place(again, ""), path, f"written twice, first on line {first.line}")

    def _broken(
        self, path: KeyPath, found: str, expected: str | None, suggestion: str | None = None
    ) -> None:
        self._problem(self.document.values[path], path, found, expected, suggestion)
        self.document.broken.add(path)

    def _problem(
        self,
        place: Place,
        path: KeyPath,
        found: str,
        expected: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        key = self.document.key_text(path)
        self.document.problems.append(
            Problem(self.document.file, place.line, place.column, key, found, expected, suggestion)
        )


def _place(node: Node, written: str) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1, written)


def _number(text: str) -> int | float | str:
    """A number of YAML 1.2; what Python has no number for stays text and is judged as such."""
    plain = text.replace("_", "").lower()
    try:
        return int(plain, _BASES.get(plain.lstrip("+-")[:2], 10))
    except ValueError:
        pass
    try:
        return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text


def _presentable(written: str) -> str:
    """One line of bounded length, without a password that stands in a URL."""
    line = re.sub(r"//[^/@\s]*@", "//…@", " ".join(written.split()))
    return line if len(line) <= _LONGEST_SHOWN else line[:_LONGEST_SHOWN] + "…"

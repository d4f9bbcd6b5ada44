"""Where ``${NAME}`` in a value comes from: the environment, then ``.env``, then a file.

    ${NAME}             the variable; not set anywhere is a mistake
    ${NAME:-default}    the variable, or what follows where it is not set or empty
    ${file:/path}       what the file holds, without line ends at its end
    $${                 the characters ${ themselves

Any other ``$`` stands for itself. What comes out may be a secret: no fault, repr or problem made
here repeats a value, only names. Knows nothing of YAML.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv.parser import parse_stream

from daarion_gw.config.problems import Problem, closest
from daarion_gw.config.reading import Reading

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMS = "${NAME}, ${NAME:-default} or ${file:/path}"
DOTENV = ".env"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a ``${…}`` cannot be replaced, in the words of ``Problem``."""

    found: str
    expected: str | None = None
    suggestion: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """The variables of the process above those of ``.env``; files are relative to ``folder``.

    ``reading`` is told of each file before it is read.
    """

    variables: Mapping[str, str]
    dotenv: Mapping[str, str]
    folder: Path
    reading: Reading = field(default_factory=Reading)
    _resolving: frozenset[str] = field(default=frozenset())

    def lookup(self, name: str) -> tuple[str | None, list[Fault]]:
        """The value of a variable, or None; a value in ``.env`` may refer to others."""
        if name in self.variables:
            return self.variables[name], []
        if name in self._resolving or name not in self.dotenv:
            return None, []
        # A name does not see itself, so that A=${A} ends as "not set" instead of never.
        inner = replace(self, _resolving=self._resolving | {name})
        return inner.expand(self.dotenv[name])

    def expand(self, text: str) -> tuple[str, list[Fault]]:
        """``text`` with each ``${…}`` replaced, and the faults of those that could not be."""
        done: list[str] = []
        faults: list[Fault] = []
        at = 0
        while (start := text.find("${", at)) != -1:
            if text[start - 1 : start] == "$" and start > at:
                done.append(text[at : start - 1] + "${")
                at = start + 2
                continue
            end = _closing_brace(text, start + 2)
            if end is None:
                faults.append(Fault('a "${" without its "}"', _FORMS))
                return "".join(done), faults
            value, wrong = self._replace(text[start + 2 : end])
            done += text[at:start], value
            faults += wrong
            at = end + 1
        done.append(text[at:])
        return "".join(done), faults

    def _replace(self, body: str) -> tuple[str, list[Fault]]:
        if body.startswith("file:"):
            return self._file(body.removeprefix("file:"))
        name, has_default, default = body.partition(":-")
        if not _NAME.fullmatch(name):
            # Inside of a variable it may be a piece of a password that is no reference at all.
            shown = "…" if self._resolving else body
            return "", [Fault(f'found "${{{shown}}}"', _FORMS)]
        value, faults = self.lookup(name)
        if has_default and not value and not faults:
            return self.expand(default)
        if value is None:
            return "", [self._not_set(name)]
        return value, faults

    def _file(self, written: str) -> tuple[str, list[Fault]]:
        path, faults = self.expand(written)
        if faults:
            return "", faults
        self.reading.note(self.folder / path)
        try:
            return (self.folder / path).read_text("utf-8").rstrip("\r\n"), []
        except OSError as error:
            why = error.strerror or type(error).__name__
        except ValueError:
            # Not UTF-8, or a path with a NUL in it.
            why = "it is no text"
        return "", [Fault(f'"${{file:{written}}}" cannot be read: {why}')]

    def _not_set(self, name: str) -> Fault:
        return Fault(
            f"variable {name} is not set",
            f"a value in the environment or in {DOTENV}, or a default: ${{{name}:-…}}",
            closest(name, [*self.variables, *self.dotenv], cutoff=0.75),
        )


def read_environment(
    variables: Mapping[str, str], folder: Path, reading: Reading | None = None
) -> tuple[Environment, list[Problem]]:
    """The variables given and those of ``.env`` in ``folder``, with what is wrong in that file."""
    reading = Reading() if reading is None else reading
    reading.note(folder / DOTENV)
    try:
        text = (folder / DOTENV).read_text("utf-8-sig")
    except FileNotFoundError:
        return Environment(variables, {}, folder, reading), []
    except OSError as error:
        problem = Problem(DOTENV, None, None, "", f"cannot be read: {error.strerror}")
        return Environment(variables, {}, folder, reading), [problem]
    except UnicodeDecodeError:
        problem = Problem(DOTENV, None, None, "", "cannot be read: it is not UTF-8")
        return Environment(variables, {}, folder, reading), [problem]
    dotenv, problems = _parse_dotenv(text)
    return Environment(variables, dotenv, folder, reading), problems


def _parse_dotenv(text: str) -> tuple[dict[str, str], list[Problem]]:
    """``dotenv_values`` would only log a line that it cannot read; here it is a mistake."""
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # The parser counts blank lines before a statement to the statement.
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            problems.append(Problem(DOTENV, line, 1, "", "found no NAME=value", "NAME=value"))
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values, problems


def _closing_brace(text: str, at: int) -> int | None:
    """Where the brace stands that closes the one before ``at``; defaults may nest."""
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return None

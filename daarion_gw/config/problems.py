"""How a mistake in the configuration is told to the operator.

Plain data and text. Knows neither YAML nor the settings; whoever finds a mistake makes a
``Problem`` of it, and ``ConfigurationError`` carries all of them at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class UnfitError(ValueError):
    """A value that its setting cannot take.

    ``expected`` says what would fit, ``reason`` what is wrong with this value where that is not
    plain from seeing it, ``suggestion`` what was probably meant. The value may be a secret that
    came out of the environment: only ``suggestion`` may repeat it, and is dropped then.
    """

    def __init__(
        self, expected: str, *, reason: str | None = None, suggestion: str | None = None
    ) -> None:
        super().__init__(expected)
        self.expected = expected
        self.reason = reason
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands, what was found there and what was expected instead.

    ``line`` and ``column`` count from 1 and are None where there is no position (a file that is
    missing, a variable of the environment). ``key`` is the path of keys as the file has them
    (``routes./api/.timeouts``), empty for the file as a whole.
    """

    file: str
    line: int | None
    column: int | None
    key: str
    found: str
    expected: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)

    @property
    def where(self) -> str:
        """``gateway.yaml:12:5``, or the file's name alone."""
        if self.line is None:
            return self.file
        return f"{self.file}:{self.line}:{self.column or 1}"

    @property
    def message(self) -> str:
        """What was found, what was expected, what was probably meant, as one sentence."""
        text = self.found
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.suggestion is not None:
            text += f'; did you mean "{self.suggestion}"?'
        return text


class ConfigurationError(Exception):
    """The configuration cannot be used; ``problems`` names every mistake, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of ``known`` that was probably meant by ``word``, in whatever case, or None."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=cutoff)
    return names[found[0]] if found else None

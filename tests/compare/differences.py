"""What differs, and the list of differences that are meant, read from differences.yaml.

An entry of the list:

    - facet: client/field/server        # fnmatch pattern of a facet's name
      cases: ["*"]                      # fnmatch patterns of names of cases; each must occur
      nginx: "^nginx"                   # optional: the value has to match this expression
      gateway: ...                      # the same for the other side; (absent) when it is missing
      reason: why it is so and why it is right
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ruamel.yaml import YAML

from tests.compare.facets import ABSENT, Facets

LIST = Path(__file__).with_name("differences.yaml")

_PARTS_OF_AN_ANSWER = [
    "body",
    "declared",
    "field/",
    "framing",
    "interim",
    "order",
    "reason",
    "status",
    "trailers",
    "version",
    "whole",
]


@dataclass(frozen=True)
class Difference:
    """One facet of one case that is not the same behind both proxies."""

    case: str
    facet: str
    nginx: str
    gateway: str

    def __str__(self) -> str:
        return (
            f"{self.case}: {self.facet}\n"
            f"    nginx:   {self.nginx[:300]}\n"
            f"    gateway: {self.gateway[:300]}"
        )


@dataclass(frozen=True)
class Listed:
    """One entry of the list."""

    facet: str
    cases: tuple[str, ...]
    reason: str
    nginx: str = ""
    gateway: str = ""

    def pattern_for(self, difference: Difference) -> str | None:
        """Return the pattern of a case under which this entry covers the difference."""
        if not (
            fnmatchcase(_unnumbered(difference.facet), self.facet)
            and re.search(self.nginx, difference.nginx)
            and re.search(self.gateway, difference.gateway)
        ):
            return None
        return next((each for each in self.cases if fnmatchcase(difference.case, each)), None)


def _unnumbered(facet: str) -> str:
    return re.sub(r"^(client|upstream)/\d+/", r"\1/", facet)


# When the second differs, whatever else begins with the first says nothing more.
_CAUSES = (
    ("upstream/", "upstream/requests"),
    *((f"client/{kind}", "client/status") for kind in _PARTS_OF_AN_ANSWER),
)


def compare(case: str, nginx: Facets, gateway: Facets) -> list[Difference]:
    """All facets that are not the same, without those that only follow from another one."""
    pairs = (
        (name, nginx.get(name, ABSENT), gateway.get(name, ABSENT))
        for name in sorted(nginx.keys() | gateway.keys())
        if not _follows(name, nginx, gateway)
    )
    return [Difference(case, name, left, right) for name, left, right in pairs if left != right]


def _follows(name: str, nginx: Facets, gateway: Facets) -> bool:
    """Whether another facet that is not the same already tells what this one would."""
    return any(
        name.startswith(beginning) and name != cause and nginx.get(cause) != gateway.get(cause)
        for beginning, cause in _CAUSES
    )


def read_list(path: Path = LIST) -> list[Listed]:
    """Read the list; a wrong entry is a TypeError that names it."""
    entries = YAML(typ="safe").load(path) or []
    return [Listed(**{**entry, "cases": tuple(entry["cases"])}) for entry in entries]


def judge(found: Iterable[Difference], listed: list[Listed]) -> tuple[list[Difference], list[str]]:
    """Return (differences that no entry covers, entries or their patterns that cover nothing)."""
    used: dict[int, set[str]] = {number: set() for number in range(len(listed))}
    unlisted = []
    for difference in found:
        for number, entry in enumerate(listed):
            pattern = entry.pattern_for(difference)
            if pattern is not None:
                used[number].add(pattern)
                break
        else:
            unlisted.append(difference)
    stale = [
        f"{entry.facet}: {pattern} ({entry.reason})"
        for number, entry in enumerate(listed)
        for pattern in entry.cases
        if pattern not in used[number]
    ]
    return unlisted, stale


def by_facet(found: Iterable[Difference]) -> Mapping[str, list[Difference]]:
    """Group them, so that one cause is seen as one."""
    groups: dict[str, list[Difference]] = {}
    for difference in found:
        groups.setdefault(_unnumbered(difference.facet), []).append(difference)
    return groups

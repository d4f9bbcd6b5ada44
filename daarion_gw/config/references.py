"""What can only be judged by looking at more than one value of the file.

Upstreams that are named but not there, routes that can never match, routes that are the same,
routes that want certificates which nobody is asked for.
Looks at the document as it is read, not at the models, so that these mistakes are told together
with those of single values.
"""

from __future__ import annotations

import re

from daarion_gw.config.document import Document, KeyPath
from daarion_gw.config.problems import UnfitError, closest
from daarion_gw.config.route_keys import parse_key

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def check_references(document: Document) -> None:
    """Note these mistakes in ``document``; values of a wrong kind are left to others."""
    upstreams = _mapping(document, "upstreams")
    for name in upstreams:
        _check_name(document, name)
    is_asked = _asks_for_certificates(document)
    if not is_asked:
        defaults = _mapping(document, "gateway").get("defaults")
        _check_demand(document, ("gateway", "defaults"), defaults)
    seen: dict[tuple[str | None, str], KeyPath] = {}
    for key, route in _mapping(document, "routes").items():
        _check_key(document, key, seen)
        to = route.get("to") if isinstance(route, dict) else route
        path = ("routes", key, "to") if isinstance(route, dict) else ("routes", key)
        if isinstance(to, str):
            _check_target(document, path, to, upstreams)
        if not is_asked:
            _check_demand(document, ("routes", key), route)


def _asks_for_certificates(document: Document) -> bool:
    return isinstance(_mapping(document, "tls").get("client_certificates"), dict)


def _check_demand(document: Document, place: KeyPath, options: object) -> None:
    """A route that wants what no client is asked for is closed to all."""
    if isinstance(options, dict) and options.get("client_certificate") == "required":
        document.add(
            (*place, "client_certificate"),
            "no client is asked for a certificate",
            "tls: {client_certificates: {ca: FILE}} beside it",
        )


def _mapping(document: Document, name: str) -> dict[str, object]:
    section = document.tree.get(name) if isinstance(document.tree, dict) else None
    return section if isinstance(section, dict) else {}


def _check_name(document: Document, name: str) -> None:
    if not _NAME.fullmatch(name):
        document.add(
            ("upstreams", name),
            "found a name that no upstream can have",
            "letters, digits, dots, hyphens and underscores",
            at_key=True,
        )


def _check_key(document: Document, key: str, seen: dict[tuple[str | None, str], KeyPath]) -> None:
    here: KeyPath = ("routes", key)
    try:
        parsed = parse_key(key)
    except UnfitError as error:
        found = error.reason or "found no route key"
        expanded = document.keys[here].written != key
        suggestion = None if expanded else error.suggestion
        document.add(here, found, error.expected, suggestion, at_key=True)
        return
    first = seen.setdefault(parsed, here)
    if first != here:
        line = document.keys[first].line
        document.add(here, f"never matches: the same route stands on line {line}", at_key=True)


def _check_target(document: Document, path: KeyPath, to: str, upstreams: dict[str, object]) -> None:
    if not to or set(to) & set(":/") or to in upstreams:
        return
    near = None if path in document.expanded else closest(to, upstreams)
    known = f"a URL or one of {', '.join(upstreams)}" if upstreams else "a URL"
    found = f"no upstream is named {document.shown(path)}"
    document.add(path, found, None if near else known, near)

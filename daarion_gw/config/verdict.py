"""What pydantic found, as problems in plain words at a place in the file.

The one home of pydantic's error types. Its own wording never gets out: it speaks of models and
types, and the reader wrote a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from daarion_gw.config.document import Document, KeyPath
from daarion_gw.config.problems import UnfitError, closest
from daarion_gw.config.shape import model_at

_MAPPINGS = frozenset({"dict_type", "mapping_type", "model_type", "model_attributes_type"})


def add_verdict(document: Document, error: ValidationError) -> None:
    """Note every mistake of ``error`` in ``document``."""
    for detail in error.errors(include_url=False, include_input=False):
        path: KeyPath = detail["loc"]
        match detail["type"]:
            case "extra_forbidden":
                _unknown_key(document, path)
            case "missing":
                _missing_key(document, path)
            case _:
                _unfit_value(document, path, detail["type"], detail.get("ctx", {}))


def _unknown_key(document: Document, path: KeyPath) -> None:
    model = model_at(path[:-1])
    known = sorted(model.model_fields) if model else []
    near = closest(str(path[-1]), known)
    expected = None if near or not known else f"one of {', '.join(known)}"
    document.add(path, "unknown key", expected, near, at_key=True)


def _missing_key(document: Document, path: KeyPath) -> None:
    document.add(path[:-1], f'the key "{path[-1]}" is missing', at_key=True)


def _unfit_value(document: Document, path: KeyPath, kind: str, context: Mapping[str, Any]) -> None:
    found = f"found {document.shown(path)}"
    cause = context.get("error")
    suggestion: str | None = None
    if isinstance(cause, UnfitError):
        expected = cause.expected
        suggestion = cause.suggestion
        if cause.reason is not None:
            found += f" ({cause.reason})"
    elif kind == "literal_error":
        words = [word.strip("'") for word in str(context["expected"]).split(" or ")]
        names = [name.strip("' ") for word in words for name in word.split(",")]
        expected = f"one of {', '.join(names)}"
        value = document.at(document.nearest(path))
        suggestion = closest(value, names) if isinstance(value, str) else None
    else:
        expected = _mapping(document.nearest(path)) if kind in _MAPPINGS else "text"
    if document.nearest(path) in document.expanded:
        suggestion = None
    document.add(path, found, expected, suggestion)


def _mapping(path: KeyPath) -> str:
    model = model_at(path)
    return f"a mapping with keys of {', '.join(model.model_fields)}" if model else "a mapping"

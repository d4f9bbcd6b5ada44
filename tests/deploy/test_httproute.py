"""httproute.yaml against a model of our own.

kubernetes-validate carries no schema for it: HTTPRoute is a custom resource. The models below are
the part of the Gateway API that the file may use, written from its reference, strict in names,
types and the rules that its schema states as CEL expressions.
https://gateway-api.sigs.k8s.io/reference/spec/#httproute
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from daarion_gw.config import defaults
from tests.deploy.checkers import ROOT, Stack, documents

FILE = ROOT / "deploy" / "kubernetes" / "httproute.yaml"

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Hostname = Annotated[
    str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9][-a-z0-9]*)*$")
]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^#?\s]*$", max_length=1024)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PathMatch(Strict):
    type: Literal["PathPrefix", "Exact"] = "PathPrefix"
    value: AbsolutePath

    @model_validator(mode="after")
    def is_clean(self) -> Self:
        """The CRD refuses these in PathPrefix and Exact."""
        for part in ("//", "/./", "/../", "%2f", "%2F"):
            if part in self.value:
                raise ValueError(f"{self.value} contains {part}")
        return self


class Match(Strict):
    path: PathMatch


class PathModifier(Strict):
    type: Literal["ReplacePrefixMatch"]
    replacePrefixMatch: AbsolutePath


class UrlRewrite(Strict):
    path: PathModifier


class Filter(Strict):
    type: Literal["URLRewrite"]
    urlRewrite: UrlRewrite


class Backend(Strict):
    name: Label
    port: Annotated[int, Field(ge=1, le=65535)]


class Rule(Strict):
    matches: Annotated[list[Match], Field(min_length=1, max_length=64)]
    filters: Annotated[list[Filter], Field(max_length=16)] = []
    backendRefs: Annotated[list[Backend], Field(max_length=16)] = []

    @model_validator(mode="after")
    def replaces_a_prefix_that_is_one(self) -> Self:
        """CEL: ReplacePrefixMatch goes with exactly one match, and that is a PathPrefix."""
        if self.filters and [match.path.type for match in self.matches] != ["PathPrefix"]:
            raise ValueError("ReplacePrefixMatch takes exactly one match of type PathPrefix")
        if len(self.filters) > 1:
            raise ValueError("URLRewrite may stand once in a rule")
        return self


class Parent(Strict):
    name: Label


class Spec(Strict):
    parentRefs: Annotated[list[Parent], Field(min_length=1, max_length=32)]
    hostnames: Annotated[list[Hostname], Field(max_length=16)]
    rules: Annotated[list[Rule], Field(min_length=1, max_length=16)]


class Metadata(Strict):
    name: Label
    namespace: Label


class HttpRoute(Strict):
    apiVersion: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: Metadata
    spec: Spec


def load(path: Path) -> HttpRoute:
    (found,) = documents(path)
    return HttpRoute.model_validate(found)


def rows(route: HttpRoute) -> dict[str, tuple[str, int, bool]]:
    return {
        match.path.value: (backend.name, backend.port, bool(rule.filters))
        for rule in route.spec.rules
        for match in rule.matches
        for backend in rule.backendRefs
    }


def test_the_model_accepts_it() -> None:
    assert load(FILE).spec.hostnames == ["app.daarion.city"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gateway.networking.k8s.io/v1\n", "gateway.networking.k8s.io/v1alpha1\n"),
        ("type: PathPrefix, value: /api/", "type: Prefix, value: /api/"),
        ("type: PathPrefix, value: /api/", "type: Exact, value: /api/"),
        ("type: PathPrefix, value: /api/", "type: PathPrefix, value: api/"),
        ("type: PathPrefix, value: /api/", "type: PathPrefix, value: //api/"),
        ("urlRewrite:", "urlrewrite:"),
        ("ReplacePrefixMatch, replacePrefixMatch", "ReplaceFullPath, replacePrefixMatch"),
        ("port: 8000", 'port: "8000"'),
        ("port: 8000", "port: 80000"),
        ("backendRefs:", "backends:"),
        ("hostnames: [app", "hostnames: [App"),
    ],
)
def test_the_model_sees_what_is_broken(stack: Stack, old: str, new: str) -> None:
    stack.replace("kubernetes/httproute.yaml", old, new)

    with pytest.raises(ValidationError):
        load(stack.folder / "kubernetes" / "httproute.yaml")


def test_the_route_is_the_default_table() -> None:
    expected: dict[str, Any] = {
        row.path: (row.upstream, defaults.PORTS[row.upstream], row.options.strip_prefix)
        for row in defaults.TABLE
    }

    assert rows(load(FILE)) == expected


def test_what_the_table_denies_leads_nowhere() -> None:
    nowhere = {
        match.path.value
        for rule in load(FILE).spec.rules
        if not rule.backendRefs
        for match in rule.matches
    }

    assert nowhere == {row.path + path for row in defaults.TABLE for path in row.options.deny}


def test_the_prefix_is_replaced_by_the_root() -> None:
    replaced = {
        each.urlRewrite.path.replacePrefixMatch
        for rule in load(FILE).spec.rules
        for each in rule.filters
    }

    assert replaced == {"/"}

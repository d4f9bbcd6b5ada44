"""A YAML file as values with places."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.document import Document, read_document
from daarion_gw.config.environment import Environment

NOTHING = Environment({}, {}, Path())


def read(text: str, **variables: str) -> Document:
    return read_document(text, "g.yaml", Environment(variables, {}, Path()))


def test_values_are_plain_and_yaml_1_2() -> None:
    document = read("""
        text: yes
        quoted: "1"
        numbers: [1, 010, 0o17, 0x1F, -5, 1.5, 1e3, 1_000]
        switches: [true, False]
        nothing: [null, ~, ]
        date: 2026-01-02
        time: 10:30
        1: one
        """)
    assert document.problems == []
    assert document.tree == {
        "text": "yes",
        "quoted": "1",
        "numbers": [1, 10, 15, 31, -5, 1.5, 1000.0, 1000],
        "switches": [True, False],
        "nothing": [None, None],
        "date": "2026-01-02",
        "time": "10:30",
        "1": "one",
    }


def test_each_key_and_value_has_its_place() -> None:
    document = read("a:\n  b: [x, {c: y}]\nd:\ne: 1\n")
    place = document.values[("a", "b", 1, "c")]
    assert (place.line, place.column, place.written) == (2, 14, "y")
    assert (document.keys[("a", "b")].line, document.keys[("a", "b")].column) == (2, 3)
    assert document.key_text(("a", "b", 1, "c")) == "a.b[1].c"
    # A value that is not there has the place of its key, not that of what follows.
    assert (document.values[("d",)].line, document.values[("d",)].column) == (3, 1)


def test_an_expanded_value_is_shown_as_it_is_written() -> None:
    document = read("a: x${B}\n${B}: 1\n", B="hunter2")
    assert document.tree == {"a": "xhunter2", "hunter2": 1}
    assert document.shown(("a",)) == '"x${B}"'
    assert document.expanded == {("a",)}
    assert document.key_text(("hunter2",)) == "${B}"
    assert "hunter2" not in repr(document)


def test_a_shown_value_is_one_line_of_bounded_length() -> None:
    document = read('a: "one\n\n  two"\nb: ' + "x" * 500 + "\n")
    assert document.shown(("a",)) == '"one two"'
    assert len(document.shown(("b",))) < 100


def test_a_merged_key_stands_below_one_that_is_written() -> None:
    document = read("""
        base: &base {a: 1, b: 1, c: 1}
        more: &more {c: 2, d: 2}
        one: {<<: *base, a: 3}
        two: {<<: [*more, *base]}
        """)
    assert document.problems == []
    assert document.at(("one",)) == {"a": 3, "b": 1, "c": 1}
    assert document.at(("two",)) == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a, b: 1}"])
def test_an_alias_that_holds_itself_ends(text: str) -> None:
    document = read(text)
    assert document.problems or document.tree == {"a": {"b": 1}}


def test_nothing_is_said_below_a_value_that_is_not_known() -> None:
    document = read("a: ${NO}\n")
    assert len(document.problems) == 1
    document.add(("a",), "found nothing")
    document.add(("a", "b", 0), "found nothing")
    assert len(document.problems) == 1


# JSON is YAML 1.2, but for characters that YAML does not take as they are.
TEXTS = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"],
        exclude_characters="\ufeff",
    )
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(TREES.filter(lambda tree: "$" not in repr(tree)))
def test_json_reads_as_what_it_means(tree: object) -> None:
    document = read_document(json.dumps(tree, ensure_ascii=False), "g.yaml", NOTHING)
    assert document.problems == []
    assert document.tree == tree


@given(st.text(alphabet="ab:-[]{}&*!<>|#'\"\n\t ,?%@${}~0", max_size=40))
def test_any_text_is_a_document_or_has_a_problem(text: str) -> None:
    document = read_document(text, "g.yaml", NOTHING)
    for problem in document.problems:
        assert problem.line is not None and problem.line >= 1
    for path in document.values:
        if path not in document.broken:
            document.shown(path)


def test_an_anchor_may_be_defined_again() -> None:
    document = read("{a: &x 1, b: *x, c: &x 2, d: *x}")
    assert (document.tree, document.problems) == ({"a": 1, "b": 1, "c": 2, "d": 2}, [])

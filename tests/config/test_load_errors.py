"""Every mistake is told, at its place, in words: golden files.

``tests/cases/config/NAME.yaml`` is loaded with the variables below; ``NAME.txt`` beside it is what
the operator must then read.
"""

from pathlib import Path

import pytest

from daarion_gw.config.load import ConfigurationError, load
from daarion_gw.config.report import render_problems

CASES = Path(__file__).parent.parent / "cases" / "config"
SECRET = "hunter2"
VARIABLES = {
    "DEMO_USER": "ops",
    "DEMO_PASSWORD": SECRET,
    "DEMO_URL": f"http://{SECRET}:{SECRET}@y",
}


@pytest.mark.parametrize("name", sorted(case.name for case in CASES.glob("*.yaml")))
def test_the_mistakes_are_told_as_written_beside_the_case(name: str) -> None:
    with pytest.raises(ConfigurationError) as mistakes:
        load(name, VARIABLES, CASES)
    assert render_problems(mistakes.value) == (CASES / name).with_suffix(".txt").read_text("utf-8")


def test_every_case_has_its_text_and_every_text_its_case() -> None:
    cases = {case.stem for case in CASES.glob("*.yaml")}
    assert cases == {text.stem for text in CASES.glob("*.txt")}
    assert len(cases) >= 15


def test_no_expanded_value_is_ever_shown() -> None:
    assert SECRET in (CASES / "demo.secret").read_text("utf-8")
    with pytest.raises(ConfigurationError) as mistakes:
        load("secrets.yaml", VARIABLES, CASES)
    error = mistakes.value
    assert len(error.problems) == 12
    assert SECRET not in str(error) + repr(error) + repr(error.problems)
    # Nor in what a traceback would show below it.
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_password_that_stands_in_the_file_is_not_shown_either(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(f"routes: {{/a/: 'http://ops:{SECRET}@a:1'}}\n")
    with pytest.raises(ConfigurationError) as mistakes:
        load("g.yaml", {}, tmp_path)
    assert SECRET not in str(mistakes.value)


def test_a_problem_is_data_for_programs_too() -> None:
    with pytest.raises(ConfigurationError) as mistakes:
        load("unknown_keys.yaml", VARIABLES, CASES)
    problem = mistakes.value.problems[3]
    assert str(problem) == (
        'unknown_keys.yaml:9:5: routes./api/.tmeouts: unknown key; did you mean "timeouts"?'
    )
    assert (problem.file, problem.line, problem.column) == ("unknown_keys.yaml", 9, 5)
    assert (problem.key, problem.found) == ("routes./api/.tmeouts", "unknown key")
    assert (problem.expected, problem.suggestion) == (None, "timeouts")


def test_mistakes_of_the_file_the_environment_and_dotenv_come_together(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "what is this\nDAARION_RAG_SERVICE_URL=rag:1\nDAARION_PROMETHEUS_URL=http://${NO}\n"
    )
    (tmp_path / "g.yaml").write_text("gateway: {keep_alive: x}\n")
    with pytest.raises(ConfigurationError) as mistakes:
        load("g.yaml", {"DAARION_GRAFANA_URL": f"ftp://{SECRET}"}, tmp_path)
    lines = [str(problem).split("; ")[0] for problem in mistakes.value.problems]
    assert lines == [
        ".env:1:1: found no NAME=value",
        'g.yaml:1:23: gateway.keep_alive: found "x"',
        "environment: DAARION_GRAFANA_URL: the scheme is not known",
        ".env: DAARION_PROMETHEUS_URL: variable NO is not set",
        ".env: DAARION_RAG_SERVICE_URL: the scheme is missing",
    ]
    assert SECRET not in str(mistakes.value)


def test_an_access_log_has_a_file_or_none(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("gateway: {access_log: {file: ''}}\n")
    with pytest.raises(ConfigurationError) as mistakes:
        load("g.yaml", {}, tmp_path)
    assert str(mistakes.value) == (
        "g.yaml:1:30: gateway.access_log.file: found nothing; expected text"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "g.yaml: cannot be read: No such file or directory"),
        (b"routes:\n  /\xff/: x\n", "g.yaml:2:4: found the byte 0xff, which is not UTF-8"),
        (b"[" * 2000, "g.yaml:1:1: not YAML: nested too deeply"),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (name + 1, name + 1, b",".join([b"*%c" % name] * 10))
                for name in range(ord("a"), ord("i"))
            ),
            "g.yaml:1:1: not YAML: more than 100000 values",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_mistake(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "g.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError) as mistakes:
        load("g.yaml", {}, tmp_path)
    assert str(mistakes.value) == message

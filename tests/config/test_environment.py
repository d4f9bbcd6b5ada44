"""``${…}`` and where its values come from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.config.environment import Environment, read_environment

HERE = Path()
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text(max_size=20).filter(lambda text: "${" not in text and not text.endswith("$"))


def environment(**variables: str) -> Environment:
    return Environment(variables, {}, HERE)


def faults(text: str, **variables: str) -> list[str]:
    return [fault.found for fault in environment(**variables).expand(text)[1]]


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B}z", "x1y2z"),
        ("${EMPTY}", ""),
        ("${A:-d}", "1"),
        ("${EMPTY:-d}", "d"),
        ("${NO:-d}", "d"),
        ("${NO:-}", ""),
        ("${NO:-${A}}", "1"),
        ("${NO:-${NEITHER:-http://x:1}}", "http://x:1"),
        ("${NO:-a:-b}", "a:-b"),
        ("$A", "$A"),
        ("$", "$"),
        ("a$$b", "a$$b"),
        ("$${A}", "${A}"),
        ("${A}$${A}${A}", "1${A}1"),
        ("}", "}"),
        ("{A}", "{A}"),
    ],
)
def test_expansion(written: str, becomes: str) -> None:
    assert environment(A="1", B="2", EMPTY="").expand(written) == (becomes, [])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("${NO}", ["variable NO is not set"]),
        ("${NO}:${NEITHER}", ["variable NO is not set", "variable NEITHER is not set"]),
        ("${NO:-${NEITHER}}", ["variable NEITHER is not set"]),
        ("${}", ['found "${}"']),
        ("${a b}", ['found "${a b}"']),
        ("${A-x}", ['found "${A-x}"']),
        ("${A", ['a "${" without its "}"']),
        ("${A:-${B}", ['a "${" without its "}"']),
    ],
)
def test_what_cannot_be_replaced_is_named(written: str, found: list[str]) -> None:
    assert faults(written) == found


def test_a_misspelt_variable_is_suggested() -> None:
    [fault] = environment(GRAFANA_HOST="g").expand("${GRAFANA_HSOT}")[1]
    assert fault.suggestion == "GRAFANA_HOST"


@given(PLAIN)
def test_text_without_a_reference_stays_as_it_is(text: str) -> None:
    assert environment().expand(text) == (text, [])


@given(NAMES, st.text(max_size=20), PLAIN, PLAIN)
def test_a_value_is_put_in_as_it_is_and_never_looked_into(
    name: str, value: str, before: str, after: str
) -> None:
    # A password with "${" in it is a password.
    text = f"{before}${{{name}}}{after}"
    assert environment(**{name: value}).expand(text) == (before + value + after, [])


@given(st.text(alphabet="${}:-AB file/\0", max_size=24))
def test_any_text_expands_or_has_a_fault(text: str) -> None:
    expanded, wrong = environment(A="1").expand(text)
    assert isinstance(expanded, str)
    if text.count("${") > text.count("$${") and "A" not in text and ":-" not in text:
        assert wrong


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" two\nlines \r\n")
    inside = Environment({"NAME": "secret"}, {}, tmp_path)
    assert inside.expand(f"<${{file:{tmp_path}/secret}}>") == ("< two\nlines >", [])
    # Relative to the working directory, and its name may be a variable.
    assert inside.expand("${file:secret}")[0] == " two\nlines "
    assert inside.expand("${file:${NAME}}")[0] == " two\nlines "


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    inside = Environment({}, {}, tmp_path)
    for name, why in (
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("binary", "it is no text"),
        ("a\0b", "it is no text"),
    ):
        [fault] = inside.expand(f"${{file:{name}}}")[1]
        assert fault.found == f'"${{file:{name}}}" cannot be read: {why}'


def test_the_environment_stands_above_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# ports\nA=file\nB='fi le'\nexport C=\"x\"\nD=\n")
    both, problems = read_environment({"A": "process"}, tmp_path)
    assert problems == []
    assert both.expand("${A} ${B} ${C} ${D:-empty}") == ("process fi le x empty", [])


def test_a_variable_that_is_set_to_nothing_hides_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\n")
    both, _ = read_environment({"A": ""}, tmp_path)
    assert both.expand("<${A}>") == ("<>", [])


def test_dotenv_values_may_refer_to_others(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("URL=http://${HOST}:${PORT:-80}\nHOST=inner\n")
    assert read_environment({}, tmp_path)[0].expand("${URL}") == ("http://inner:80", [])
    assert read_environment({"HOST": "outer"}, tmp_path)[0].expand("${URL}")[0] == "http://outer:80"


def test_a_variable_that_refers_to_itself_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=${B}\nB=${A}\n")
    [fault] = read_environment({}, tmp_path)[0].expand("${A}")[1]
    assert fault.found == "variable A is not set"


def test_a_piece_of_a_password_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PASSWORD='hunter2${hunter 2}hunter2'\n")
    [fault] = read_environment({}, tmp_path)[0].expand("${PASSWORD}")[1]
    assert "hunter" not in str(fault)


def test_a_line_of_dotenv_that_says_nothing_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n\n\nthis is 'no line\nB=2\n")
    both, [problem] = read_environment({}, tmp_path)
    assert str(problem) == ".env:4:1: found no NAME=value; expected NAME=value"
    assert both.lookup("B") == ("2", [])


@pytest.mark.parametrize("content", [b"A=\xff\n", None])
def test_a_dotenv_that_cannot_be_read_is_a_mistake(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").write_bytes(content)
    _, [problem] = read_environment({}, tmp_path)
    assert str(problem).startswith(".env: cannot be read: ")


def test_an_environment_does_not_show_its_values() -> None:
    assert "hunter2" not in repr(environment(PASSWORD="hunter2"))

import os
from pathlib import Path

import pytest

from config.document import read_document
from config.interpolate import Filled, VariableError, fill, interpolate


def test_a_variable_is_replaced_by_its_value() -> None:
    assert fill("${NAME}", {"NAME": "value"}) == Filled("value")


def test_text_around_variables_stays() -> None:
    env = {"HOST": "example.com", "PORT": "8443"}
    assert fill("https://${HOST}:${PORT}/v1", env).text == "https://example.com:8443/v1"


def test_a_default_stands_in_for_a_variable_that_is_not_set_or_empty() -> None:
    assert fill("${NAME:-plan b}", {}).text == "plan b"
    assert fill("${NAME:-plan b}", {"NAME": ""}).text == "plan b"
    assert fill("${NAME:-plan b}", {"NAME": "plan a"}).text == "plan a"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert fill("${NAME}", {"NAME": ""}) == Filled(None, ("NAME",))


def test_every_missing_variable_is_named_once() -> None:
    assert fill("${A}${B}${A}", {}).unset == ("A", "B")


def test_two_dollars_make_a_plain_one() -> None:
    assert fill("$${NAME} and $5", {"NAME": "x"}).text == "${NAME} and $5"


def test_a_value_is_not_searched_for_variables_again() -> None:
    assert fill("${A}", {"A": "${B}", "B": "no"}).text == "${B}"


@pytest.mark.parametrize(
    "text", ["${}", "${1A}", "${A", "${A:?x}", "${A:-${B}}", "${A-B}", "${A B}"]
)
def test_a_reference_that_cannot_be_read_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(VariableError, match=r"write \$\{NAME\} or \$\{NAME:-default\}"):
        fill(text, {"A": "1", "B": "2"})


def test_a_broken_reference_does_not_print_its_default() -> None:
    with pytest.raises(VariableError) as caught:
        fill("${A B:-hunter2}", {})
    assert "hunter2" not in str(caught.value)


def test_a_file_named_by_a_variable_gives_its_text_without_the_last_line_end(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "key"
    secret.write_text("sk-from-file\r\n")
    secret.chmod(0o600)
    assert fill("${KEY}", {"KEY_FILE": str(secret)}) == Filled("sk-from-file")


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    env = {"KEY": "direct", "KEY_FILE": str(tmp_path / "is not there")}
    assert fill("${KEY}", env).text == "direct"


def test_an_empty_file_counts_as_not_set(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("\n")
    secret.chmod(0o600)
    assert fill("${KEY}", {"KEY_FILE": str(secret)}).unset == ("KEY",)


def test_a_file_that_others_can_read_is_used_with_a_warning(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("sk-open")
    secret.chmod(0o644)
    filled = fill("${KEY}", {"KEY_FILE": str(secret)})
    assert filled.text == "sk-open"
    assert "chmod 600" in filled.warnings[0]


@pytest.mark.parametrize("kind", ["missing", "directory", "binary", "huge"])
def test_a_file_that_cannot_be_a_secret_is_refused_by_the_variables_name(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "key"
    if kind == "directory":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "huge":
        path.write_bytes(b"x" * 70_000)
    with pytest.raises(VariableError, match="KEY_FILE names 'key'"):
        fill("${KEY}", {"KEY_FILE": str(path)})


@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_an_impossible_path_is_refused_too() -> None:
    with pytest.raises(VariableError, match="KEY_FILE"):
        fill("${KEY}", {"KEY_FILE": "a\0b"})


def test_a_value_that_is_not_set_is_left_out_and_remembered(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a:\n  kept: 1\n  gone: ${NAME}\n  list: [x, '${NAME}']\n  silent: ${NAME:-}\n")
    filled = interpolate(read_document(file), {})
    assert filled.data == {"a": {"kept": 1}}
    assert [(value.key, value.names) for value in filled.unset] == [
        ("a.gone", ("NAME",)),
        ("a.list[1]", ("NAME",)),
    ]

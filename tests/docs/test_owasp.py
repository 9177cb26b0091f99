"""docs/owasp.md: every entry of both lists, and every test it names is one that runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "owasp.md").read_text("utf-8")
ROWS = re.findall(r"^\| ((?:LLM|ASI)\d\d) ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
NAMED = re.findall(r"\[(\w+\.py)\]\((\.\./tests/[\w/]+\.py)\) `(test_\w+)`", PAGE)


def test_every_entry_of_both_lists_has_a_row() -> None:
    """Ten and ten, each once, in their order."""
    entries = [entry for entry, *_ in ROWS]
    assert entries == [f"{name}{number:02}" for name in ("LLM", "ASI") for number in range(1, 11)]


@pytest.mark.parametrize(("entry", "title", "holds", "shown"), ROWS)
def test_an_entry_is_shown_by_a_test_or_said_not_to_be_covered(
    entry: str, title: str, holds: str, shown: str
) -> None:
    """Nothing is claimed that nothing shows."""
    assert "`test_" in shown or "not covered" in holds.lower(), (entry, title)


@pytest.mark.parametrize(("name", "path", "test"), sorted(set(NAMED)))
def test_a_test_that_is_named_is_there(name: str, path: str, test: str) -> None:
    """In the file that the link leads to, under the name it is said to have."""
    file = (DOCS / path).resolve()
    assert file.name == name
    defined = re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)
    assert test in defined


def test_no_test_is_named_in_another_form() -> None:
    """So that none escapes the test above."""
    assert len(NAMED) == PAGE.count("`test_") == PAGE.count("../tests/")

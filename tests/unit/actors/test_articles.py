"""Articles are read as written, or refused with the file and the line to change."""

from datetime import date
from pathlib import Path

import pytest

from actors.knowledge import Article, read_articles
from actors.knowledge.document import passages_of
from routing.errors import ConfigError

GOOD = """---
id: kb-1
title: Reset your password
category: account
audience: public
updated: 2026-04-16
related: [kb-1]
tags: [no, password]
---

Open **Account**.

## If the mail does not come

Look into the spam folder.
"""


def test_an_article_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "account").mkdir()
    (tmp_path / "account" / "reset.md").write_text(GOOD)
    assert read_articles(tmp_path) == (
        Article(
            id="kb-1",
            title="Reset your password",
            category="account",
            audience="public",
            updated=date(2026, 4, 16),
            body=GOOD.partition("16\n")[2].partition("---\n")[2].strip(),
            related=("kb-1",),
            tags=("no", "password"),  # YAML would read the first as false
        ),
    )


def test_a_short_article_is_quoted_whole(tmp_path: Path) -> None:
    """Its second section rarely makes sense without its first."""
    (tmp_path / "reset.md").write_text(GOOD)
    (article,) = read_articles(tmp_path)
    (passage,) = passages_of(article)
    assert passage.text == (
        "Open **Account**.\n\nIf the mail does not come\n\nLook into the spam folder."
    )


def test_a_long_article_is_quoted_in_sections_that_begin_with_their_heading(tmp_path: Path) -> None:
    """A long article would crowd the others out of the context."""
    (tmp_path / "reset.md").write_text(GOOD + "word " * 400)
    (article,) = read_articles(tmp_path)
    first, second = (passage.text for passage in passages_of(article))
    assert first == "Open **Account**."
    assert second.startswith("If the mail does not come\n\nLook into the spam folder.")


@pytest.mark.parametrize(
    ("good", "bad", "line", "words"),
    [
        ("---\nid", "id", 1, "front matter"),
        ("title: Reset your password\n", "", 1, "title: is missing"),
        ("audience: public", "audience: publik", 5, "must be one of public, agent, internal"),
        ("audience: public", "audience:", 5, "must be one text"),
        ("updated: 2026-04-16", "updated: yesterday", 6, "YYYY-MM-DD"),
        ("related: [kb-1]", "related: kb-1", 7, "must be a list"),
        ("related: [kb-1]", "related: [kb-2]", 7, "no article has the id kb-2"),
        ("tags: [no, password]", "tags: [no", 8, ""),
        ("category: account", "categry: account", 4, "categry: is not a key"),
        ("category: account", "id: kb-2", 4, "id: is said twice"),
        ("category: account", "- account", 4, ""),
    ],
)
def test_a_mistake_is_refused_with_its_file_and_line(
    tmp_path: Path, good: str, bad: str, line: int, words: str
) -> None:
    (tmp_path / "reset.md").write_text(GOOD.replace(good, bad, 1))
    with pytest.raises(ConfigError) as refused:
        read_articles(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path}/reset.md:{line}: ")
    assert words in str(refused.value)


def test_two_articles_with_one_id_are_refused_naming_both(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(ConfigError, match=r"b\.md:2: id: is used by .*a\.md too"):
        read_articles(tmp_path)


def test_an_article_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(GOOD.partition("\nOpen")[0])
    with pytest.raises(ConfigError, match="has no text"):
        read_articles(tmp_path)


def test_a_directory_without_articles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no articles"):
        read_articles(tmp_path)

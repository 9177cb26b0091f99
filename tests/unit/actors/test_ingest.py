"""A source and what is kept of it: what was done is reported, and nothing is public by accident."""

import os
from pathlib import Path

import pytest

from actors.audience import Audience
from actors.database import Database, KnowledgeStore
from actors.knowledge.ingest import Reading, Report, ingest
from deployments.knowledge.files import find
from routing.clock import ManualClock
from routing.errors import ConfigError


@pytest.fixture
def store(database: Database) -> KnowledgeStore:
    return KnowledgeStore(database)


async def bring(
    store: KnowledgeStore, root: Path, audience: Audience | None = "public", source: str = "s"
) -> Report:
    files = find(root).files
    return await ingest(store, "t", source, "docs", files, Reading(audience), ManualClock())


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / f"{name}.md").write_text(text)


async def test_changes_and_deletions_in_the_source_are_carried_over(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, a="# A\n\none", b="# B\n\ntwo")
    assert (await bring(store, tmp_path)).added == ["docs/a.md", "docs/b.md"]
    write(tmp_path, a="# A\n\nnew", c="# C\n\nthree")
    (tmp_path / "b.md").unlink()
    report = await bring(store, tmp_path)
    assert (report.added, report.changed, report.removed) == (
        ["docs/c.md"],
        ["docs/a.md"],
        ["docs/b.md"],
    )
    assert [row.title for row in await store.documents("t", None, 9)] == ["A", "C"]


async def test_a_document_without_an_audience_is_refused_and_not_public(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, a="# A\n\none", b="---\naudience: internal\n---\ntwo")
    report = await bring(store, tmp_path, None)
    assert report.added == ["docs/b.md"]
    (error,) = report.refused
    assert str(error).startswith(f"{tmp_path}/a.md:1: audience: who may read it is not said")


async def test_a_document_whose_audience_was_misspelt_is_no_longer_shown(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    """Its author wanted fewer readers; what was public of it must not stay so."""
    write(tmp_path, a="---\naudience: public\n---\none")
    await bring(store, tmp_path)
    write(tmp_path, a="---\naudience: intrnal\n---\none")
    report = await bring(store, tmp_path)
    assert (report.removed, len(report.refused)) == (["docs/a.md"], 1)
    assert await store.passages("t", None, 9) == []


async def test_what_the_author_says_of_the_audience_goes_before_what_the_ingester_says(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, a="---\naudience: internal\n---\none", b="two")
    await bring(store, tmp_path, "agent")
    rows = await store.documents("t", None, 9)
    assert [row.audience for row in rows] == ["internal", "agent"]
    # Said anew, it holds for files that have not changed too.
    assert (await bring(store, tmp_path, "public")).changed == ["docs/b.md"]


async def test_of_two_files_with_one_id_the_first_has_it_whichever_came_first(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    one = "---\nid: kb-1\n---\n"
    write(tmp_path, b=f"{one}of b")
    await bring(store, tmp_path)
    write(tmp_path, a=f"{one}of a")
    report = await bring(store, tmp_path)
    assert [str(error) for error in report.refused] == [
        f"{tmp_path}/b.md:4: id: kb-1 is used by a.md too"
    ]
    assert [row.text for row in await store.passages("t", None, 9)] == ["of a"]
    (tmp_path / "a.md").unlink()
    assert (await bring(store, tmp_path)).changed == ["kb-1"]
    assert [row.text for row in await store.passages("t", None, 9)] == ["of b"]


async def test_a_document_that_moves_to_another_file_is_the_same_document(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, z="---\nid: kb-1\n---\n# T\n\ntext")
    await bring(store, tmp_path)
    (tmp_path / "z.md").rename(tmp_path / "a.md")
    version = await store.version("t")
    report = await bring(store, tmp_path)
    assert (report.added, report.changed, report.removed, report.unchanged) == ([], [], [], 1)
    assert await store.version("t") == version
    assert await store.owned("t", "s") == {"kb-1": "a.md"}


async def test_a_related_document_that_is_nowhere_is_noted_until_it_is_there(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, a="---\nid: kb-1\nrelated: [kb-1, kb-2]\n---\none")
    report = await bring(store, tmp_path)
    assert (report.added, report.refused, report.dangling) == (["kb-1"], [], [("kb-1", "kb-2")])
    assert (await bring(store, tmp_path)).dangling == [("kb-1", "kb-2")]
    write(tmp_path, b="---\nid: kb-2\n---\ntwo")
    assert (await bring(store, tmp_path)).dangling == []


async def test_an_id_of_another_source_is_refused_until_that_source_lets_it_go(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, a=f"---\nid: kb-1\n---\n{name}")
    await bring(store, tmp_path / "one", source="one")
    report = await bring(store, tmp_path / "two", source="two")
    assert "kb-1 is of another source already, one" in str(report.refused[0])
    (tmp_path / "one" / "a.md").unlink()
    await bring(store, tmp_path / "one", source="one")
    assert (await bring(store, tmp_path / "two", source="two")).added == ["kb-1"]


async def test_a_file_that_cannot_be_read_just_now_keeps_what_was_known_of_it(
    store: KnowledgeStore, tmp_path: Path
) -> None:
    write(tmp_path, a="one", b="two")
    await bring(store, tmp_path)
    files = find(tmp_path).files
    (tmp_path / "a.md").unlink()
    report = await ingest(store, "t", "s", "docs", files, Reading("public"), ManualClock())
    assert [str(error) for error in report.unread] == [
        f"{tmp_path}/a.md: cannot be read: No such file or directory; kept as it was"
    ]
    assert len(await store.documents("t", None, 9)) == 2


def test_links_hidden_files_and_other_kinds_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path, outside="not handed in")
    write(tmp_path / "docs", a="one")
    (tmp_path / "docs" / ".git").mkdir()
    write(tmp_path / "docs" / ".git", x="no")
    (tmp_path / "docs" / "b.md").symlink_to(tmp_path / "outside.md")
    (tmp_path / "docs" / "folder").symlink_to(tmp_path)
    (tmp_path / "docs" / "logo.png").touch()
    os.mkfifo(tmp_path / "docs" / "pipe.md")
    found = find(tmp_path / "docs")
    assert ([file.path for file in found.files], found.skipped) == (["a.md"], 1)


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        find(tmp_path / "nowhere")
    (tmp_path / "a.exe").touch()
    with pytest.raises(ConfigError, match="cannot be read; what can be is"):
        find(tmp_path / "a.exe")

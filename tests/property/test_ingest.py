"""Whatever happened on the way, what is kept is what the source holds now."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from actors.database import Database, KnowledgeStore, open_database
from actors.knowledge.draft import SourceFile
from actors.knowledge.extraction import Rule, Rules
from actors.knowledge.ingest import Reading, Report, ingest
from deployments.knowledge.files import find
from routing.clock import ManualClock

RULES = Rules((Rule("code", patterns=(r"NW-\d{4}",)),), topics=True)
READING = Reading("agent", RULES, (("id", "ID"), ("text", "Answer"), ("audience", "Who")))
PATHS = ("a.md", "b.md", "deep/c.md", "faq.csv", "other.csv")
IDS = ("kb-1", "kb-2", "kb-3")


class Killed(Exception):
    """The process ended here."""


class MortalClock(ManualClock):
    """A clock whose process dies at the given look at it: the store is written to after each."""

    def __init__(self, now: float, looks: int) -> None:
        super().__init__(now)
        self._left = looks

    @override
    def now(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise Killed
        return super().now()


def article(name: str, audience: str, text: str, related: str) -> str:
    return (
        f"---\nid: {name}\naudience: {audience}\nrelated: [{related}]\n---\n"
        f"# {text}\n\n## One\n\n{text} NW-100{name[-1]}\n"
    )


def table(rows: list[tuple[str, str, str]]) -> str:
    return "ID,Answer,Who\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)


words = st.sampled_from(["refund", "password", "NW-1001 limit", "plan " * 500])
# One in four is refused: nobody has defined who "everyone" is.
audience = st.sampled_from(["public", "agent", "internal", "everyone"])
articles = st.builds(article, st.sampled_from(IDS), audience, words, st.sampled_from(IDS))
plain = st.builds("# {}\n\ntext\n".format, words)
rows = st.tuples(st.sampled_from((*IDS, "", "row-9")), words, audience)
tables = st.lists(rows, max_size=4).map(table)
contents = {path: tables if path.endswith(".csv") else articles | plain for path in PATHS}
writes = st.one_of([st.tuples(st.just(path), contents[path]) for path in PATHS])
removals = st.tuples(st.sampled_from(PATHS), st.none())
runs = st.tuples(st.just("ingest"), st.none() | st.integers(0, 9).map(str))
histories = st.lists(writes | removals | runs, min_size=1, max_size=14)


def apply(root: Path, path: str, content: str | None) -> None:
    if content is None:
        (root / path).unlink(missing_ok=True)
    else:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(content)


def files_of(root: Path) -> Sequence[SourceFile]:
    return find(root).files


async def run(database: Database, root: Path, tenant: str, clock: ManualClock) -> Report:
    store = KnowledgeStore(database)
    return await ingest(store, tenant, "source", "source", files_of(root), READING, clock)


async def kept(database: Database, tenant: str) -> list[object]:
    """Everything that can be read of a tenant, apart from when it was written."""
    store = KnowledgeStore(database)
    edges = await store.edges(tenant, None, 999)
    return [
        [replace(row, at=0.0) for row in await store.documents(tenant, None, 999)],
        await store.passages(tenant, None, 999),
        [replace(edge, valid_from=0.0) for edge in edges],
        await store.files(tenant, "source"),
    ]


async def play(history: list[tuple[str, str | None]], folder: Path) -> None:
    root = folder / "source"
    root.mkdir()
    lived = open_database(folder / "lived.db")
    clean = open_database(folder / "clean.db")
    try:
        await lived.migrate()
        await clean.migrate()
        for number, (what, detail) in enumerate(history):
            if what != "ingest":
                apply(root, what, detail)
                continue
            clock = ManualClock(float(number))
            if detail is not None:
                clock = MortalClock(float(number), int(detail))
            try:
                await run(lived, root, "t", clock)
            except Killed:
                continue
        last = await run(lived, root, "t", ManualClock(900.0))
        once = await run(clean, root, "t", ManualClock(900.0))
        assert await kept(lived, "t") == await kept(clean, "t")
        assert [str(error) for error in last.refused] == [str(error) for error in once.refused]
        version = await KnowledgeStore(lived).version("t")
        again = await run(lived, root, "t", ManualClock(901.0))
        assert (again.added, again.changed, again.removed) == ([], [], [])
        assert await KnowledgeStore(lived).version("t") == version
    finally:
        await lived.aclose()
        await clean.aclose()


@pytest.mark.timeout(180)
@settings(max_examples=25, deadline=None)
@given(history=histories)
def test_any_history_of_changes_and_kills_ends_as_one_clean_ingest(
    history: list[tuple[str, str | None]],
) -> None:
    """Rows, links, refusals and marks of what was read; and a further run changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(history, Path(folder)))


async def play_two(
    mine: list[tuple[str, str]], theirs: list[tuple[str, str]], folder: Path
) -> None:
    database = open_database(folder / "x.db")
    try:
        await database.migrate()
        alone: dict[str, list[object]] = {}
        for tenant, source in (("a", mine), ("b", theirs)):
            root = folder / tenant
            root.mkdir()
            for path, content in source:
                apply(root, path, content)
            await run(database, root, f"{tenant} alone", ManualClock(1.0))
            alone[tenant] = await kept(database, f"{tenant} alone")
        for tenant in ("a", "b", "a"):
            await run(database, folder / tenant, tenant, ManualClock(2.0))
        for tenant, rows_alone in alone.items():
            assert await kept(database, tenant) == rows_alone
    finally:
        await database.aclose()


@settings(max_examples=15, deadline=None)
@given(mine=st.lists(writes, max_size=4), theirs=st.lists(writes, max_size=4))
def test_two_tenants_with_the_same_ids_and_paths_never_touch_each_other(
    mine: list[tuple[str, str]], theirs: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play_two(mine, theirs, Path(folder)))

"""An index that is half built, or whose builder died or lost its database: the last one goes on serving."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from actors.database import Database, DatabaseUnavailable, KnowledgeStore, open_database
from actors.database.knowledge_rows import NewDocument, NewPassage
from actors.knowledge.embed import Vectors, normalised
from actors.knowledge.index import build_index
from actors.knowledge.indexing import Indexing
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import Articles, Related, Search
from routing.clock import ManualClock

ROOT = Path(__file__).parents[3]


def document(name: str, text: str) -> NewDocument:
    return NewDocument(name, "s", f"{name}.md", name, "public", (NewPassage("", text),))


class Letters:
    """An embedder of 26 numbers, which a test can have stop in the middle."""

    model, dimensions = "letters", 26

    def __init__(self, breaks_after: int = 10**9) -> None:
        self._left = breaks_after

    def embed(self, texts: Sequence[str]) -> Vectors:
        self._left -= len(texts)
        if self._left < 0:
            raise KeyboardInterrupt
        counted = [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]
        return normalised(np.array(counted, dtype=np.float32))


def titles(indexing: Indexing, query: str) -> list[str]:
    index = indexing.index("t")
    assert index is not None
    return [hit.passage.id for hit in index.search(query, None, 5, "public")]


@pytest.fixture
def stopped_build(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Builds stand still in the middle until the event is set."""
    go_on, real = threading.Event(), build_index

    def slow(*arguments: object, **named: object) -> object:
        go_on.wait(30)
        return real(*arguments, **named)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr("actors.knowledge.indexing.build_index", slow)
    yield go_on
    go_on.set()


async def test_while_an_index_is_built_the_one_before_is_asked(
    database: Database, stopped_build: threading.Event
) -> None:
    store, clock = KnowledgeStore(database), ManualClock()
    indexing = Indexing(store, None, clock)
    await store.put("t", [document("old", "cats")], 1.0)
    stopped_build.set()
    await indexing.refresh()
    stopped_build.clear()
    await store.put("t", [document("new", "cats and dogs")], 2.0)
    clock.advance(3600)
    building = asyncio.create_task(indexing.refresh())
    search = Search(indexing)
    gateway = ContextGateway({"vector_store": Articles(search), "knowledge_graph": Related(search)})
    context = await gateway.get_context("t", "cats", None)
    assert [hit.passage.id for hit in context.hits] == ["old"]
    assert context.degraded == ()
    stopped_build.set()
    assert await building == ["t"]
    assert set(titles(indexing, "cats")) == {"old", "new"}


async def test_a_tenant_whose_rows_cannot_be_indexed_keeps_its_index_and_harms_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, clock, real = KnowledgeStore(database), ManualClock(), build_index
    indexing = Indexing(store, None, clock)
    await store.put("t", [document("old", "cats")], 1.0)
    await indexing.refresh()
    await store.put("t", [document("bad", "cats")], 2.0)
    await store.put("u", [document("theirs", "cats")], 2.0)
    clock.advance(3600)

    def broken(version: int, rows: Sequence[object], *more: object, **named: object) -> object:
        if len(rows) == 2:
            raise ValueError(rows)
        return real(version, rows, *more, **named)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr("actors.knowledge.indexing.build_index", broken)
    assert await indexing.refresh() == ["u"]
    assert titles(indexing, "cats") == ["old"]


_DIES = """
import asyncio, os, sys
from actors.database import KnowledgeStore, open_database
from actors.knowledge.indexing import Indexing
from routing.clock import ManualClock
from tests.unit.actors.test_indexing_faults import Letters

async def main():
    embedder = Letters(64)
    embed = embedder.embed
    def dying(texts):
        try:
            return embed(texts)
        except KeyboardInterrupt:
            os._exit(9)
    embedder.embed = dying
    await Indexing(KnowledgeStore(open_database(sys.argv[1])), embedder, ManualClock()).embed("t")

asyncio.run(main())
"""


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_an_indexer_that_is_killed_goes_on_where_it_was(database: Database) -> None:
    """Of 100 passages 64 were embedded; nothing half done is searched, and nothing is done twice."""
    store, clock = KnowledgeStore(database), ManualClock()
    await store.put("t", [document(f"d{n:03}", f"cats {n}") for n in range(100)], 1.0)
    command = [sys.executable, "-c", _DIES, str(database.address)]
    died = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=50
    )
    assert died.returncode == 9
    indexing = Indexing(store, Letters(), clock)
    await indexing.refresh()
    index = indexing.indexes["t"]
    assert (index.model, index.vectors) == (None, None)
    assert titles(indexing, "cats")
    assert await indexing.embed("t") == 36
    clock.advance(3600)
    await indexing.refresh()
    assert indexing.indexes["t"].model == "letters"


async def test_an_index_outlives_its_database(tmp_path: Path) -> None:
    """Rows that cannot be read cost news, and no answer."""
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    store, clock = KnowledgeStore(database), ManualClock()
    indexing = Indexing(store, None, clock)
    await store.put("t", [document("old", "cats")], 1.0)
    await indexing.refresh()
    await database.aclose()
    with pytest.raises(DatabaseUnavailable):
        await indexing.refresh()
    assert titles(indexing, "cats") == ["old"]

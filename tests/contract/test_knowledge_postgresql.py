"""The same calls leave the same knowledge in PostgreSQL as in SQLite."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.audience import AUDIENCES, Audience
from actors.database import Database, KnowledgeStore, open_database
from actors.database.address import Server
from actors.database.knowledge_rows import Edge, NewEmbedding
from actors.knowledge.ingest import Reading, ingest
from deployments.demo import ARTICLES, RULES
from deployments.knowledge.files import find
from deployments.knowledge.rules import read_rules
from routing.clock import ManualClock


@pytest.fixture
async def both(postgres_server: Server, tmp_path: Path) -> AsyncIterator[tuple[Database, Database]]:
    sqlite, postgres = open_database(tmp_path / "x.db"), open_database(postgres_server)
    await sqlite.migrate()
    yield sqlite, postgres
    await sqlite.aclose()
    await postgres.aclose()


PUBLIC: tuple[Audience, ...] = ("public",)


async def forgotten(store: KnowledgeStore) -> list[Edge]:
    await store.forget_history("a", 4e9)
    return await store.links_of("a", "kb-020")


async def history(database: Database, docs: Path) -> list[object]:
    """A life of some articles, and what is there to be read at its end."""
    shutil.copytree(ARTICLES, docs)
    store, reading, clock = (
        KnowledgeStore(database),
        Reading("agent", read_rules(RULES)),
        ManualClock(),
    )

    async def bring(tenant: str) -> None:
        clock.advance(60)
        await ingest(store, tenant, "docs", "docs", find(docs).files, reading, clock)

    await bring("a")
    await bring("b")
    rows = await store.passages("a", None, 999)
    vectors = [
        NewEmbedding(row.document_id, row.seq, row.content_hash, b"\x00\x3c" * 3) for row in rows
    ]
    await store.put_embeddings("a", "minilm", vectors, clock.now())
    first = docs / "account" / "add-a-teammate.md"
    first.write_text(first.read_text().replace("NW-4092", "NW-4093"))
    (docs / "billing" / "refunds.md").unlink()
    (docs / "new.md").write_text("# New\n\nIs **Team** enough? NW-4093.")
    await bring("a")
    await store.delete("b", ["kb-001", "kb-002"], clock.now())
    return [
        [await store.version(tenant) for tenant in ("a", "b", "c")],
        [replace(row) for row in await store.documents("a", None, 999)],
        await store.passages("a", None, 999),
        await store.passages("b", ("kb-010", 0), 3),
        sorted((e.src, e.kind, e.dst, e.valid_from) for e in await store.edges("a", None, 999)),
        await store.links_of("a", "kb-020"),
        {n.id: n.hops for n in await store.neighbours("a", ["code:NW-4093"], 2, AUDIENCES, 999)},
        {n.id for n in await store.neighbours("a", ["code:NW-4092"], 1, PUBLIC, 999)},
        {
            n.id: n.hops
            for n in await store.neighbours("a", ["code:NW-4092"], 3, PUBLIC, 999, at=1.8e9)
        },
        await store.files("a", "docs"),
        await forgotten(store),
    ]


@pytest.mark.timeout(120)
async def test_postgresql_and_sqlite_end_with_the_same_knowledge(
    both: tuple[Database, Database], tmp_path: Path
) -> None:
    sqlite, postgres = both
    mine = await history(sqlite, tmp_path / "1" / "docs")
    theirs = await history(postgres, tmp_path / "2" / "docs")
    assert mine == theirs
    documents = mine[1]
    assert isinstance(documents, list)
    assert len(documents) == 48

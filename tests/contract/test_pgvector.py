"""Vectors in PostgreSQL find what vectors in memory find, for nobody more than they may see."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from actors.audience import AUDIENCES
from actors.database import Database, open_database
from actors.database.address import Server
from actors.database.knowledge_rows import PassageRow
from actors.database.vectors import VectorRow, Vectors
from actors.knowledge import outside
from actors.knowledge.embed import normalised, packed, unpacked
from actors.knowledge.index import KnowledgeIndex, build_index, signed_key
from actors.knowledge.outside import find_outside

pytestmark = pytest.mark.timeout(120)

MODEL, DIMENSIONS, PASSAGES = "hashed-32", 32, 900
WORDS = (
    "charge",
    "refund",
    "plan",
    "seat",
    "invoice",
    "export",
    "token",
    "login",
    "limit",
    "region",
)


def rows_of(tenant: str) -> list[PassageRow]:
    """Passages whose words and vectors are drawn by a seed of the tenant's."""
    chance = np.random.default_rng(sum(tenant.encode()))
    vectors = packed(normalised(chance.normal(size=(PASSAGES, DIMENSIONS)).astype(np.float32)))
    return [
        PassageRow(
            f"{tenant}-{number // 3}", number % 3, "", "", " ".join(chance.choice(WORDS, 6)),
            AUDIENCES[number % 3], (), None, f"h{number}", vector, MODEL,
        )
        for number, vector in enumerate(vectors)
    ]  # fmt: skip


def kept(rows: list[PassageRow]) -> list[VectorRow]:
    vectors = unpacked([row.embedding or b"" for row in rows], DIMENSIONS)
    return [
        VectorRow(signed_key(row), AUDIENCES.index(row.audience), row.content_hash, vector.tolist())
        for row, vector in zip(rows, vectors, strict=True)
    ]


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    database = open_database(postgres_server)
    yield database
    await database.aclose()


@pytest.fixture
async def vectors(database: Database) -> Vectors:
    vectors = Vectors(database)
    await asyncio.gather(*(vectors.prepare() for _ in range(3)))
    for tenant in ("a", "b"):
        await vectors.put(tenant, MODEL, kept(rows_of(tenant)))
    return vectors


def both(tenant: str) -> tuple[KnowledgeIndex, KnowledgeIndex]:
    rows = rows_of(tenant)
    return build_index(1, rows, [], MODEL), build_index(1, rows, [], MODEL, outside=True)


@pytest.mark.parametrize("candidates", [16, 256])
async def test_the_same_questions_find_the_same_in_the_same_order(
    vectors: Vectors, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first lists are too short to be sure, and more has to be asked for."""
    monkeypatch.setattr(outside, "CANDIDATES", candidates)
    memory, without = both("a")
    assert without.vectors is None
    chance = np.random.default_rng(3)
    for number in range(20):
        query = " ".join(chance.choice(WORDS, 1 + number % 5))
        vector = normalised(chance.normal(size=(1, DIMENSIONS)).astype(np.float32))[0]
        for reach in AUDIENCES:
            wanted = memory.find(query, vector, 6, reach)
            found = await find_outside(without, vectors, "a", query, vector, 6, reach)
            assert [one.number for one in found] == [one.number for one in wanted]
            assert [one.score for one in found] == pytest.approx(
                [one.score for one in wanted], abs=2e-5
            )


async def test_no_tenant_and_no_audience_sees_anothers_vectors(vectors: Vectors) -> None:
    vector = kept(rows_of("b"))[0].embedding
    mine = {signed_key(row): AUDIENCES.index(row.audience) for row in rows_of("a")}
    for level in range(len(AUDIENCES)):
        near = await vectors.nearest("a", MODEL, level, vector, 2_000)
        assert set(near) == {key for key, at in mine.items() if at <= level}
        theirs = [row.key for row in kept(rows_of("b"))]
        assert await vectors.cosines("a", MODEL, level, vector, theirs) == {}
    assert await vectors.nearest("a", "another-model", 2, vector, 9) == {}


async def test_what_is_gone_is_dropped_and_what_has_changed_is_replaced(vectors: Vectors) -> None:
    rows = kept(rows_of("a"))
    await vectors.put("a", MODEL, [replace(rows[0], level=2, hash="new")])
    await vectors.put("a", "old-model", rows[:5])
    await vectors.drop("a", MODEL, [row.key for row in rows[10:]])
    known = await vectors.known("a", MODEL)
    assert set(known) == {row.key for row in rows[:10]}
    assert known[rows[0].key] == (2, "new")
    assert await vectors.known("a", "old-model") == {}
    assert len(await vectors.known("b", MODEL)) == PASSAGES

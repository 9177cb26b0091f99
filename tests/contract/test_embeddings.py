"""Vectors of a platform: asked for through the official SDK, booked, and never mixed with another's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from actors.database import Database, KnowledgeStore, Ledger, open_database
from actors.database.knowledge_rows import NewDocument, NewPassage
from actors.knowledge.embed import EMBEDDED_FOR
from actors.knowledge.indexing import Indexing
from deployments.knowledge.embedders import Books
from deployments.mcp_gateway.sources import Articles, Search
from deployments.platforms.openai.embedder import DIMENSIONS, TEXTS_AT_ONCE, OpenAIEmbedder
from routing.clock import ManualClock
from routing.errors import ErrorKind, PlatformError
from tests.servers import Simulators

SMALL = "text-embedding-3-small"
PLATFORMS = ("openai", "azure_openai")
NOW = 1_795_000_000.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    yield database
    await database.aclose()


def embedder(
    simulators: Simulators, database: Database, platform: str = "openai", model: str = SMALL
) -> OpenAIEmbedder:
    clock = ManualClock(NOW)
    books = Books(database, clock, platform, model, simulated=True)
    return OpenAIEmbedder(platform, simulators.connection(platform), model, books.book, clock)


def document(name: str, text: str) -> NewDocument:
    return NewDocument(name, "s", f"{name}.md", name, "public", (NewPassage("", text),))


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_each_text_has_its_own_vector_in_order_and_each_request_is_booked(
    simulators: Simulators, database: Database, platform: str
) -> None:
    texts = [f"words number {n}" for n in range(TEXTS_AT_ONCE + 3)] + ["", "words number 5"]
    EMBEDDED_FOR.set("acme")
    made = embedder(simulators, database, platform)
    vectors = await asyncio.to_thread(made.embed, texts)
    assert vectors.shape == (len(texts), DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert np.array_equal(vectors[5], vectors[-1])
    assert not np.array_equal(vectors[5], vectors[6])
    [spent] = await Ledger(database).spend("acme", NOW - 1)
    assert (spent.target, spent.attempts, spent.simulated) == (f"{platform}/{SMALL}", 2, True)
    assert spent.usage.input_tokens > 100
    # $0.02 a million tokens, exactly.
    assert spent.cost_usd * 50_000_000 == spent.usage.input_tokens
    assert await Ledger(database).spend("other", NOW - 1) == ()


async def test_what_a_platform_refuses_is_said_in_our_words_and_costs_only_meaning(
    simulators: Simulators, database: Database
) -> None:
    store, clock = KnowledgeStore(database), ManualClock(NOW)
    await store.put("acme", [document("a", "refunds are paid"), document("b", "plans")], NOW)
    made = embedder(simulators, database)
    indexing = Indexing(store, made, clock)
    await indexing.embed("acme")
    await indexing.refresh()
    assert indexing.indexes["acme"].model == made.model
    gone = embedder(simulators, database, model="text-embedding-0")
    with pytest.raises(PlatformError) as refused:
        await asyncio.to_thread(gone.embed, ["x"])
    assert refused.value.kind is ErrorKind.MODEL_GONE
    await simulators.script("openai", {"kind": "status", "status": 503})
    found = await Articles(Search(indexing, made)).search("acme", "refunds", None, 3, "public")
    assert [passage.id for passage in found] == ["a"]


async def test_another_embedder_mixes_with_nothing_and_its_index_is_ready_or_not_there(
    simulators: Simulators, database: Database
) -> None:
    """Until every passage has the new model's vector, the index goes by words."""
    store, clock = KnowledgeStore(database), ManualClock(NOW)
    await store.put("acme", [document("a", "refunds"), document("b", "plans")], NOW)
    small = Indexing(store, embedder(simulators, database), clock)
    await small.embed("acme")
    large = embedder(simulators, database, model="text-embedding-3-large")
    changed = Indexing(store, large, clock)
    await changed.refresh()
    assert (changed.indexes["acme"].model, changed.indexes["acme"].vectors) == (None, None)
    assert changed.indexes["acme"].search("refunds", None, 3, "public")
    assert await changed.embed("acme") == 2
    clock.advance(60)
    await changed.refresh()
    assert changed.indexes["acme"].model == large.model

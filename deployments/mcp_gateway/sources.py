"""The three sources of this process: passages by likeness, documents by relation, a customer's records."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from typing_extensions import override

from actors.audience import Audience
from actors.knowledge import Passage, Records
from actors.knowledge.document import Hit
from actors.knowledge.embed import Embedder, Vectors
from actors.knowledge.index import KnowledgeIndex
from deployments.mcp_gateway.context import Source

# Searching 2,000 passages by words takes 0.5 ms, as long as a thread takes to be woken; what
# takes longer is not done on the event loop.
IN_LOOP_MAX = 2_000


class Indexes(Protocol):
    """Where the tenants' indexes are."""

    def index(self, tenant: str) -> KnowledgeIndex | None:
        """The tenant's index; None: it knows nothing.

        Raises:
            KnowledgeUnavailable: nobody can say yet.
        """
        ...


class Articles:
    """`vector_store`: passages like the question, by its words and, with an embedder, its meaning."""

    def __init__(self, indexes: Indexes, embedder: Embedder | None = None) -> None:
        self._indexes = indexes
        self._embedder = embedder

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The best passages, of the tenant's documents alone."""
        return await self._of(tenant, query, limit, reach, KnowledgeIndex.search)

    async def _of(
        self,
        tenant: str,
        query: str,
        limit: int,
        reach: Audience,
        how: Callable[[KnowledgeIndex, str, Vectors | None, int, Audience], list[Hit]],
    ) -> Sequence[Passage]:
        index = self._indexes.index(tenant)
        if index is None:
            return ()
        embedder = self._embedder
        # Vectors of two models do not compare.
        if embedder is not None and embedder.model == index.model:
            vector = (await asyncio.to_thread(embedder.embed, [query]))[0]
        else:
            vector = None
        if index.size <= IN_LOOP_MAX:
            hits = how(index, query, vector, limit, reach)
        else:
            hits = await asyncio.to_thread(how, index, query, vector, limit, reach)
        return [hit.passage for hit in hits]


class Related(Articles):
    """`knowledge_graph`: the openings of documents next to those that are like the question."""

    @override
    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The nearest documents, of the tenant's alone."""
        return await self._of(tenant, query, limit, reach, KnowledgeIndex.related)


class CustomerRecords:
    """`database`: the records of the customer who is asked about, and of nobody else."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The customer's records that share words with the question; none without a customer."""
        if user_id is None:
            return ()
        return await self._records.records_of(tenant, user_id, query, limit)


def sources(
    indexes: Indexes, records: Records, embedder: Embedder | None = None
) -> dict[str, Source]:
    """The sources by the names callers use."""
    return {
        "vector_store": Articles(indexes, embedder),
        "knowledge_graph": Related(indexes, embedder),
        "database": CustomerRecords(records),
    }

"""The sources of this process: passages by likeness, documents by relation, a customer's records and facts."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Protocol, TypeAlias

from actors.audience import Audience
from actors.database.memory_facts import FactRow
from actors.knowledge import Passage, Records
from actors.knowledge.embed import EMBEDDED_FOR, Embedder, Vectors
from actors.knowledge.index import SEEDS, Found, KnowledgeIndex
from actors.knowledge.outside import Nearest, find_outside
from actors.knowledge.tokenise import tokenise
from actors.memory import CustomerFacts
from deployments.mcp_gateway.context import Source
from routing.clock import rfc3339
from routing.errors import SupportMaxError

_log = logging.getLogger(__name__)

# Searching 2,000 passages by words takes 0.5 ms, as long as a thread takes to be woken; what
# takes longer is not done on the event loop.
IN_LOOP_MAX = 2_000
# Of the half second that a source has; a vendor that is slower today costs meaning, not the answer.
EMBED_DEADLINE_S = 0.35
# A thread stays with a vendor who does not answer after its question has gone on without. They are
# embedding's own, so that nothing else in the process waits for one: 16 at 0.1 s are 160 questions a second.
EMBED_THREADS = 16
# Questions that are embedded or wait for a thread; one more is found by its words at once.
EMBEDDING_MAX = 2 * EMBED_THREADS


class Indexes(Protocol):
    """Where the tenants' indexes are."""

    def index(self, tenant: str) -> KnowledgeIndex | None:
        """The tenant's index; None: it knows nothing.

        Raises:
            KnowledgeUnavailable: nobody can say yet.
        """
        ...


class Search:
    """Looks a question up once, however many sources ask for what it finds at the same time."""

    def __init__(
        self,
        indexes: Indexes,
        embedder: Embedder | None = None,
        nearest: Nearest | None = None,
    ) -> None:
        self._indexes = indexes
        self._embedder = embedder
        self._nearest = nearest
        self._threads = ThreadPoolExecutor(EMBED_THREADS, "embed")
        self._places = threading.Semaphore(EMBEDDING_MAX)
        # As many as there are questions under way; each goes when it is answered.
        self._asked: dict[tuple[str, str, int, Audience], asyncio.Task[_Ranking | None]] = {}

    async def find(self, tenant: str, query: str, limit: int, reach: Audience) -> "_Ranking | None":
        """The tenant's index and what it finds, best first; None: the tenant knows nothing."""
        key = (tenant, query, limit, reach)
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._find(*key))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        # Shielded: that one source has no time left is no reason for the others.
        return await asyncio.shield(task)

    async def _find(
        self, tenant: str, query: str, limit: int, reach: Audience
    ) -> "_Ranking | None":
        index = self._indexes.index(tenant)
        if index is None:
            return None
        vector = await self._vector(tenant, query, index.model)
        most = max(limit, SEEDS)
        if vector is not None and index.vectors is None and self._nearest is not None:
            found = await find_outside(index, self._nearest, tenant, query, vector, most, reach)
            return index, found
        if index.size <= IN_LOOP_MAX:
            return index, index.find(query, vector, most, reach)
        return index, await asyncio.to_thread(index.find, query, vector, most, reach)

    async def _vector(self, tenant: str, query: str, model: str | None) -> Vectors | None:
        """The question's vector by `model`; None where there is none to be had: then words find it."""
        embedder = self._embedder
        # Vectors of two models do not compare.
        if embedder is None or embedder.model != model:
            return None
        EMBEDDED_FOR.set(tenant)
        try:
            async with asyncio.timeout(EMBED_DEADLINE_S):
                vectors = await self._embedded(embedder, query)
        except (SupportMaxError, TimeoutError) as error:
            _log.warning("a question could not be embedded (%s); words find it", error)
            return None
        vector: Vectors = vectors[0]
        return vector

    async def _embedded(self, embedder: Embedder, query: str) -> Vectors:
        if not self._places.acquire(blocking=False):
            raise TimeoutError("too many are embedded already")
        began = self._threads.submit(copy_context().run, embedder.embed, [query])
        began.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(began)


_Ranking: TypeAlias = tuple[KnowledgeIndex, list[Found]]


class Articles:
    """`vector_store`: passages like the question, by its words and, with an embedder, its meaning."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The best passages, of the tenant's documents alone."""
        ranking = await self._search.find(tenant, query, limit, reach)
        if ranking is None:
            return ()
        index, found = ranking
        return [hit.passage for hit in index.hits(found[:limit])]


class Related:
    """`knowledge_graph`: the openings of documents next to those that are like the question."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The nearest documents, of the tenant's alone."""
        ranking = await self._search.find(tenant, query, limit, reach)
        if ranking is None:
            return ()
        index, found = ranking
        return [hit.passage for hit in index.beside(found, limit, reach)]


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


class Remembered:
    """`memory`: what is remembered of the customer who is asked about, each with who said so and when."""

    def __init__(self, facts: CustomerFacts) -> None:
        self._facts = facts

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The facts that share words with the question, most of them first; none without a customer."""
        if user_id is None:
            return ()
        asked = set(tokenise(query))
        facts = await self._facts.recall(tenant, user_id)
        shared = [(len(asked & set(tokenise(_said(fact)))), fact) for fact in facts]
        found = sorted((pair for pair in shared if pair[0]), key=lambda pair: -pair[0])
        return [_passage(fact) for _, fact in found[:limit]]


def _said(fact: FactRow) -> str:
    return f"{fact.attribute.replace('_', ' ')}: {fact.value}"


def _passage(fact: FactRow) -> Passage:
    who = {"customer": "the customer", "staff": "a colleague", "record": "a record"}[fact.source]
    title = f"Said by {who} on {rfc3339(fact.valid_from)[:10]} ({fact.source_ref})"
    return Passage("memory", fact.id, title, _said(fact), "public")


def sources(
    indexes: Indexes,
    records: Records,
    facts: CustomerFacts,
    embedder: Embedder | None = None,
    nearest: Nearest | None = None,
) -> dict[str, Source]:
    """The sources by the names callers use."""
    search = Search(indexes, embedder, nearest)
    return {
        "vector_store": Articles(search),
        "knowledge_graph": Related(search),
        "database": CustomerRecords(records),
        "memory": Remembered(facts),
    }

"""Keep every tenant's index at the version of its rows, built once for all who search it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from actors.audience import AUDIENCES
from actors.database.knowledge import KnowledgeStore
from actors.database.knowledge_rows import Edge, NewEmbedding, PassageRow
from actors.database.vectors import VectorRow, Vectors
from actors.knowledge.embed import EMBEDDED_FOR, Embedder, packed, unpacked
from actors.knowledge.index import KnowledgeIndex, build_index, signed_key
from routing.clock import Clock

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row")

# A page is one read of some milliseconds, so that nothing else of the database waits long for it.
PAGE = 2_000
# Somebody who ingests all the time changes the rows under the reader: then what was read last is
# indexed, and made again at the next look.
READS_MAX = 3
# Who ingests or embeds 50,000 passages in small steps would have them indexed at each of them: a
# tenant's index is being built a tenth of the time at most.
REST = 9
# 32 passages take a local embedder 3 s, and are one write: what a crash costs.
EMBEDDED_AT_ONCE = 32


class Indexing:
    """The indexes of one region, by tenant. One of these builds; everybody else reads."""

    def __init__(
        self,
        store: KnowledgeStore,
        embedder: Embedder | None,
        clock: Clock,
        vectors: Vectors | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._clock = clock
        self._vectors = vectors
        self._rest: dict[str, float] = {}
        self.indexes: dict[str, KnowledgeIndex] = {}

    def index(self, tenant: str) -> KnowledgeIndex | None:
        """The tenant's index; None: it knows nothing."""
        return self.indexes.get(tenant)

    async def refresh(self) -> list[str]:
        """Build anew what has changed since; the tenants whose index is another one now.

        A tenant that fails keeps its index, and the others get theirs.

        Raises:
            DatabaseUnavailable: the rows cannot be read.
        """
        versions = await self._store.versions()
        changed: list[str] = []
        for tenant, version in versions.items():
            held = self.indexes.get(tenant)
            began = self._clock.monotonic()
            if held is not None and (held.version == version or began < self._rest.get(tenant, 0)):
                continue
            try:
                self.indexes[tenant] = await self.build(tenant)
                took_s = self._clock.monotonic() - began
                self._rest[tenant] = began + (1 + REST) * took_s
                changed.append(tenant)
            except ValueError:
                _log.exception(
                    "the knowledge of %s cannot be indexed; the last index stays", tenant
                )
        return changed

    async def embed(self, tenant: str) -> int:
        """Embed the tenant's passages that have no vector of this embedder; how many those were.

        What is done is kept as it goes: whoever dies here goes on from there.
        """
        if self._embedder is None:
            return 0
        model, done = self._embedder.model, 0
        EMBEDDED_FOR.set(tenant)
        missing = [row for row in await self._passages(tenant) if row.embed_model != model]
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            batch = missing[start : start + EMBEDDED_AT_ONCE]
            texts = [f"{row.title}\n{row.text}" for row in batch]
            vectors = packed(await asyncio.to_thread(self._embedder.embed, texts))
            rows = [
                NewEmbedding(row.document_id, row.seq, row.content_hash, vector)
                for row, vector in zip(batch, vectors, strict=True)
            ]
            done += await self._store.put_embeddings(tenant, model, rows, self._clock.now())
        return done

    async def build(self, tenant: str) -> KnowledgeIndex:
        """The tenant's index as its rows are now."""
        model = None if self._embedder is None else self._embedder.model
        reads = 0
        while True:
            version = await self._store.version(tenant)
            rows, edges = await self._passages(tenant), await self._edges(tenant)
            reads += 1
            if reads == READS_MAX or await self._store.version(tenant) == version:
                break
        vectors = self._vectors
        if model is not None and vectors is not None:
            await self._tell(vectors, tenant, model, rows)
        outside = vectors is not None
        return await asyncio.to_thread(
            partial(build_index, version, rows, edges, model, outside=outside)
        )

    async def _tell(
        self, vectors: Vectors, tenant: str, model: str, rows: Sequence[PassageRow]
    ) -> None:
        """Bring the table of vectors to what the rows say, before an index asks it."""
        if any(row.embed_model != model for row in rows):
            return  # Until all are embedded the index goes by words, and the table is not asked.
        known = await vectors.known(tenant, model)
        there = {signed_key(row): row for row in rows}
        changed = [
            (key, row)
            for key, row in there.items()
            if known.get(key) != (AUDIENCES.index(row.audience), row.content_hash)
        ]
        for start in range(0, len(changed), PAGE):
            some = changed[start : start + PAGE]
            dimensions = len(some[0][1].embedding or b"") // 2
            unit = unpacked([row.embedding or b"" for _, row in some], dimensions).tolist()
            told = [
                VectorRow(key, AUDIENCES.index(row.audience), row.content_hash, vector)
                for (key, row), vector in zip(some, unit, strict=True)
            ]
            await vectors.put(tenant, model, told)
        await vectors.drop(tenant, model, sorted(known.keys() - there.keys()))

    async def _passages(self, tenant: str) -> list[PassageRow]:
        async def page(after: PassageRow | None) -> Sequence[PassageRow]:
            key = None if after is None else (after.document_id, after.seq)
            return await self._store.passages(tenant, key, PAGE)

        return await _all(page)

    async def _edges(self, tenant: str) -> list[Edge]:
        async def page(after: Edge | None) -> Sequence[Edge]:
            key = None if after is None else (after.src, after.kind, after.dst)
            return await self._store.edges(tenant, key, PAGE)

        return await _all(page)


async def _all(page: Callable[[_Row | None], Awaitable[Sequence[_Row]]]) -> list[_Row]:
    """Every row, read page by page."""
    rows: list[_Row] = []
    while True:
        more = await page(rows[-1] if rows else None)
        rows += more
        if len(more) < PAGE:
            return rows

"""The Ray class around the indexing: one per region builds, every replica reads the same memory."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ray

from actors.database.address import Address
from actors.database.engine import open_database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.knowledge import KnowledgeStore
from actors.database.vectors import Vectors
from actors.knowledge.embed import OpenEmbedder
from actors.knowledge.indexing import Indexing
from routing.clock import SystemClock
from routing.errors import SupportMaxError

if TYPE_CHECKING:
    from ray import ObjectRef

    from actors.knowledge.index import KnowledgeIndex

_log = logging.getLogger(__name__)

# An article that is published can be found this long after it at the latest, if it is one of few.
LOOK_EVERY_S = 1.0
# What embeds is a service or a processor in trouble: it is asked again after this long.
EMBED_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class IndexerOptions:
    """Where the rows lie, what embeds them, and whether vectors stay there (with pgvector)."""

    database: Address
    embedder: OpenEmbedder
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """An index in Ray's object store; the reference is in a list so that Ray hands it on as it is."""

    version: int
    model: str | None
    refs: "list[ObjectRef[KnowledgeIndex]]"


class Indexer:
    """Builds every tenant's index and puts it where all replicas of a machine map it."""

    def __init__(self, options: IndexerOptions) -> None:
        self._options = options
        self._indexing: Indexing | None = None
        self._published: dict[str, Published] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @ray.method
    async def newer(
        self, known: Mapping[str, tuple[int, str | None]], wait_s: float
    ) -> dict[str, Published]:
        """The indexes that are others than those `known`, once there is one or `wait_s` have passed."""
        if self._indexing is None:
            await self._begin()
        news = self._newer(known)
        if not news:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            news = self._newer(known)
        return news

    def _newer(self, known: Mapping[str, tuple[int, str | None]]) -> dict[str, Published]:
        return {
            tenant: published
            for tenant, published in self._published.items()
            if known.get(tenant) != (published.version, published.model)
        }

    async def _begin(self) -> None:
        database = open_database(self._options.database)
        embedder = await asyncio.to_thread(self._options.embedder)
        vectors = Vectors(database) if self._options.outside else None
        if vectors is not None:
            await vectors.prepare()
        self._indexing = Indexing(KnowledgeStore(database), embedder, SystemClock(), vectors)
        await self._look(self._indexing)
        self._tasks = [asyncio.create_task(self._run(self._indexing))]
        if embedder is not None:
            self._tasks.append(asyncio.create_task(self._embed(self._indexing)))

    async def _run(self, indexing: Indexing) -> None:
        while True:
            # How old an index may be at rest; nothing tells this process of another's write.
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look(indexing)

    async def _look(self, indexing: Indexing) -> None:
        try:
            for tenant in await indexing.refresh():
                index = indexing.indexes[tenant]
                self._published[tenant] = Published(index.version, index.model, [ray.put(index)])
                self._changed.set()
                self._changed = asyncio.Event()
        except (DatabaseBusy, DatabaseUnavailable):
            _log.warning("the knowledge cannot be read; the last indexes stay", exc_info=True)

    async def _embed(self, indexing: Indexing) -> None:
        while True:
            try:
                done = sum([await indexing.embed(tenant) for tenant in list(indexing.indexes)])
            except SupportMaxError:
                _log.warning("passages cannot be embedded; words find them", exc_info=True)
                done = 0
            # Vectors are made when there are new passages, which another process writes without a word;
            # looking for them reads all.
            await asyncio.sleep(LOOK_EVERY_S if done else EMBED_AGAIN_S)


IndexerActor = ray.remote(num_cpus=0, max_restarts=-1)(Indexer)

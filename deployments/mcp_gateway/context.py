"""get_context: ask every source at once, fuse what they found, name what failed."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.knowledge.document import Passage

_log = logging.getLogger(__name__)

# Sources are in this process or one query away, and answer in a millisecond or two; one that takes this
# long has failed, and an answer without it is better than none.
SOURCE_DEADLINE_S = 0.5
# About 1,500 tokens: the best few passages say it; more costs money and blurs the answer.
PASSAGES_MAX = 6
# Cormack, Clarke, Büttcher: Reciprocal rank fusion (SIGIR 2009) found 60 to be good anywhere.
_RRF_K = 60
# What is next to a hit is worth half of one: it may add to an answer, not lead it.
_WEIGHTS = {"knowledge_graph": 0.5}


class Source(Protocol):
    """One kind of knowledge. `user_id` is whom is asked about, never the authority."""

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int
    ) -> Sequence[Passage]:
        """The best passages, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What was found for a question; `degraded` names the sources that failed."""

    passages: tuple[Passage, ...] = ()
    degraded: tuple[str, ...] = ()


class ContextGateway:
    """Fans a question out to the sources of this process."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    async def get_context(
        self,
        tenant: str,
        query: str,
        user_id: str | None,
        sources: Sequence[str] | None = None,
        limit: int = PASSAGES_MAX,
    ) -> Context:
        """The best passages of all sources asked (None: all there are)."""
        asked = tuple(self._sources) if sources is None else tuple(dict.fromkeys(sources))
        found = await asyncio.gather(
            *(self._ask(name, tenant, query, user_id, limit) for name in asked)
        )
        ranked: dict[str, tuple[float, Passage]] = {}
        for name, passages in zip(asked, found, strict=True):
            for rank, passage in enumerate(passages or ()):
                score = _WEIGHTS.get(name, 1.0) / (_RRF_K + rank)
                known = ranked.get(passage.id)
                ranked[passage.id] = (
                    (score, passage) if known is None else (known[0] + score, known[1])
                )
        best = sorted(ranked.values(), key=lambda scored: -scored[0])[:limit]
        degraded = tuple(
            name for name, passages in zip(asked, found, strict=True) if passages is None
        )
        return Context(tuple(passage for _, passage in best), degraded)

    async def _ask(
        self, name: str, tenant: str, query: str, user_id: str | None, limit: int
    ) -> Sequence[Passage] | None:
        """The source's passages, or None if it failed."""
        source = self._sources.get(name)
        if source is None:
            return None
        try:
            async with asyncio.timeout(SOURCE_DEADLINE_S):
                return await source.search(tenant, query, user_id, limit)
        except Exception:  # noqa: BLE001  whatever a source does, the question is answered without it
            _log.exception("the source %s failed", name)
            return None

"""get_context: ask every source at once, fuse what they found, name what failed."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from actors.audience import Audience
from actors.knowledge.document import Hit, Passage

_log = logging.getLogger(__name__)

# Sources are in this process or one query away, and answer in a millisecond or two; one that takes this
# long has failed, and an answer without it is better than none.
SOURCE_DEADLINE_S = 0.5
# About 1,500 tokens: the best few passages say it; more costs money and blurs the answer.
PASSAGES_MAX = 6
# Six passages of full length (`WHOLE_MAX`); a caller may have less room.
TOKENS_MAX = 2_400
# English prose has four to five characters a token; three is on the safe side of every tokeniser.
CHARACTERS_PER_TOKEN = 3
# Cormack, Clarke, Büttcher: Reciprocal rank fusion (SIGIR 2009) found 60 to be good anywhere.
_RRF_K = 60
# What is next to a hit is worth half of one: it may add to an answer, not lead it.
_WEIGHTS = {"knowledge_graph": 0.5}


class Source(Protocol):
    """One kind of knowledge. `user_id` is whom is asked about, never the authority.

    `reach` is the widest audience whose passages the asker may read.
    """

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        """The best passages, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What was found for a question, best first; `degraded` names the sources that failed.

    Scores are of the fusion: they compare within one context. `cut` says that some had no room.
    """

    hits: tuple[Hit, ...] = ()
    degraded: tuple[str, ...] = ()
    cut: bool = False

    @property
    def passages(self) -> tuple[Passage, ...]:
        """What was found, without its scores."""
        return tuple(hit.passage for hit in self.hits)


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
        reach: Audience = "public",
        max_tokens: int = TOKENS_MAX,
    ) -> Context:
        """The best passages of all sources asked (None: all there are), as far as `max_tokens` go."""
        asked = tuple(self._sources) if sources is None else tuple(dict.fromkeys(sources))
        found = await asyncio.gather(
            *(self._ask(name, tenant, query, user_id, limit, reach) for name in asked)
        )
        fused: dict[str, Hit] = {}
        for name, passages in zip(asked, found, strict=True):
            for rank, passage in enumerate(passages or ()):
                score = _WEIGHTS.get(name, 1.0) / (_RRF_K + rank)
                known = fused.get(passage.id)
                fused[passage.id] = (
                    Hit(passage, score)
                    if known is None
                    else Hit(known.passage, known.score + score)
                )
        best = sorted(fused.values(), key=lambda hit: -hit.score)[:limit]
        kept, cut = _trimmed(best, max_tokens)
        degraded = tuple(
            name for name, passages in zip(asked, found, strict=True) if passages is None
        )
        return Context(kept, degraded, cut)

    async def _ask(
        self,
        name: str,
        tenant: str,
        query: str,
        user_id: str | None,
        limit: int,
        reach: Audience,
    ) -> Sequence[Passage] | None:
        """The source's passages, or None if it failed."""
        source = self._sources.get(name)
        if source is None:
            return None
        try:
            async with asyncio.timeout(SOURCE_DEADLINE_S):
                return await source.search(tenant, query, user_id, limit, reach)
        except Exception:  # noqa: BLE001  whatever a source does, the question is answered without it
            _log.exception("the source %s failed", name)
            return None


def _trimmed(hits: Sequence[Hit], max_tokens: int) -> tuple[tuple[Hit, ...], bool]:
    """The best hits for which there is room, at least the first as far as it goes; whether any was cut."""
    room, kept = max_tokens * CHARACTERS_PER_TOKEN, list[Hit]()
    for hit in hits:
        text = hit.passage.text
        if len(text) > room:
            if not kept:
                kept.append(replace(hit, passage=replace(hit.passage, text=text[:room])))
            return tuple(kept), True
        kept.append(hit)
        room -= len(text)
    return tuple(kept), False

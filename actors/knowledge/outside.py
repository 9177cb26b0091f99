"""Search an index whose vectors are in the database: the same answers as with them in memory.

Words are scored here and meaning there. The best of both lists are fused with their exact scores,
and a bound says whether anything outside of them could be better; then more is asked for.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from actors.audience import AUDIENCES, Audience
from actors.knowledge.embed import Vectors
from actors.knowledge.index import Found, KnowledgeIndex, raised, weight_of_meaning
from actors.knowledge.tokenise import tokenise

# The bound holds at once for nearly every question; each further round asks for four times as many.
CANDIDATES = 256
FURTHER = 4


class Nearest(Protocol):
    """Vectors by key, in a table that filters by tenant and audience before it orders."""

    async def nearest(
        self, tenant: str, model: str, level: int, vector: Sequence[float], limit: int
    ) -> Mapping[int, float]:
        """The nearest, by key."""
        ...

    async def cosines(
        self, tenant: str, model: str, level: int, vector: Sequence[float], keys: Sequence[int]
    ) -> Mapping[int, float]:
        """Those of certain keys."""
        ...


async def find_outside(
    index: KnowledgeIndex,
    nearest: Nearest,
    tenant: str,
    query: str,
    vector: Vectors,
    limit: int,
    reach: Audience,
) -> list[Found]:
    """`KnowledgeIndex.find` with the vectors of `nearest`. Passages it does not have count by words alone.

    Raises:
        DatabaseUnavailable: the table cannot be asked.
    """
    model, level, asked = index.model or "", AUDIENCES.index(reach), vector.tolist()
    asked_words = tokenise(query)
    words, weight = index.by_words(asked_words, reach), weight_of_meaning(asked_words)
    by_words = raised(words)
    size = CANDIDATES
    while True:
        near = await nearest.nearest(tenant, model, level, asked, size)
        first = max(near.values(), default=0.0)
        last = min(near.values(), default=0.0) if len(near) == size else 0.0
        best_words = np.argsort(-by_words, kind="stable")[:size]
        keys = index.keys[best_words].view(np.int64).tolist()
        missing = [key for key in keys if key not in near]
        known = {**near, **await nearest.cosines(tenant, model, level, asked, missing)}
        numbers, cosines = index.numbers_of(known, len(words))
        meaning = np.zeros_like(words)
        meaning[numbers] = cosines
        scores = np.zeros_like(words)
        among = np.union1d(numbers, best_words)
        lift = np.float32(weight / first) if first > 0 else np.float32(0)
        scores[among] = by_words[among] + lift * meaning[among]
        found = [
            Found(n, float(scores[n]), float(words[n]), float(meaning[n]))
            for n in index.best(scores, limit)
        ]
        is_all = size >= len(words)
        bound = (0.0 if is_all else float(by_words[best_words[-1]])) + float(lift) * max(last, 0.0)
        if is_all or (len(found) == limit and found[-1].score >= bound):
            return found
        size *= FURTHER

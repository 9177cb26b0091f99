"""Documents that have to do with one another: by a link of their authors, or by what both speak of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.database.knowledge_rows import DOCUMENT, Edge

# A neighbour is worth half of what led to it: below a direct hit of the same strength,
# above one of a third. A choice, not a measurement.
DECAY = 0.5
# What more documents speak of than this says nothing about any two of them, and costs time.
SHARED_BY_MAX = 200


@dataclass(frozen=True, slots=True)
class Relations:
    """Neighbours of documents by number: `others[starts[i]:starts[i + 1]]` are next to document i.

    `openings` are the numbers of their first passages.
    """

    starts: NDArray[np.int64]
    others: NDArray[np.int32]
    shares: NDArray[np.float32]
    openings: NDArray[np.int32]

    def near(self, seeds: Mapping[int, float], limit: int) -> list[tuple[int, float]]:
        """Documents next to `seeds`, best first, without the seeds.

        Each seed hands on half its score, shared among what it is next to by how closely.
        """
        scores: dict[int, float] = {}
        for seed, score in seeds.items():
            span = slice(self.starts[seed], self.starts[seed + 1])
            shares = self.shares[span]
            total = float(shares.sum())
            for other, share in zip(self.others[span], shares, strict=True):
                if int(other) not in seeds:
                    handed_on = DECAY * score * float(share) / total
                    scores[int(other)] = scores.get(int(other), 0.0) + handed_on
        return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))[:limit]


def relate(nodes: Sequence[str], documents: Sequence[int], edges: Iterable[Edge]) -> Relations:
    """The relations of documents whose passages have these nodes and numbers.

    A link between two documents counts 1. Two that speak of the same thing are as near as few
    others speak of it: one over how many do.
    """
    openings: dict[int, int] = {}
    number_of: dict[str, int] = {}
    for passage, (node, document) in enumerate(zip(nodes, documents, strict=True)):
        openings.setdefault(document, passage)
        number_of[node] = document
    near: dict[int, dict[int, float]] = {document: {} for document in openings}
    speaking: dict[str, set[int]] = {}
    for edge in edges:
        one = number_of.get(edge.src)
        if one is None:
            continue
        other = number_of.get(edge.dst)
        if other is not None and other != one:
            near[one][other] = near[other][one] = 1.0
        elif not edge.dst.startswith(f"{DOCUMENT}:"):
            speaking.setdefault(edge.dst, set()).add(one)
    for together in speaking.values():
        if 1 < len(together) <= SHARED_BY_MAX:
            for one in together:
                for other in together - {one}:
                    near[one][other] = near[one].get(other, 0.0) + 1 / len(together)
    ordered = [sorted(near[document].items()) for document in sorted(near)]
    return Relations(
        starts=np.cumsum([0, *map(len, ordered)], dtype=np.int64),
        others=np.array([other for row in ordered for other, _ in row], dtype=np.int32),
        shares=np.array([share for row in ordered for _, share in row], dtype=np.float32),
        openings=np.array([openings[document] for document in sorted(openings)], dtype=np.int32),
    )

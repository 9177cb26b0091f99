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
        spans = [slice(self.starts[seed], self.starts[seed + 1]) for seed in seeds]
        parts = [
            DECAY * score * self.shares[span] / np.add.reduce(self.shares[span])
            for span, score in zip(spans, seeds.values(), strict=True)
        ]
        if not parts:
            return []
        # A place for each document there is: to look through 50,000 of them takes less than to sort
        # those that were found, and through the hundred of a small company a tenth of it.
        scores = np.bincount(
            np.concatenate([self.others[span] for span in spans]),
            weights=np.concatenate(parts),
            minlength=len(self.openings),
        )
        scores[list(seeds)] = 0.0
        others = np.flatnonzero(scores > 0)
        best = others[np.lexsort((others, -scores[others]))[:limit]]
        return list(zip(best.tolist(), scores[best].tolist(), strict=True))


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
    linked: set[tuple[int, int]] = set()
    speaking: dict[str, set[int]] = {}
    for edge in edges:
        one = number_of.get(edge.src)
        if one is None:
            continue
        other = number_of.get(edge.dst)
        if other is not None and other != one:
            linked |= {(one, other), (other, one)}
        elif not edge.dst.startswith(f"{DOCUMENT}:"):
            speaking.setdefault(edge.dst, set()).add(one)
    direct = np.array(sorted(linked), dtype=np.int64).reshape(-1, 2)
    ones, others, shares = [direct[:, 0]], [direct[:, 1]], [np.ones(len(direct))]
    for together in speaking.values():
        if 1 < len(together) <= SHARED_BY_MAX:
            numbers = np.fromiter(together, np.int64, len(together))
            ones.append(np.repeat(numbers, len(numbers)))
            others.append(np.tile(numbers, len(numbers)))
            shares.append(np.full(len(numbers) ** 2, 1 / len(numbers)))
    one_of, other_of = np.concatenate(ones), np.concatenate(others)
    is_another = one_of != other_of
    pairs, place = np.unique(
        one_of[is_another] * len(openings) + other_of[is_another], return_inverse=True
    )
    weights = np.concatenate(shares)[is_another]
    firsts = np.arange(len(openings) + 1, dtype=np.int64) * len(openings)
    return Relations(
        starts=np.searchsorted(pairs, firsts).astype(np.int64),
        others=(pairs % max(1, len(openings))).astype(np.int32),
        shares=np.bincount(place, weights=weights, minlength=len(pairs)).astype(np.float32),
        openings=np.array([openings[document] for document in sorted(openings)], dtype=np.int32),
    )

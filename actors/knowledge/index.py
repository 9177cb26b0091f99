"""One tenant's passages, ready to be searched: by words, by meaning, by relation.

An index is built once from rows and never changed; a newer one takes its place. All of it
lies in arrays, so that every process of a machine reads the same memory.

Audiences nest: whoever may read what is internal may read what agents may, and the public.
Passages stand in that order, so what a reader may see is the beginning of every array. What
lies behind is not ranked and counts in no word's rarity: not even the scores of what a
customer finds tell of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from actors.audience import AUDIENCES, Audience
from actors.database.knowledge_rows import Edge, PassageRow, node_of
from actors.knowledge.document import Hit, Passage, Source
from actors.knowledge.embed import Vectors, unpacked
from actors.knowledge.relations import Relations, relate
from actors.knowledge.terms import Scores, TermIndex, index_terms
from actors.knowledge.tokenise import tokenise

# What a title shares with a question counts beside the text, as chosen on the odd ones of 97
# support cases (0.1 to 0.3 are as good; 0 and 1 find less).
TITLE_WEIGHT = 0.2
# What meaning adds to words, both brought to the same height; chosen on the same cases.
VECTOR_WEIGHT = 0.5
# The graph starts from the best few; what is next to a weak hit helps nobody.
SEEDS = 3


@dataclass(frozen=True, slots=True)
class _View:
    """What one audience may read: the first `passages` of all."""

    passages: int
    bodies: TermIndex
    titles: TermIndex
    relations: Relations


@dataclass(frozen=True, slots=True)
class Found:
    """A passage's number and why it was found; the parts are what its score is made of."""

    number: int
    score: float
    words: float
    meaning: float


@dataclass(frozen=True, slots=True)
class KnowledgeIndex:
    """What a tenant knew at `version`. `model` embedded it; None: it is found by words alone."""

    version: int
    model: str | None
    views: Mapping[Audience, _View]
    documents: NDArray[np.int32]
    texts: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    vectors: Vectors | None

    @property
    def size(self) -> int:
        """Passages in all."""
        return len(self.documents)

    def search(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Hit]:
        """The best passage of each of the `limit` best documents that `reach` may read."""
        return [
            Hit(self.passage(found.number, "vector_store"), found.score)
            for found in self.find(query, vector, limit, reach)
        ]

    def find(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Found]:
        """The same, with what each score is made of. `vector` is the query's, by `model`."""
        view = self.views[reach]
        words = tokenise(query)
        by_words = view.bodies.scores(words) + TITLE_WEIGHT * view.titles.scores(words)
        scores, by_meaning = by_words, np.zeros_like(by_words)
        if vector is not None and self.vectors is not None:
            by_meaning = self.vectors[: view.passages] @ vector
            scores = _raised(by_words) + VECTOR_WEIGHT * _raised(by_meaning)
        return [
            Found(int(n), float(scores[n]), float(by_words[n]), float(by_meaning[n]))
            for n in self._best(scores, limit)
        ]

    def related(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Hit]:
        """The openings of documents next to the best of `search`, without those themselves."""
        view = self.views[reach]
        seeds = {
            int(self.documents[found.number]): found.score
            for found in self.find(query, vector, SEEDS, reach)
        }
        near = view.relations.near(seeds, limit)
        return [
            Hit(self.passage(int(view.relations.openings[document]), "knowledge_graph"), score)
            for document, score in near
        ]

    def shared(self, query: str, number: int, reach: Audience) -> list[tuple[str, float, float]]:
        """What a passage's words add to its score: term, in its text, in its title; the most first."""
        view, words = self.views[reach], tokenise(query)
        bodies = view.bodies.shared(words, number)
        titles = view.titles.shared(words, number)
        parts = [
            (term, bodies.get(term, 0.0), titles.get(term, 0.0)) for term in {**bodies, **titles}
        ]
        return sorted(parts, key=lambda part: (-part[1] - TITLE_WEIGHT * part[2], part[0]))

    def passage(self, number: int, source: Source) -> Passage:
        """The passage of that number, as `source` found it."""
        record = self.texts[self.offsets[number] : self.offsets[number + 1]].tobytes()
        document, title, text, audience, url = orjson.loads(record)
        return Passage(source, document, title, text, audience, url)

    def _best(self, scores: Scores, limit: int) -> list[int]:
        """The best passage of each of the best documents; ties go to the first."""
        # Documents are cut into a few passages: eight times as many as asked for hold enough of them,
        # except where one long document is all of the answer.
        candidates = min(len(scores), max(64, 8 * limit))
        if not candidates:
            return []
        chosen = np.argpartition(-scores, candidates - 1)[:candidates]
        chosen = chosen[np.lexsort((chosen, -scores[chosen]))]
        best: dict[int, int] = {}
        for number in chosen:
            if scores[number] <= 0 or len(best) == limit:
                break
            best.setdefault(int(self.documents[number]), int(number))
        return list(best.values())


def build_index(
    version: int, rows: Iterable[PassageRow], edges: Sequence[Edge], model: str | None = None
) -> KnowledgeIndex:
    """The index of a tenant's rows.

    With a `model`, passages that it has embedded are found by meaning too, once all are: an index
    of which half is embedded would find that half only.
    """
    ordered = sorted(rows, key=_place)
    numbers: dict[str, int] = {}
    documents = [numbers.setdefault(row.document_id, len(numbers)) for row in ordered]
    records = [_record(row) for row in ordered]
    is_embedded = bool(ordered) and all(row.embed_model == model for row in ordered)
    vectors = _vectors(ordered) if model is not None and is_embedded else None
    bodies = [tokenise(f"{row.title}\n{row.heading}\n{row.text}") for row in ordered]
    titles = [tokenise(f"{row.title} {' '.join(row.tags)}") for row in ordered]
    views: dict[Audience, _View] = {}
    before: _View | None = None
    for audience in AUDIENCES:
        level = AUDIENCES.index(audience)
        end = sum(AUDIENCES.index(row.audience) <= level for row in ordered)
        if before is None or before.passages != end:
            before = _View(
                end,
                index_terms(bodies[:end]),
                index_terms(titles[:end]),
                relate([node_of(row.document_id) for row in ordered[:end]], documents[:end], edges),
            )
        views[audience] = before
    return KnowledgeIndex(
        version=version,
        model=None if vectors is None else model,
        views=views,
        documents=np.array(documents, dtype=np.int32),
        texts=np.frombuffer(b"".join(records), dtype=np.uint8),
        offsets=np.cumsum([0, *map(len, records)], dtype=np.int64),
        vectors=vectors,
    )


def _place(row: PassageRow) -> tuple[int, str, int]:
    return AUDIENCES.index(row.audience), row.document_id, row.seq


def _record(row: PassageRow) -> bytes:
    text = f"{row.heading.rpartition(' > ')[2]}\n{row.text}" if row.heading else row.text
    return orjson.dumps([row.document_id, row.title, text, row.audience, row.url])


def _vectors(rows: Sequence[PassageRow]) -> Vectors:
    kept = [row.embedding or b"" for row in rows]
    return unpacked(kept, len(kept[0]) // 2)


def _raised(scores: Scores) -> Scores:
    """Scores with the best at 1, so that two kinds can be added."""
    highest = float(scores.max(initial=0.0))
    return scores / np.float32(highest) if highest > 0 else scores

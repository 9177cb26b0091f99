"""One tenant's passages, ready to be searched: by words, by meaning, by relation.

An index is built once from rows and never changed; a newer one takes its place. All of it
lies in arrays, so that every process of a machine reads the same memory.

Audiences nest: whoever may read what is internal may read what agents may, and the public.
Passages stand in that order, so what a reader may see is the beginning of every array. What
lies behind is not ranked and counts in no word's rarity: not even the scores of what a
customer finds tell of it.
"""

import hashlib
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
from actors.knowledge.terms import Scores, TermIndex, asked_for, count_terms
from actors.knowledge.tokenise import tokenise

# What a title shares with a question counts beside the text, as chosen on the odd ones of 97
# support cases (0.1 to 0.3 are as good; 0 and 1 find less).
TITLE_WEIGHT = 0.2
# What meaning adds to words, both brought to the same height. Of a long question, as a customer's
# story is: best in the mean of four figures on the odd ones of those cases, 0.538 at 0.3 against
# 0.513 to 0.534 elsewhere from 0 to 1 (recall@10 alone would choose 0.5). Of a short one, which shares few
# words with what answers it: titles of 349 of the bank's documents, the odd ones, find their texts
# with an MRR of 0.519 at 4, 0.422 at 0.3 and 0.507 by meaning alone. Between 12 words and the
# shortest case nothing was measured.
VECTOR_WEIGHT, SHORT_VECTOR_WEIGHT = 0.3, 4.0
SHORT_WORDS = 12
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
    """What a tenant knew at `version`. `model` embedded it; None: it is found by words alone.

    With a `model` and no `vectors`, these are in the database, under the passages' `keys`.
    """

    version: int
    model: str | None
    views: Mapping[Audience, _View]
    documents: NDArray[np.int32]
    texts: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    vectors: Vectors | None
    keys: NDArray[np.uint64]

    @property
    def size(self) -> int:
        """Passages in all."""
        return len(self.documents)

    def search(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Hit]:
        """The best passage of each of the `limit` best documents that `reach` may read."""
        return self.hits(self.find(query, vector, limit, reach))

    def hits(self, found: Sequence[Found]) -> list[Hit]:
        """The passages that were found."""
        return [Hit(self.passage(one.number, "vector_store"), one.score) for one in found]

    def find(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Found]:
        """The same, with what each score is made of. `vector` is the query's, by `model`."""
        view = self.views[reach]
        words = tokenise(query)
        by_words = self.by_words(words, reach)
        scores, by_meaning = by_words, np.zeros_like(by_words)
        if vector is not None and self.vectors is not None:
            by_meaning = self.vectors[: view.passages] @ vector
            scores = raised(by_words) + weight_of_meaning(words) * raised(by_meaning)
        return [
            Found(int(n), float(scores[n]), float(by_words[n]), float(by_meaning[n]))
            for n in self.best(scores, limit)
        ]

    def by_words(self, words: Sequence[str], reach: Audience) -> Scores:
        """How much of a question each passage shares that `reach` may read."""
        view = self.views[reach]
        asked = asked_for(words)
        scores = view.bodies.scores(asked)
        scores += TITLE_WEIGHT * view.titles.scores(asked)
        return scores

    def numbers_of(
        self, known: Mapping[int, float], passages: int
    ) -> tuple[NDArray[np.int64], Scores]:
        """The numbers of passages by their keys, with the values beside; those there are of the first `passages`."""
        keys = np.fromiter(known, np.int64, len(known)).view(np.uint64)
        values = np.fromiter(known.values(), np.float32, len(known))
        order = np.argsort(self.keys)
        places = np.minimum(np.searchsorted(self.keys, keys, sorter=order), len(order) - 1)
        numbers = order[places] if len(order) else places
        there = (self.keys[numbers] == keys) & (numbers < passages)
        return numbers[there], values[there]

    def related(self, query: str, vector: Vectors | None, limit: int, reach: Audience) -> list[Hit]:
        """The openings of documents next to the best of `search`, without those themselves."""
        return self.beside(self.find(query, vector, SEEDS, reach), limit, reach)

    def beside(self, best: Sequence[Found], limit: int, reach: Audience) -> list[Hit]:
        """The openings of documents next to the first few of `find`, without those themselves."""
        view = self.views[reach]
        seeds = {int(self.documents[found.number]): found.score for found in best[:SEEDS]}
        near = view.relations.near(seeds, limit)
        return [
            Hit(self.passage(int(view.relations.openings[document]), "knowledge_graph"), score)
            for document, score in near
        ]

    def shared(self, query: str, number: int, reach: Audience) -> list[tuple[str, float, float]]:
        """What a passage's words add to its score: term, in its text, in its title; the most first."""
        view, asked = self.views[reach], asked_for(tokenise(query))
        bodies = view.bodies.shared(asked, number)
        titles = view.titles.shared(asked, number)
        parts = [
            (term, bodies.get(term, 0.0), titles.get(term, 0.0)) for term in {**bodies, **titles}
        ]
        return sorted(parts, key=lambda part: (-part[1] - TITLE_WEIGHT * part[2], part[0]))

    def passage(self, number: int, source: Source) -> Passage:
        """The passage of that number, as `source` found it."""
        record = self.texts[self.offsets[number] : self.offsets[number + 1]].tobytes()
        document, title, text, audience, url = orjson.loads(record)
        return Passage(source, document, title, text, audience, url)

    def best(self, scores: Scores, limit: int) -> list[int]:
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
    version: int,
    rows: Iterable[PassageRow],
    edges: Sequence[Edge],
    model: str | None = None,
    *,
    outside: bool = False,
) -> KnowledgeIndex:
    """The index of a tenant's rows.

    With a `model`, passages that it has embedded are found by meaning too, once all are: an index
    of which half is embedded would find that half only. `outside` leaves the vectors to the database.
    """
    ordered = sorted(rows, key=_place)
    numbers: dict[str, int] = {}
    documents = [numbers.setdefault(row.document_id, len(numbers)) for row in ordered]
    records = [_record(row) for row in ordered]
    is_embedded = bool(ordered) and all(row.embed_model == model for row in ordered)
    has_vectors = model is not None and is_embedded
    vectors = _vectors(ordered) if has_vectors and not outside else None
    bodies = count_terms(tokenise(f"{row.title}\n{row.heading}\n{row.text}") for row in ordered)
    titles = count_terms(tokenise(f"{row.title} {' '.join(row.tags)}") for row in ordered)
    views: dict[Audience, _View] = {}
    before: _View | None = None
    for audience in AUDIENCES:
        level = AUDIENCES.index(audience)
        end = sum(AUDIENCES.index(row.audience) <= level for row in ordered)
        if before is None or before.passages != end:
            before = _View(
                end,
                bodies.index(end),
                titles.index(end),
                relate([node_of(row.document_id) for row in ordered[:end]], documents[:end], edges),
            )
        views[audience] = before
    return KnowledgeIndex(
        version=version,
        model=model if has_vectors else None,
        views=views,
        documents=np.array(documents, dtype=np.int32),
        texts=np.frombuffer(b"".join(records), dtype=np.uint8),
        offsets=np.cumsum([0, *map(len, records)], dtype=np.int64),
        vectors=vectors,
        keys=np.fromiter(map(key_of, ordered), np.uint64, len(ordered)),
    )


def key_of(row: PassageRow) -> int:
    """A passage's own number, the same in every index: of its document and its place there."""
    told = f"{row.document_id}\n{row.seq}".encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big")


def signed_key(row: PassageRow) -> int:
    """The same as databases have it, who know no number without a sign."""
    key = key_of(row)
    return key - 2**64 if key >= 2**63 else key


def _place(row: PassageRow) -> tuple[int, str, int]:
    return AUDIENCES.index(row.audience), row.document_id, row.seq


def _record(row: PassageRow) -> bytes:
    text = f"{row.heading.rpartition(' > ')[2]}\n{row.text}" if row.heading else row.text
    parts = [row.document_id, row.title, text, row.audience, row.url]
    try:
        return orjson.dumps(parts)
    except orjson.JSONEncodeError:
        # Half of a surrogate pair, which is no text: one row of somebody's must not cost all the others.
        whole = [part and part.encode("utf-8", "replace").decode() for part in parts]
        return orjson.dumps(whole)


def _vectors(rows: Sequence[PassageRow]) -> Vectors:
    kept = [row.embedding or b"" for row in rows]
    return unpacked(kept, len(kept[0]) // 2)


def weight_of_meaning(words: Sequence[str]) -> float:
    """What meaning adds to a question of these words."""
    return SHORT_VECTOR_WEIGHT if len(words) <= SHORT_WORDS else VECTOR_WEIGHT


def raised(scores: Scores) -> Scores:
    """Scores with the best at 1, so that two kinds can be added."""
    highest = float(scores.max(initial=0.0))
    return scores / np.float32(highest) if highest > 0 else scores

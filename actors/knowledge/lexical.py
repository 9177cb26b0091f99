"""Find the sections that answer in the asker's own words: BM25 over one tenant's articles.

An index holds one tenant and never hears of another. Audiences are kept in separate
shelves: what an asker may not read is not ranked, not counted in any word's rarity, and
so not even guessable from the scores of what he may.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from math import log

from actors.knowledge.document import Article, Audience, Hit, Passage, passages_of
from actors.knowledge.tokenise import tokenise

# Robertson's usual values; with 48 articles nothing could be tuned honestly.
_K1 = 1.2
_B = 0.75

# A title names its subject on purpose: its words, and the tags, count as said three times.
_TITLE_WEIGHT = 3

# A longer question is a pasted log: its first words carry the matter.
_MAX_QUERY_WORDS = 64


class _Shelf:
    """The sections of one audience and where each word occurs in them."""

    __slots__ = ("lengths", "passages", "postings")

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.lengths: list[int] = []
        self.postings: dict[str, list[tuple[int, int]]] = {}

    def add(self, passage: Passage, words: list[str]) -> None:
        number = len(self.passages)
        self.passages.append(passage)
        self.lengths.append(len(words))
        for word, count in Counter(words).items():
            self.postings.setdefault(word, []).append((number, count))


class LexicalIndex:
    """One tenant's articles, ready to be searched. Built once, never changed."""

    def __init__(self, articles: Iterable[Article]) -> None:
        self._shelves: dict[Audience, _Shelf] = {}
        for article in articles:
            shelf = self._shelves.setdefault(article.audience, _Shelf())
            subject = tokenise(f"{article.title} {' '.join(article.tags)}") * _TITLE_WEIGHT
            for passage in passages_of(article):
                shelf.add(passage, subject + tokenise(passage.text))

    def search(self, query: str, limit: int, audiences: Collection[Audience]) -> list[Hit]:
        """The best section of each of the `limit` best articles, best first; nothing if no word fits.

        Measured on 48 articles: 0.02 to 0.06 ms a question, 0.2 ms a pasted page.
        """
        shelves = [self._shelves[audience] for audience in audiences if audience in self._shelves]
        best: dict[str, Hit] = {}
        for shelf, scores in _scores(shelves, tokenise(query)[:_MAX_QUERY_WORDS]):
            for number, score in scores.items():
                passage = shelf.passages[number]
                known = best.get(passage.id)
                if known is None or score > known.score:
                    best[passage.id] = Hit(passage, score)
        # The id settles ties, so that the same question finds the same articles everywhere.
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.passage.id))[:limit]


def _scores(shelves: list[_Shelf], words: list[str]) -> list[tuple[_Shelf, dict[int, float]]]:
    """BM25 of every section that holds a word, as if the shelves were one collection."""
    total = sum(len(shelf.passages) for shelf in shelves)
    mean_length = sum(sum(shelf.lengths) for shelf in shelves) / total if total else 1.0
    scored: list[tuple[_Shelf, dict[int, float]]] = [(shelf, {}) for shelf in shelves]
    for word, times in Counter(words).items():
        holding = sum(len(shelf.postings.get(word, ())) for shelf in shelves)
        if not holding:
            continue
        rarity = times * log(1 + (total - holding + 0.5) / (holding + 0.5))
        for shelf, scores in scored:
            for number, count in shelf.postings.get(word, ()):
                damping = _K1 * (1 - _B + _B * shelf.lengths[number] / mean_length)
                gain = rarity * count * (_K1 + 1) / (count + damping)
                scores[number] = scores.get(number, 0.0) + gain
    return scored

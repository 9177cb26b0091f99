"""Articles one step away from those that were found, over the `related` edges of their authors."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from actors.knowledge.document import Article, Audience, Hit, Passage, passages_of

# A neighbour is worth half of what led to it: below a direct hit of the same strength,
# above one of a third. A choice, not a measurement.
DECAY = 0.5


class ArticleGraph:
    """One tenant's articles and who names whom. An edge is walked in both directions."""

    def __init__(self, articles: Iterable[Article]) -> None:
        self._openings: dict[str, Passage] = {}
        self._neighbours: dict[str, set[str]] = {}
        for article in articles:
            sections = passages_of(article)
            if sections:
                self._openings[article.id] = replace(sections[0], source="knowledge_graph")
            for other in article.related:
                self._neighbours.setdefault(article.id, set()).add(other)
                self._neighbours.setdefault(other, set()).add(article.id)

    def related(
        self, hits: Sequence[Hit], limit: int, audiences: Collection[Audience]
    ) -> list[Hit]:
        """The openings of articles next to `hits`, best first, without the hits themselves.

        An article next to several hits has the sum of what each hands on: half its score,
        shared among the hit's neighbours the asker may read.
        """
        found = {hit.passage.id for hit in hits}
        scores: dict[str, float] = {}
        for hit in hits:
            readable = [
                other
                for other in self._neighbours.get(hit.passage.id, ())
                if other in self._openings and self._openings[other].audience in audiences
            ]
            for other in readable:
                if other not in found:
                    scores[other] = scores.get(other, 0.0) + DECAY * hit.score / len(readable)
        best = sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))[:limit]
        return [Hit(self._openings[other], score) for other, score in best]

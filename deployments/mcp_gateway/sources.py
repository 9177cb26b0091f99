"""The three sources of this process: articles by words, articles by relation, a customer's records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.knowledge import Article, ArticleGraph, Audience, LexicalIndex, Passage, Records
from deployments.mcp_gateway.context import Source

# What a customer may be told. Articles for the staff stay out of every answer to one.
_CUSTOMERS: tuple[Audience, ...] = ("public",)
# The graph starts from the best few; what is next to a weak hit helps nobody.
_SEEDS = 3


@dataclass(frozen=True, slots=True)
class _Library:
    """One tenant's articles, indexed both ways."""

    index: LexicalIndex
    graph: ArticleGraph


class Lexical:
    """`vector_store`: articles that share the question's words. No embedder is configured yet."""

    def __init__(self, libraries: Mapping[str, _Library]) -> None:
        self._libraries = libraries

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int
    ) -> Sequence[Passage]:
        """The best sections, of the tenant's articles alone."""
        library = self._libraries.get(tenant)
        if library is None:
            return ()
        return [hit.passage for hit in library.index.search(query, limit, _CUSTOMERS)]


class Related:
    """`knowledge_graph`: articles one step from those that share the question's words."""

    def __init__(self, libraries: Mapping[str, _Library]) -> None:
        self._libraries = libraries

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int
    ) -> Sequence[Passage]:
        """The openings of related articles."""
        library = self._libraries.get(tenant)
        if library is None:
            return ()
        hits = library.index.search(query, _SEEDS, _CUSTOMERS)
        return [hit.passage for hit in library.graph.related(hits, limit, _CUSTOMERS)]


class CustomerRecords:
    """`database`: the records of the customer who is asked about, and of nobody else."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int
    ) -> Sequence[Passage]:
        """The customer's records that share words with the question; none without a customer."""
        if user_id is None:
            return ()
        return await self._records.records_of(tenant, user_id, query, limit)


def sources(articles: Mapping[str, Sequence[Article]], records: Records) -> dict[str, Source]:
    """The sources by the names callers use, over each tenant's articles."""
    libraries = {
        tenant: _Library(LexicalIndex(theirs), ArticleGraph(theirs))
        for tenant, theirs in articles.items()
    }
    return {
        "vector_store": Lexical(libraries),
        "knowledge_graph": Related(libraries),
        "database": CustomerRecords(records),
    }

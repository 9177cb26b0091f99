"""`supportmax knowledge search` and `explain`: what a question finds, and why this passage."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from actors.audience import Audience
from actors.database.engine import open_database
from actors.database.knowledge import KnowledgeStore
from actors.knowledge.document import Hit
from actors.knowledge.embed import Embedder, Vectors, open_embedder
from actors.knowledge.index import TITLE_WEIGHT, Found, KnowledgeIndex
from actors.knowledge.indexing import Indexing
from deployments.boot import Boot
from deployments.database import address_of
from routing.clock import Clock
from routing.errors import RequestError

# How far `explain` looks down the list before it says that a document is not on it.
RANKS = 1_000
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of whose knowledge, and in whose place. `embedder` is as configured."""

    tenant: str
    text: str
    reach: Audience
    embedder: str


async def search(boot: Boot, question: Question, limit: int, clock: Clock) -> bool:
    """Print the best passages and the documents next to them; False if nothing was found.

    Raises:
        RequestError: the tenant knows nothing.
    """
    index, vector = await _open(boot, question, clock)
    hits = await asyncio.to_thread(index.search, question.text, vector, limit, question.reach)
    near = await asyncio.to_thread(index.related, question.text, vector, limit, question.reach)
    _print("found", hits)
    _print("related", near)
    if not hits:
        sys.stdout.write("nothing shares a word with it\n")
    return bool(hits)


async def explain(boot: Boot, question: Question, document: str, clock: Clock) -> bool:
    """Print what a document's score for the question is made of; False if it is not found.

    Raises:
        RequestError: the tenant knows nothing.
    """
    index, vector = await _open(boot, question, clock)
    ranked = await asyncio.to_thread(index.find, question.text, vector, RANKS, question.reach)
    for rank, found in enumerate(ranked, start=1):
        passage = index.passage(found.number, "vector_store")
        if passage.id == document:
            sys.stdout.write(f"{document} is number {rank}: {passage.title} ({passage.audience})\n")
            _print_parts(index, found, question)
            return True
    sys.stdout.write(
        f"{document} is not among the first {RANKS} that {question.reach} may read: it shares no word "
        "with the question, or is for others, or is not there\n"
    )
    return False


async def _open(
    boot: Boot, question: Question, clock: Clock
) -> tuple[KnowledgeIndex, Vectors | None]:
    """The tenant's index as of now, built here, and the question's vector where it has vectors."""
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        embedder: Embedder | None = await asyncio.to_thread(open_embedder, question.embedder)
        indexing = Indexing(KnowledgeStore(database), embedder, clock)
        index = await indexing.build(question.tenant)
    finally:
        await database.aclose()
    if not index.size:
        raise RequestError("not_found", f"{question.tenant} knows nothing yet.")
    if embedder is None or index.model != embedder.model:
        return index, None
    return index, (await asyncio.to_thread(embedder.embed, [question.text]))[0]


def _print(how: str, hits: Sequence[Hit]) -> None:
    for hit in hits:
        passage = hit.passage
        text = " ".join(passage.text.split())
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        sys.stdout.write(
            f"{how:<8} {hit.score:6.3f}  {passage.id} ({passage.audience})  {passage.title}\n"
            f"         {shown}\n"
        )


def _print_parts(index: KnowledgeIndex, found: Found, question: Question) -> None:
    sys.stdout.write(f"score    {found.score:6.3f}\nwords    {found.words:6.3f}\n")
    if index.model is not None:
        sys.stdout.write(f"meaning  {found.meaning:6.3f}  by {index.model}\n")
    for term, body, title in index.shared(question.text, found.number, question.reach):
        of_title = f" and {TITLE_WEIGHT * title:.3f} of its title" if title else ""
        sys.stdout.write(f"  {body:6.3f}  {term}{of_title}\n")

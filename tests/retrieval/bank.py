"""The bank of tau2-bench: its documents ingested and indexed by the product, its cases as questions.

A case's question is all its customer is told to know and want; relevant are the documents whoever
wrote the case says it takes. Odd cases are for choosing settings, even ones for reporting.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path

from actors.database.engine import open_database
from actors.database.knowledge import KnowledgeStore
from actors.knowledge.embed import Embedder
from actors.knowledge.index import KnowledgeIndex
from actors.knowledge.indexing import Indexing
from actors.knowledge.ingest import Reading, ingest
from deployments.knowledge.files import find
from routing.clock import SystemClock

DATA = Path(__file__).parents[3] / "shared/data/tau2/banking_knowledge"
TENANT = "bank"


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and the titles of the documents that it takes to answer it."""

    number: int
    question: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over cases."""

    recall_at_10: float
    recall_at_20: float
    ndcg_at_10: float
    reciprocal_rank: float


def documents() -> Iterator[tuple[str, str, str]]:
    """Every document's id, title and content, in order of ids."""
    for path in sorted((DATA / "documents").glob("*.json")):
        one = json.loads(path.read_text("utf-8"))
        yield one["id"], one["title"], one["content"]


def cases() -> list[Case]:
    """The 97 cases in the order of their file."""
    tasks = json.loads((DATA / "tasks.json").read_text("utf-8"))
    return [
        Case(
            number,
            _told(task["user_scenario"]["instructions"]),
            frozenset(task["required_documents"]),
        )
        for number, task in enumerate(tasks)
    ]


def _told(instructions: object) -> str:
    return instructions if isinstance(instructions, str) else json.dumps(instructions)


async def indexed(
    folder: Path, embedder: Embedder | None = None, *, titled: bool = True
) -> KnowledgeIndex:
    """The documents by the road every document takes: files, ingest, rows, index.

    Where they are not `titled`, a dash stands in the titles' place, which is no word.
    """
    source = folder / "documents"
    source.mkdir()
    for name, title, content in documents():
        shown = json.dumps(title if titled else "-")
        text = f"---\nid: {json.dumps(name)}\ntitle: {shown}\n---\n{content}"
        (source / f"{name}.md").write_text(text, "utf-8")
    database = open_database(folder / "bank.db")
    try:
        await database.migrate()
        store, clock = KnowledgeStore(database), SystemClock()
        report = await ingest(
            store, TENANT, "bank", "bank", find(source).files, Reading("agent"), clock
        )
        assert not report.refused, report.refused[:3]
        indexing = Indexing(store, embedder, clock)
        await indexing.embed(TENANT)
        await indexing.refresh()
        return indexing.indexes[TENANT]
    finally:
        await database.aclose()


def measured(found: Sequence[tuple[Case, Sequence[str]]]) -> Figures:
    """The usual figures of ranked lists; the first 100 of each list count."""
    n = len(found)

    def recall(at: int) -> float:
        return (
            sum(len(case.relevant & set(ids[:at])) / len(case.relevant) for case, ids in found) / n
        )

    def ndcg(case: Case, ids: Sequence[str]) -> float:
        gained = sum(
            1 / log2(rank + 2) for rank, one in enumerate(ids[:10]) if one in case.relevant
        )
        return gained / sum(1 / log2(rank + 2) for rank in range(min(10, len(case.relevant))))

    def reciprocal(case: Case, ids: Sequence[str]) -> float:
        ranks = (rank for rank, one in enumerate(ids[:100], start=1) if one in case.relevant)
        return 1 / next(ranks, float("inf"))

    return Figures(
        recall(10),
        recall(20),
        sum(ndcg(case, ids) for case, ids in found) / n,
        sum(reciprocal(case, ids) for case, ids in found) / n,
    )
